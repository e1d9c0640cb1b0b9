"""What people are told about their leads, over gRPC on a real database."""

from datetime import UTC, datetime, timedelta

import pytest
from chassis.errors import NotFound
from crm.leads.v1 import events_pb2 as lead_events
from crm.leads.v1 import leads_pb2, notifications_pb2, responses_pb2
from google.protobuf.json_format import ParseDict
from harness import PEOPLE, Person, start, until
from lead_calls import create
from leads import notifying

Kind, State = notifications_pb2.Notification.Kind, notifications_pb2.Notification.State


@pytest.fixture
async def desk(backend, issuer):
    running = await start("leads", backend, issuer, PEOPLE)
    yield running
    await running.stop()


async def told(desk, by, **asked):
    request = notifications_pb2.ListNotificationsRequest(**asked)
    return list((await desk.call("NotificationService/ListNotifications", request, by=by)).notifications)


async def read(desk, name, by):
    request = notifications_pb2.MarkNotificationReadRequest(name=name)
    return await desk.call("NotificationService/MarkNotificationRead", request, by=by)


async def given(desk, owner, by="users/root"):
    """A lead that somebody gave to `owner`."""
    made = await create(desk, by=by, owner=owner)
    await desk.react(lead_events.LeadAssigned(lead=made), version=1, actor=by)
    return made


async def test_whoever_is_given_a_lead_is_told_and_whoever_takes_one_is_not(desk):
    made = await given(desk, "users/ana")
    await given(desk, "users/boris", by="users/boris")
    (one,) = await told(desk, "users/ana")
    assert (one.kind, one.lead, one.owner, one.state) == (Kind.LEAD_ASSIGNED, made.name, "users/ana", State.UNREAD)
    assert await told(desk, "users/boris") == []
    assert await desk.events(one.name) == ["NotificationSent"]


async def test_only_the_person_who_is_told_reads_it_and_once(desk):
    await given(desk, "users/ana")
    (one,) = await told(desk, "users/ana")
    for other in ("users/boris", "users/mira"):  # a colleague, and the manager of both
        assert await told(desk, other) == []
        with pytest.raises(NotFound):
            await read(desk, one.name, other)
    first = await read(desk, one.name, "users/ana")
    assert (first.state, first.HasField("read_time")) == (State.READ, True)
    assert await read(desk, one.name, "users/ana") == first
    assert await told(desk, "users/ana", filter="state = UNREAD") == []
    assert await desk.events(one.name) == ["NotificationSent", "NotificationRead"]


async def test_nobody_is_told_who_is_not_active_or_is_a_system(desk):
    await given(desk, "serviceAccounts/importer")
    made = await create(desk, owner="users/chen")
    await desk.know(Person("users/chen", ("salesperson",), "teams/south", active=False))
    await desk.react(lead_events.LeadAssigned(lead=made), version=1, actor="users/root")
    assert await desk.rows("SELECT 1 FROM notifications") == []


async def test_what_happened_long_ago_is_no_news(desk):
    """A history is imported, or a later release reads the stream from its beginning."""
    made = await create(desk, owner="users/ana")
    for days, told_of in ((2, 0), (0.5, 1)):
        when = datetime.now(UTC) - timedelta(days=days)
        await desk.react(lead_events.LeadAssigned(lead=made), version=1, actor="users/root", event_time=when)
        assert len(await told(desk, "users/ana")) == told_of


async def test_a_breach_is_told_to_the_owner_and_to_whom_the_target_says(desk):
    target = {"target": "all", "responseTime": {"seconds": 3600}, "warnSeconds": 60, "escalateTo": "users/mira"}
    aim = ParseDict({"responseSettings": {"targets": [target]}}, responses_pb2.UpdateResponseSettingsRequest())
    await desk.call("ResponseService/UpdateResponseSettings", aim, by="users/root")
    made = await create(desk, by="users/ana", owner="users/ana")
    await desk.react(lead_events.LeadCreated(lead=made), version=1)
    for kind in ("warn", "breach"):
        await desk.rows("UPDATE timer SET next_time = now() WHERE kind = $1", f"lead_response_{kind}")

        async def rang(kind=kind):
            return not await desk.rows("SELECT 1 FROM timer WHERE kind = $1", f"lead_response_{kind}")

        await until(rang, f"{kind} rang")
    assert [one.kind for one in await told(desk, "users/ana")] == [Kind.SLA_BREACHED, Kind.RESPONSE_DUE]
    (escalated,) = await told(desk, "users/mira")
    assert (escalated.kind, escalated.lead) == (Kind.SLA_BREACHED, made.name)
    assert escalated.subject.startswith("leadResponses/")


async def test_what_was_told_long_ago_is_forgotten(desk):
    old, new = await given(desk, "users/ana"), await given(desk, "users/ana")
    age = f"UPDATE notifications SET create_time = now() - interval '{notifying.KEPT_DAYS + 1} days' WHERE lead = $1"
    await desk.rows(age, old.name)
    await desk.rows(notifying.PRUNE)
    assert [one.lead for one in await told(desk, "users/ana")] == [new.name]


async def test_the_lead_itself_says_nothing_of_who_read_what(desk):
    made = await given(desk, "users/ana")
    (one,) = await told(desk, "users/ana")
    await read(desk, one.name, "users/ana")
    request = leads_pb2.GetLeadRequest(name=made.name)
    assert (await desk.call("LeadService/GetLead", request, by="users/root")).etag == made.etag
