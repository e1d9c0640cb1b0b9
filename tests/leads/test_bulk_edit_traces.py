"""Bulk edits beside what else happens to leads: company-defined fields, merges, conversions, erasures."""

import pytest
from bulk_calls import edit_of, items, outcomes, previewed, started, undone
from chassis.personal import to_wire
from chassis.persons import Person
from chassis.values import new_id
from crm.chassis.v1 import personal_pb2
from crm.leads.v1 import leads_pb2, merges_pb2, segments_pb2
from custom_calls import definition, know
from google.protobuf.json_format import MessageToDict
from harness import start
from lead_calls import create, read, update

TIER = definition("tier", "ENUM", options=["gold", "сребро", "tin"], indexed=True)
NEED = definition("need", "STRING", required=True)


@pytest.fixture(scope="module")
async def own(backend, issuer):
    running = await start("leads", backend, issuer)
    await know(running, TIER)
    yield running
    await running.stop()


def custom(lead):
    return MessageToDict(lead.custom)


async def test_company_defined_fields_are_set_each_by_itself_and_given_back(own):
    one = await create(own, custom={"tier": "tin"})
    two = await create(own)
    edit = await previewed(own, leads=[one.name, two.name], lead={"custom": {"tier": "сребро"}})
    assert list(edit.fields) == ["custom.tier"]
    done = await started(own, edit)
    assert [custom(await read(own, name)) for name in (one.name, two.name)] == [{"tier": "сребро"}] * 2
    await undone(own, done)
    assert [custom(await read(own, name)) for name in (one.name, two.name)] == [{"tier": "tin"}, {}]


async def test_a_value_that_one_lead_may_not_lose_is_refused_for_that_lead(own):
    await know(own, NEED)
    kept, fine = await create(own, custom={"need": "всичко"}), await create(own, custom={"need": "x"})
    await own.rows("UPDATE leads SET custom = '{}' WHERE id::text = $1", fine.name[-36:])
    edit = await previewed(own, leads=[kept.name, fine.name], fields=["custom.need", "note"], lead={"note": "n"})
    seen = await items(own, edit)
    assert outcomes(seen) == {kept.name: "REFUSED", fine.name: "CHANGING"}
    assert (seen[kept.name].reason, seen[kept.name].message) == ("INVALID_FIELDS", "custom.need: is required")
    await know(own, NEED, archived=True)


async def merge(leads, survivor, loser):
    request = merges_pb2.MergeLeadsRequest(name=survivor, merged=[{"name": loser}])
    await leads.call("MergeService/MergeLeads", request, by="users/root")


async def test_an_edited_lead_that_was_merged_is_left_and_after_that_merges_undo_given_back(own):
    survivor, loser = await create(own, note="before"), await create(own, note="before")
    done = await started(own, await previewed(own, leads=[survivor.name, loser.name], lead={"note": "edited"}))
    await merge(own, survivor.name, loser.name)
    back = await undone(own, done)
    assert (back.undone, back.left) == (1, 1)
    assert {name: one.reason for name, one in (await items(own, back)).items()} == {
        survivor.name: "", loser.name: "LEAD_MERGED_AWAY",
    }  # fmt: skip
    assert (await read(own, survivor.name)).note == "before"
    await own.call("MergeService/UndoMerge", merges_pb2.UndoMergeRequest(name=survivor.name), by="users/root")
    assert [(await read(own, one.name)).note for one in (survivor, loser)] == ["before", "edited"]
    again = await undone(own, back)
    assert (again.undone, (await read(own, loser.name)).note) == (2, "before")


async def test_a_segment_of_those_who_gave_feedback_selects_them_and_nobody_else(own):
    email = f"{new_id()}@said.example"
    said, silent = await create(own, email=email), await create(own)
    await own.rows(
        "INSERT INTO known_feedback (feedback, product, kind, feedback_time, account, contact, email, phone)"
        " VALUES ($1, 'oven', 'WISH', now(), '', '', $2, '')",
        f"productFeedbacks/{new_id()}",
        email,
    )
    segment = segments_pb2.CreateLeadSegmentRequest(
        lead_segment={"display_name": f"S {new_id()}", "feedback": {"product": "oven"}}
    )
    made = await own.call("LeadSegmentService/CreateLeadSegment", segment, by="users/root")
    done = await started(own, await previewed(own, segment=made.name, lead={"region": "Faro"}))
    assert (done.selected, done.changed) == (1, 1)
    assert [(await read(own, one.name)).region for one in (said, silent)] == ["Faro", ""]


async def test_an_edit_of_a_lead_that_was_closed_since_can_still_be_taken_back(own):
    lead = await create(own, region="Faro")
    done = await started(own, await previewed(own, leads=[lead.name], lead={"region": "Beja"}))
    request = leads_pb2.DisqualifyLeadRequest(name=lead.name, reason="no_need")
    await own.call("LeadService/DisqualifyLead", request, by="users/root")
    assert (await undone(own, done)).undone == 1
    assert (await read(own, lead.name)).region == "Faro"


async def test_what_an_edit_knows_of_a_person_goes_with_their_erasure(own):
    said = "има аритмия"
    erased = await create(own, display_name="Мария Conceição", email="m@rosa.example", note=said)
    other = await create(own, note="каза го Мария Conceição")
    done = await started(own, await previewed(own, leads=[erased.name, other.name], lead={"note": "ново"}))
    person = personal_pb2.FindPersonRequest(person=to_wire(Person(records=[erased.name])))
    found = await own.call("PersonalDataService/FindPerson", person)
    wanted = personal_pb2.ErasePersonRequest(erasure=new_id(), person=found.person)
    while (await own.call("PersonalDataService/ErasePerson", wanted, timeout=60)).changed:
        pass
    kept = await own.rows(
        "SELECT i::text AS said FROM lead_bulk_edit_items i WHERE i.edit_id::text = $1", done.name[-36:]
    )
    assert len(kept) == 1
    assert said not in kept[0]["said"]
    assert (await undone(own, done)).undone == 1
    assert (await read(own, erased.name)).note == ""


async def test_an_edit_says_in_its_own_record_nothing_of_its_leads(own):
    lead = await create(own, note="само за Ана")
    done = await started(own, await previewed(own, leads=[lead.name], lead={"region": "Faro"}))
    assert "Ана" not in str(await edit_of(own, done.name))


async def test_an_update_between_two_parts_is_seen_and_its_lead_is_left(own, monkeypatch):
    from leads import bulk_editing

    monkeypatch.setattr(bulk_editing, "PART", 1)
    made = [await create(own) for _ in range(3)]
    edit = await previewed(own, leads=[one.name for one in made], lead={"region": "Beja"})
    await update(own, made[2].name, region="Faro")
    done = await started(own, edit)
    assert (done.changed, done.refused) == (2, 1)
    assert (await read(own, made[2].name)).region == "Faro"
