"""Leads that came in by a link to a material: they know who shared it, and rules can give them to that person."""

import pytest
from assignment_desk import a_policy, owned, read, tried
from chassis.errors import InvalidFields
from chassis.values import new_id
from crm.leads.v1 import assignment_pb2, captures_pb2, leads_pb2, merges_pb2
from crm.marketing.v1 import events_pb2 as marketing_events
from lead_calls import read as read_lead

SHARER = "MATERIAL_SHARER"


def a_number():
    """A number no other test uses."""
    return f"+4930{int(new_id()[-6:], 16) % 10_000_000:07}"


async def capture(leads, **fields):
    request = captures_pb2.CaptureLeadRequest(**fields)
    return await leads.call("CaptureService/CaptureLead", request, by="users/root")


async def lead_of(leads, captured):
    return await read_lead(leads, captured.lead)


async def a_link(leads, owner="users/p1", material="materials/oven"):
    """A link that marketing told of; its token."""
    token = new_id().replace("-", "")
    link = {"name": f"materialLinks/{token}", "etag": "1", "owner": owner, "material": material}
    await leads.react(marketing_events.MaterialLinkCreated(material_link=link))
    return token


def came_by(lead):
    return lead.material_link.removeprefix("materialLinks/"), lead.material, lead.shared_by


def sources():
    """Each way of coming in, with the link said or read from the page's address."""
    page = "https://rosa.example/oven?utm_source=x&material_link={token}"
    return {
        "quick entry": {"quick_entry": {"text": "Ана {phone}"}, "material_link": "{token}"},
        "referral": {"referral": {"referred_by": "accounts/1"}, "material_link": "materialLinks/{token}"},
        "form": {"web_form": {"values": {"phone": "{phone}", "name": "王芳"}, "page_url": page}},
        "form that says it": {"web_form": {"values": {"phone": "{phone}"}}, "material_link": "{token}"},
        "chat": {"chat": {"lines": [{"by_visitor": True, "text": "João {phone}"}], "page_url": page}},
    }


def filled(value, **words):
    if isinstance(value, str):
        return value.format(**words)
    if isinstance(value, dict):
        return {key: filled(one, **words) for key, one in value.items()}
    return [filled(one, **words) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("source", sources())
async def test_a_lead_knows_by_which_material_it_came_whichever_way(leads, source):
    token, phone = await a_link(leads), a_number()
    asked = filled(sources()[source], token=token, phone=phone)
    made = await capture(leads, fields={"phone": phone}, **asked)
    assert made.material_link == f"materialLinks/{token}"
    assert came_by(await lead_of(leads, made)) == (token, "materials/oven", "users/p1")


async def test_a_link_that_nobody_knows_turns_nobody_away(leads):
    made = await capture(leads, quick_entry={"text": f"Ана {a_number()}"}, material_link="mistyped1")
    assert (made.state, made.material_link) == (captures_pb2.Capture.CREATED, "materialLinks/mistyped1")
    assert came_by(await lead_of(leads, made)) == ("", "", "")
    page = "https://x.example/?material_link=%3Cscript%3E&material_link="
    made = await capture(leads, web_form={"values": {"phone": a_number()}, "page_url": page})
    assert made.material_link == ""
    with pytest.raises(InvalidFields, match="material_link"):
        await capture(leads, quick_entry={"text": "Ана"}, material_link="materialLinks/../x")


async def test_whoever_comes_again_keeps_the_first_material_and_gets_one_if_there_was_none(leads):
    first, second, phone = await a_link(leads), await a_link(leads, "users/p2", "materials/two"), a_number()
    made = await capture(leads, quick_entry={"text": f"Ана {phone}"})
    for token in (first, second):
        again = await capture(leads, quick_entry={"text": f"Ана {phone}"}, material_link=token)
        assert again.lead == made.lead
    assert came_by(await lead_of(leads, made)) == (first, "materials/oven", "users/p1")
    assert (await leads.events(made.lead)).count("LeadUpdated") == 1


async def test_nobody_says_by_hand_which_material_it_was(leads):
    given = {"display_name": "Ана", "material": "materials/mine", "shared_by": "users/ana"}
    made = await leads.call("LeadService/CreateLead", leads_pb2.CreateLeadRequest(lead=given), by="users/root")
    assert came_by(made) == ("", "", "")


async def test_a_merge_keeps_the_material_together_and_its_undo_gives_it_back(leads):
    token = await a_link(leads)
    plain = await capture(leads, quick_entry={"text": f"Ана {a_number()}"})
    came = await capture(leads, quick_entry={"text": f"Ана {a_number()}"}, material_link=token)
    merge = merges_pb2.MergeLeadsRequest(name=plain.lead, merged=[{"name": came.lead}])
    await leads.call("MergeService/MergeLeads", merge, by="users/root")
    assert came_by(await lead_of(leads, plain)) == (token, "materials/oven", "users/p1")
    await leads.call("MergeService/UndoMerge", merges_pb2.UndoMergeRequest(name=plain.lead), by="users/root")
    assert came_by(await lead_of(leads, plain)) == ("", "", "")
    assert came_by(await lead_of(leads, came)) == (token, "materials/oven", "users/p1")


async def test_of_two_materials_that_of_one_lead_survives_whole(leads):
    tokens = [await a_link(leads, f"users/p{number}", f"materials/m{number}") for number in (1, 2)]
    one, two = [
        await capture(leads, quick_entry={"text": f"Ана {a_number()}"}, material_link=token) for token in tokens
    ]
    chosen = {"field": "material_link", "rule": "CHOSEN", "lead": two.lead}
    merge = merges_pb2.MergeLeadsRequest(name=one.lead, merged=[{"name": two.lead}], fields=[chosen])
    await leads.call("MergeService/MergeLeads", merge, by="users/root")
    assert came_by(await lead_of(leads, one)) == (tokens[1], "materials/m2", "users/p2")


async def test_a_rule_gives_a_lead_to_who_shared_the_material_and_other_leads_to_others(fresh):
    await a_policy(
        fresh, {"rule": "sharer", "strategy": SHARER}, {"rule": "all", "teams": ["teams/crew"], "people": []}
    )
    token = await a_link(fresh, "users/spare")
    came = await capture(fresh, quick_entry={"text": f"Ана {a_number()}"}, material_link=token)
    plain = await capture(fresh, quick_entry={"text": f"Ана {a_number()}"})
    assert (await owned(fresh, came.lead)).owner == "users/spare"
    assert (await owned(fresh, plain.lead)).owner.startswith("users/p")


async def test_who_left_gets_nothing_by_their_old_links(fresh):
    await a_policy(fresh, {"rule": "sharer", "strategy": SHARER})
    came = await capture(
        fresh, quick_entry={"text": f"Ана {a_number()}"}, material_link=await a_link(fresh, "users/gone")
    )
    [decision] = await tried(fresh, came.lead)
    assert [(one.person, one.verdict) for one in decision.candidates] == [
        ("users/gone", assignment_pb2.AssignmentDecision.NOT_ACTIVE)
    ]
    assert (await read(fresh, came.lead)).owner == ""


async def test_a_rule_asks_for_the_material(fresh):
    condition = {"fact": "MATERIAL", "any_of": ["materials/oven"]}
    await a_policy(fresh, {"rule": "oven", "people": ["users/p3"], "conditions": [condition]})
    came = await capture(fresh, quick_entry={"text": f"Ана {a_number()}"}, material_link=await a_link(fresh))
    other = await capture(
        fresh, quick_entry={"text": f"Ана {a_number()}"}, material_link=await a_link(fresh, material="materials/x")
    )
    assert (await owned(fresh, came.lead)).owner == "users/p3"
    await tried(fresh, other.lead)
    assert (await read(fresh, other.lead)).owner == ""
