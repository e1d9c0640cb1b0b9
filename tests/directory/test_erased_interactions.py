"""An erasure finds what was said with a lead, and what was planned about it."""

import json

import pytest
from crm.leads.v1 import cadences_pb2, call_lists_pb2, interactions_pb2, leads_pb2
from directory_calls import OFFICER, call, completed, erasing_suite
from google.protobuf.json_format import ParseDict
from harness import until
from lead_calls import create

NOTE = "Мария Колева иска оферта за фурна"


@pytest.fixture
async def suite(issuer):
    async for running in erasing_suite(issuer):
        yield running


async def followed_up(leads):
    """A lead with a call, an e-mail and a cadence."""
    lead = await create(leads, owner="users/ana", display_name="Мария Колева")
    step = ParseDict({"displayName": "C", "steps": [{"kind": "CALL"}]}, cadences_pb2.Cadence())
    request = cadences_pb2.CreateCadenceRequest(cadence=step, cadence_id="c")
    await leads.call("CadenceService/CreateCadence", request, by="users/root")
    enrol = cadences_pb2.EnrolLeadRequest(name=lead.name, cadence="cadences/c")
    await leads.call("CadenceService/EnrolLead", enrol, by="users/root")
    logged = interactions_pb2.LogInteractionRequest(name=lead.name, kind="EMAIL", note=NOTE)
    await leads.call("InteractionService/LogInteraction", logged, by="users/root")
    spoken = leads_pb2.LogCallRequest(name=lead.name, outcome="REACHED", note=NOTE)
    await leads.call("LeadService/LogCall", spoken, by="users/root")
    return lead


async def test_what_was_said_with_a_lead_is_told_to_them_and_erased_with_them(suite):
    leads = suite["leads"]
    lead = await followed_up(leads)
    document = await call(suite, "ExportPersonalData", records=[lead.name])
    told = json.loads(document.data)["services"]["leads"]["records"]
    assert [one["note"] for one in told if one["name"].startswith("interactions/")] == [NOTE, NOTE]
    made = await call(suite, "CreateErasure", by=OFFICER.name, erasure={"records": [lead.name]})
    await completed(suite, made.name)
    kept = await leads.rows("SELECT note FROM interactions WHERE lead = $1", lead.name)
    assert len(kept) == 2
    assert all("Колева" not in row["note"] and "фурна" not in row["note"] for row in kept)
    told = await leads.rows("SELECT payload FROM outbox WHERE subject = $1", lead.name)
    assert all("фурна".encode() not in (row["payload"] or b"") for row in told)


async def test_who_was_erased_is_given_to_no_caller_and_their_number_is_kept_nowhere(suite):
    leads, number = suite["leads"], "+359 88 765 4321"
    lead = await create(leads, owner="users/ana", display_name="Мария Колева", phone=number)
    made = call_lists_pb2.CreateCallListRequest(call_list={"display_name": "C"})
    listed = await leads.call("CallListService/CreateCallList", made, by="users/root")
    for name in (lead.name, (await create(leads, owner="users/ana", phone="+359887654322")).name):
        fill = call_lists_pb2.FillCallListRequest(name=listed.name, leads=[name])
        await leads.call("CallListService/FillCallList", fill, by="users/root")
    ask = call_lists_pb2.NextCallRequest(name=listed.name)

    async def given():
        answer = await leads.call("CallListService/NextCall", ask, by="users/root")
        return answer if answer.HasField("entry") else None

    entry = (await until(given, "a lead is to be called")).entry
    request = call_lists_pb2.RecordCallRequest(name=entry.name, disposition="VOICEMAIL", note=NOTE)
    await leads.call("CallListService/RecordCall", request, by="users/root")
    spoken = leads_pb2.LogCallRequest(name=lead.name, outcome="WRONG_NUMBER")
    await leads.call("LeadService/LogCall", spoken, by="users/root")
    made = await call(suite, "CreateErasure", by=OFFICER.name, erasure={"records": [lead.name]})
    await completed(suite, made.name)
    await leads.rows("UPDATE call_list_entries SET due_time = NULL, lease_until = NULL")
    answer = await given()
    assert answer is None or answer.lead.name != lead.name
    kept = await leads.rows("SELECT wrong_phone, phone FROM leads WHERE id = $1::uuid", lead.name.split("/")[1])
    assert [dict(row) for row in kept] == [{"wrong_phone": "", "phone": ""}]
    notes = await leads.rows("SELECT note FROM interactions WHERE note <> ''")
    assert all("Колева" not in row["note"] and "фурна" not in row["note"] for row in notes)
