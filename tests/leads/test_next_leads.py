"""What to do next, over gRPC on a real database."""

from datetime import UTC, datetime, timedelta

import pytest
from crm.leads.v1 import events_pb2 as lead_events
from crm.leads.v1 import interactions_pb2, leads_pb2, next_leads_pb2, responses_pb2
from google.protobuf.json_format import ParseDict
from harness import PEOPLE, start
from lead_calls import create

Reason = next_leads_pb2.NextLead.Reason


@pytest.fixture
async def desk(backend, issuer):
    running = await start("leads", backend, issuer, PEOPLE)
    yield running
    await running.stop()


async def following(desk, by="users/ana", **asked):
    request = next_leads_pb2.ListNextLeadsRequest(**asked)
    answer = await desk.call("NextLeadService/ListNextLeads", request, by=by)
    return [(one.lead.name, [Reason.Name(why.reason) for why in one.reasons]) for one in answer.next_leads]


async def log(desk, name, **fields):
    request = ParseDict({"name": name, "kind": "CALL"} | fields, interactions_pb2.LogInteractionRequest())
    await desk.call("InteractionService/LogInteraction", request, by="users/root")


async def with_a_clock(desk):
    target = [{"target": "all", "responseTime": {"seconds": 3600}}]
    aim = ParseDict({"responseSettings": {"targets": target}}, responses_pb2.UpdateResponseSettingsRequest())
    await desk.call("ResponseService/UpdateResponseSettings", aim, by="users/root")
    made = await create(desk, owner="users/ana")
    await desk.react(lead_events.LeadCreated(lead=made), version=1)
    return made


async def test_leads_come_in_the_order_of_what_they_wait_for(desk):
    fresh = await create(desk, owner="users/ana")
    clocked = await with_a_clock(desk)
    done, answered = await create(desk, owner="users/ana"), await create(desk, owner="users/ana")
    await log(desk, done.name)
    await log(desk, answered.name)
    await log(desk, answered.name, direction="INBOUND")
    closed = await create(desk, owner="users/ana")
    request = leads_pb2.DisqualifyLeadRequest(name=closed.name, reason="no_budget")
    await desk.call("LeadService/DisqualifyLead", request, by="users/root")
    expected = [
        (clocked.name, ["RESPONSE_DUE", "NEVER_CONTACTED"]),
        (answered.name, ["REPLIED"]),
        (fresh.name, ["NEVER_CONTACTED"]),
    ]
    assert await following(desk) == expected
    assert await following(desk, page_size=1) == expected[:1]


async def test_who_wants_to_be_called_later_is_left_in_peace_until_then(desk):
    made = await create(desk, owner="users/ana")
    soon = datetime.now(UTC) + timedelta(days=1)
    await log(desk, made.name, direction="INBOUND", callBackTime=soon.isoformat())
    assert await following(desk) == []
    await desk.rows("UPDATE leads SET call_back_time = now() WHERE id = $1::uuid", made.name.split("/")[1])
    ((name, reasons),) = await following(desk)
    assert (name, reasons[0]) == (made.name, "CALL_BACK_DUE")


async def test_a_manager_sees_what_waits_for_their_people_and_a_colleague_does_not(desk):
    made = await create(desk, owner="users/ana")
    assert [name for name, _ in await following(desk, by="users/mira", owner="users/ana")] == [made.name]
    assert await following(desk, by="users/mira") == []
    assert await following(desk, by="users/chen", owner="users/ana") == []
