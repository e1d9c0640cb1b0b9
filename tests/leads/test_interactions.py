"""Interactions with leads over gRPC: what is kept, what it means for the lead, and who sees it."""

from datetime import UTC, datetime, timedelta

import pytest
from chassis.errors import FailedPrecondition, InvalidArgument, InvalidFields, NotFound
from crm.leads.v1 import events_pb2 as lead_events
from crm.leads.v1 import interactions_pb2, leads_pb2, responses_pb2
from google.protobuf.json_format import ParseDict
from lead_calls import create, read

Interaction, Lead = interactions_pb2.Interaction, leads_pb2.Lead


async def log(leads, name, by="users/root", **fields):
    request = ParseDict({"name": name, "kind": "CALL"} | fields, interactions_pb2.LogInteractionRequest())
    return await leads.call("InteractionService/LogInteraction", request, by=by)


async def story(leads, name, by="users/root"):
    request = interactions_pb2.ListInteractionsRequest(filter=f'lead = "{name}"')
    return list((await leads.call("InteractionService/ListInteractions", request, by=by)).interactions)


async def lead(leads):
    return await create(leads, owner="users/ana")


@pytest.mark.parametrize("kind", ["CALL", "VISIT", "CHAT", "EMAIL", "SMS"])
async def test_an_outbound_interaction_is_kept_and_is_work_on_the_lead(leads, kind):
    made = await lead(leads)
    kept = await log(leads, made.name, by="users/ana", kind=kind, outcome="REACHED", note="Иска оферта 报价")
    assert (kept.lead, kept.owner, kept.actor) == (made.name, "users/ana", "users/ana")
    assert (kept.direction, kept.note, kept.journey_id) == (Interaction.OUTBOUND, "Иска оферта 报价", made.journey_id)
    request = interactions_pb2.GetInteractionRequest(name=kept.name)
    assert await leads.call("InteractionService/GetInteraction", request, by="users/ana") == kept
    now = await read(leads, made.name)
    assert (now.state, now.last_outbound_time) == (Lead.WORKING, kept.interaction_time)
    assert now.call_count == (1 if kind == "CALL" else 0)
    assert (await leads.events(made.name))[-1] == "LeadContacted"


async def test_an_inbound_interaction_is_no_work_of_ours(leads):
    made = await lead(leads)
    kept = await log(leads, made.name, direction="INBOUND")
    now = await read(leads, made.name)
    assert (now.state, now.call_count, now.HasField("last_outbound_time")) == (made.state, 0, False)
    assert now.last_inbound_time == kept.interaction_time


async def test_a_promise_to_call_back_holds_until_somebody_is_in_touch(leads):
    made = await lead(leads)
    later = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    await log(leads, made.name, direction="INBOUND", outcome="CALL_BACK", callBackTime=later)
    assert (await read(leads, made.name)).HasField("call_back_time")
    await leads.call(
        "LeadService/LogCall", leads_pb2.LogCallRequest(name=made.name, outcome="NO_ANSWER"), by="users/root"
    )
    assert not (await read(leads, made.name)).HasField("call_back_time")


async def test_a_call_logged_the_short_way_is_part_of_the_story(leads):
    made = await lead(leads)
    request = leads_pb2.LogCallRequest(name=made.name, outcome="REACHED", note="Да")
    await leads.call("LeadService/LogCall", request, by="users/ana")
    (kept,) = await story(leads, made.name)
    assert (kept.kind, kept.note, kept.actor) == (Interaction.CALL, "Да", "users/ana")
    assert (await leads.events(made.name)).count("LeadContacted") == 0


async def test_what_contradicts_itself_is_refused(leads):
    made = await lead(leads)
    with pytest.raises(InvalidFields):
        await log(leads, made.name, callBackTime="2020-01-01T00:00:00Z")
    for wrong in ({"kind": "KIND_UNSPECIFIED"}, {"interactionTime": "2200-01-01T00:00:00Z"}):
        with pytest.raises(InvalidArgument):
            await log(leads, made.name, **wrong)
    assert await story(leads, made.name) == []


async def test_a_closed_lead_is_not_contacted(leads):
    made = await lead(leads)
    request = leads_pb2.DisqualifyLeadRequest(name=made.name, reason="no_budget")
    await leads.call("LeadService/DisqualifyLead", request, by="users/root")
    with pytest.raises(FailedPrecondition, match="LEAD_CLOSED"):
        await log(leads, made.name)


async def test_the_story_goes_along_with_the_lead(leads):
    made = await lead(leads)
    kept = await log(leads, made.name, by="users/ana")
    assert await story(leads, made.name, by="users/chen") == []
    with pytest.raises(NotFound):
        await log(leads, made.name, by="users/chen")
    request = leads_pb2.AssignLeadRequest(name=made.name, owner="users/chen")
    given = await leads.call("LeadService/AssignLead", request, by="users/root")
    await leads.react(lead_events.LeadAssigned(lead=given), version=int(given.etag))
    assert [one.name for one in await story(leads, made.name, by="users/chen")] == [kept.name]
    assert await story(leads, made.name, by="users/ana") == []


async def clock_after(leads, **fields):
    """The clock of a new lead after an interaction."""
    targets = {"responseSettings": {"targets": [{"target": "all", "responseTime": {"seconds": 3600}}]}}
    aim = ParseDict(targets, responses_pb2.UpdateResponseSettingsRequest())
    await leads.call("ResponseService/UpdateResponseSettings", aim, by="users/root")
    made = await lead(leads)
    await leads.react(lead_events.LeadCreated(lead=made), version=1)
    kept = await log(leads, made.name, **fields)
    contacted = lead_events.LeadContacted(lead=await read(leads, made.name), interaction=kept)
    await leads.react(contacted, version=5)
    request = responses_pb2.ListLeadResponsesRequest(filter=f'lead = "{made.name}"')
    (clock,) = (await leads.call("ResponseService/ListLeadResponses", request, by="users/root")).lead_responses
    return responses_pb2.LeadResponse.State.Name(clock.state)


@pytest.mark.parametrize(("fields", "state"), [({"kind": "EMAIL"}, "MET"), ({"direction": "INBOUND"}, "RUNNING")])
async def test_any_outbound_interaction_answers_the_clock_and_an_inbound_one_does_not(leads, fields, state):
    assert await clock_after(leads, **fields) == state
