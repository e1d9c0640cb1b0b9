"""Product feedback as a target list: who said something of a product, after merges and erasures as well."""

import json

import pytest
from chassis.errors import InvalidFields
from chassis.values import new_id
from crm.leads.v1 import captures_pb2, merges_pb2
from crm.leads.v1 import segments_pb2 as pb
from crm.service_desk.v1 import events_pb2 as events
from google.protobuf.timestamp_pb2 import Timestamp
from lead_calls import create

BY = "users/root"
CAPTURE = captures_pb2.Capture


def at(day):
    """A day of January 2026."""
    return Timestamp(seconds=1_767_225_600 + (day - 1) * 86_400)


async def hear(leads, event="Created", version="1", **fields):
    """What the service desk tells; its name."""
    known = {"name": f"productFeedbacks/{new_id()}", "etag": version, "kind": "WISH", "text": "Таймер"}
    told = known | {"feedback_time": at(10), "owner": "users/dora", "team": "teams/service"} | fields
    changed = {"fields": told.pop("fields", ["text"])} if event == "Updated" else {}
    await leads.react(getattr(events, f"ProductFeedback{event}")(product_feedback=told, **changed))
    return told["name"]


async def segment(leads, **feedback):
    request = pb.CreateLeadSegmentRequest(lead_segment={"display_name": f"S {new_id()}", "feedback": feedback})
    return await leads.call("LeadSegmentService/CreateLeadSegment", request, by=BY)


async def members(leads, by=BY, **feedback):
    made = await segment(leads, **feedback)
    page = await leads.call("LeadSegmentService/ListSegmentLeads", pb.ListSegmentLeadsRequest(parent=made.name), by=by)
    size = await leads.call(
        "LeadSegmentService/GetLeadSegmentSize", pb.GetLeadSegmentSizeRequest(name=made.name), by=by
    )
    found = [one.name for one in page.leads]
    assert size.leads == len(found)
    return found


@pytest.fixture
def product():
    """A product of this test's own."""
    return f"oven-{new_id()}"


async def became(leads, lead, **fields):
    """As a conversion would leave it."""
    for name, value in fields.items():
        await leads.rows(f"UPDATE leads SET {name} = $2 WHERE id = $1", lead.name.split("/")[1], value)


async def test_a_person_is_known_by_address_by_number_and_by_the_contact_they_became(leads, product):
    by_mail = await create(leads, email=f"{new_id()}@rosa.example")
    by_phone = await create(leads, phone="+359 888 123 457", display_name="王芳")
    by_contact = await create(leads)
    await became(leads, by_contact, contact="contacts/7")
    await create(leads)
    await hear(leads, product=product, email=by_mail.email)
    await hear(leads, product=product, phone="+359888123457")
    await hear(leads, product=product, contact="contacts/7", account="accounts/9")
    assert await members(leads, product=product) == [by_contact.name, by_phone.name, by_mail.name]


async def test_kind_and_time_and_one_piece_narrow_down_who_is_meant(leads, product):
    one, two = [await create(leads, email=f"{new_id()}@rosa.example") for _ in range(2)]
    early = await hear(leads, product=product, email=one.email, feedback_time=at(1))
    await hear(leads, product=product, email=two.email, feedback_time=at(20), kind="DEFECT")
    assert await members(leads, product=product) == [two.name, one.name]
    assert await members(leads, product=product, kind="WISH") == [one.name]
    assert await members(leads, product=product, since=at(20)) == [two.name]
    assert await members(leads, product=product, until=at(20)) == [one.name]
    assert await members(leads, product_feedback=early) == [one.name]
    assert await members(leads, product=product, kind="PRAISE") == []


async def test_a_company_is_meant_where_nobody_is_named_or_where_all_of_it_are_asked_for(leads, product):
    who, colleague = [await create(leads) for _ in range(2)]
    account = f"accounts/{new_id()}"
    await became(leads, who, account=account, contact=f"contacts/{new_id()}")
    await became(leads, colleague, account=account)
    [contact] = await leads.rows("SELECT contact FROM leads WHERE id = $1", who.name.split("/")[1])
    await hear(leads, product=product, account=account, contact=contact["contact"])
    assert await members(leads, product=product) == [who.name]
    assert await members(leads, product=product, whole_company=True) == [colleague.name, who.name]
    await hear(leads, product=product, account=account, kind="PRAISE")
    assert await members(leads, product=product, kind="PRAISE") == [colleague.name, who.name]


async def test_everybody_finds_those_they_may_see_and_a_filter_narrows_further(leads, product):
    of_ana, of_chen = [
        await create(leads, owner=owner, email=f"{new_id()}@rosa.example") for owner in ("users/ana", "users/chen")
    ]
    for lead in (of_ana, of_chen):
        await hear(leads, product=product, email=lead.email)
    assert await members(leads, "users/ana", product=product) == [of_ana.name]
    assert await members(leads, "users/mira", product=product) == [of_chen.name, of_ana.name]
    narrower = {"display_name": f"S {new_id()}", "feedback": {"product": product}, "filter": "state = NEW"}
    request = pb.CreateLeadSegmentRequest(lead_segment=narrower)
    made = await leads.call("LeadSegmentService/CreateLeadSegment", request, by=BY)
    asked = pb.ListSegmentLeadsRequest(parent=made.name)
    assert not (await leads.call("LeadSegmentService/ListSegmentLeads", asked, by=BY)).leads  # they are ASSIGNED


async def test_a_page_of_them_is_continued_until_other_feedback_is_asked_for(leads, product):
    made = [await create(leads, email=f"{new_id()}@rosa.example") for _ in range(3)]
    for lead in made:
        await hear(leads, product=product, email=lead.email)
    asked = await segment(leads, product=product)
    first = await leads.call(
        "LeadSegmentService/ListSegmentLeads", pb.ListSegmentLeadsRequest(parent=asked.name, page_size=2), by=BY
    )
    rest = pb.ListSegmentLeadsRequest(parent=asked.name, page_size=2, page_token=first.next_page_token)
    last = await leads.call("LeadSegmentService/ListSegmentLeads", rest, by=BY)
    assert [one.name for one in [*first.leads, *last.leads]] == [one.name for one in reversed(made)]
    changed = {"name": asked.name, "feedback": {"product": product, "kind": "WISH"}}
    await leads.call("LeadSegmentService/UpdateLeadSegment", pb.UpdateLeadSegmentRequest(lead_segment=changed), by=BY)
    with pytest.raises(InvalidFields, match="page_token"):
        await leads.call("LeadSegmentService/ListSegmentLeads", rest, by=BY)


@pytest.mark.parametrize(
    "wrong",
    [{}, {"since": at(1)}, {"product": "p", "since": at(2), "until": at(2)}, {"kind": 9}, {"product_feedback": "x"}],
)
async def test_a_segment_of_anybody_at_no_time_is_refused(leads, wrong):
    with pytest.raises(InvalidFields, match="feedback"):
        await segment(leads, **wrong)


async def test_who_goes_on_after_a_merge_gave_what_was_given_until_it_is_undone(leads, product):
    survivor, loser = [await create(leads, email=f"{new_id()}@rosa.example") for _ in range(2)]
    await hear(leads, product=product, email=loser.email)
    merge = merges_pb2.MergeLeadsRequest(name=survivor.name, merged=[{"name": loser.name}])
    await leads.call("MergeService/MergeLeads", merge, by=BY)
    assert await members(leads, product=product) == [survivor.name]
    await leads.call("MergeService/UndoMerge", merges_pb2.UndoMergeRequest(name=survivor.name), by=BY)
    assert await members(leads, product=product) == [loser.name]


async def captures_of(leads, name):
    rows = await leads.rows("SELECT id::text AS id FROM captures WHERE capture_key = $1", name)
    asked = [captures_pb2.GetCaptureRequest(name=f"captures/{row['id']}") for row in rows]
    return [await leads.call("CaptureService/GetCapture", one, by=BY) for one in asked]


async def test_who_is_no_lead_becomes_one_only_if_that_is_asked_for(leads, product):
    person = {"display_name": "João Silva", "email": f"{new_id()}@padaria.example", "product": product}
    quiet = await hear(leads, **person)
    assert await captures_of(leads, quiet) == []
    assert await members(leads, product=product) == []
    wanted = await hear(leads, lead_wanted=True, account="accounts/9", **person)
    [capture] = await captures_of(leads, wanted)
    assert (capture.kind, capture.state, capture.owner) == (CAPTURE.FEEDBACK, CAPTURE.CREATED, "")
    assert (capture.referred_by, capture.product, capture.note) == ("accounts/9", product, "Таймер")
    assert await members(leads, product=product) == [capture.lead]


async def test_who_is_asked_for_twice_or_is_known_comes_in_once_or_not_at_all(leads, product):
    person = {"display_name": "王芳", "email": f"{new_id()}@rosa.example", "product": product}
    name = await hear(leads, **person)
    await hear(leads, "Updated", "2", name=name, lead_wanted=True, fields=["lead_wanted"], **person)
    [capture] = await captures_of(leads, name)
    await hear(leads, "Updated", "3", name=name, lead_wanted=True, fields=["lead_wanted"], **person)
    assert await captures_of(leads, name) == [capture]
    again = await hear(leads, lead_wanted=True, **person)
    assert await captures_of(leads, again) == []


async def test_an_erasure_that_redacts_feedback_takes_nobody_in(leads, product):
    person = {"display_name": "Ана", "email": f"{new_id()}@rosa.example", "product": product}
    lead = await create(leads, email=person["email"])
    name = await hear(leads, lead_wanted=True, **person)
    await became(leads, lead, email="")
    blank = {"name": name, "product": product, "lead_wanted": True, "text": "(erased)"}
    await hear(leads, "Updated", "2", fields=["display_name", "email", "text"], **blank)
    assert await captures_of(leads, name) == []
    [row] = await leads.rows("SELECT * FROM known_feedback WHERE feedback = $1", name)
    assert (row["email"], row["product"]) == ("", product)


async def test_of_what_was_said_leads_keeps_neither_the_words_nor_the_name(leads, product):
    name = await hear(leads, product=product, display_name="Мария Колева", email="m@rosa.example")
    [row] = await leads.rows("SELECT to_jsonb(f)::text AS all FROM known_feedback f WHERE feedback = $1", name)
    assert set(json.loads(row["all"])) == {
        "feedback", "product", "kind", "feedback_time", "account", "contact", "email", "phone", "journey_id",
    }  # fmt: skip
    assert "Мария" not in row["all"]
    assert "Таймер" not in row["all"]
