"""Speed to lead over gRPC: clocks that begin, warn, breach, end, and are reported, on a real database."""

from datetime import UTC, datetime, timedelta

import pytest
from chassis.errors import InvalidFields, NotFound, PermissionDenied
from chassis.values import new_id
from crm.directory.v1 import calendars_pb2
from crm.directory.v1 import events_pb2 as directory_events
from crm.leads.v1 import assignment_pb2, leads_pb2, responses_pb2
from crm.leads.v1 import events_pb2 as lead_events
from google.protobuf.json_format import ParseDict
from harness import PEOPLE, start, until

from chassis import streams

State = responses_pb2.LeadResponse.State
DAY = 86400


@pytest.fixture(scope="module")
async def desk(backend, issuer):
    running = await start("leads", backend, issuer, PEOPLE)
    yield running
    await running.stop()


async def call(desk, method, by="users/root", **fields):
    request = ParseDict(fields, getattr(responses_pb2, f"{method}Request")())
    return await desk.call(f"ResponseService/{method}", request, by=by)


async def aim(desk, *targets):
    return await call(desk, "UpdateResponseSettings", responseSettings={"targets": targets}, updateMask="targets")


def target(**fields):
    return {"target": "all", "responseTime": {"kind": "ELAPSED", "seconds": 3600}} | fields


async def lead(desk, owner="users/ana", **fields):
    given = leads_pb2.Lead(**({"display_name": "Ли", "owner": owner} | fields))
    made = await desk.call("LeadService/CreateLead", leads_pb2.CreateLeadRequest(lead=given), by="users/root")
    await tell(desk, made)
    return made


async def tell(desk, given, kind="LeadAssigned"):
    """Brings the event to leads as its own stream would."""
    event = getattr(lead_events, kind)(lead=given)
    event.event_time.FromDatetime(datetime.now(UTC))
    await desk.react(event, version=int(given.etag))


async def change(desk, method, name, **fields):
    request = getattr(leads_pb2, f"{method}Request")(name=name, **fields)
    return await desk.call(f"LeadService/{method}", request, by="users/root")


async def phoned(desk, name, **fields):
    changed = await change(desk, "LogCall", name, outcome="REACHED", **fields)
    event = lead_events.LeadCalled(lead=changed, event_time=changed.last_call_time)
    await desk.react(event, version=int(changed.etag))


async def clocks(desk, name, by="users/root"):
    found = await call(desk, "ListLeadResponses", by, filter=f'lead = "{name}"')
    return sorted(found.lead_responses, key=lambda one: one.cycle)


async def clock(desk, name):
    return (await clocks(desk, name))[-1]


async def ring(desk, name, kind):
    """Lets a clock's moment come."""
    sql = "UPDATE timer SET next_time = now() WHERE kind = $1 AND key = $2 RETURNING 1"
    return await desk.rows(sql, f"lead_response_{kind}", name)


async def pass_by(desk, one, seconds):
    """So much of a clock's time goes by."""
    sql = (
        "UPDATE lead_responses SET start_time = start_time - $2::interval, due_time = due_time - $2::interval,"
        " warn_time = warn_time - $2::interval WHERE id = $1::uuid"
    )
    await desk.rows(sql, one.name.split("/")[1], timedelta(seconds=seconds))


async def in_state(desk, name, state):
    async def there():
        found = await clock(desk, name)
        return found if found.state == state else None

    return await until(there, f"the clock of {name} is {State.Name(state)}")


async def test_targets_are_kept_and_refused_if_they_share_a_name(desk):
    await aim(desk, target(labels={"priority": "high"}, warnSeconds=600), target(target="rest"))
    kept = await call(desk, "GetResponseSettings", by="users/ana")
    assert [one.target for one in kept.targets] == ["all", "rest"]
    assert await desk.events("responseSettings/settings") != []
    with pytest.raises(InvalidFields):
        await aim(desk, target(), target())
    for wrong in ({"calendar": "calendars/unknown"}, {"escalateTo": "users/gone"}, {"escalateTo": "users/nobody"}):
        with pytest.raises(InvalidFields):
            await aim(desk, target(**wrong))
    with pytest.raises(PermissionDenied):
        await call(desk, "UpdateResponseSettings", by="users/ana", responseSettings={})


async def test_a_lead_that_is_given_to_somebody_has_a_clock_of_theirs(desk):
    await aim(desk, target(warnSeconds=600))
    made = await lead(desk)
    one = await clock(desk, made.name)
    assert (one.owner, one.team, one.state, one.journey_id) == (
        "users/ana",
        "teams/north",
        State.RUNNING,
        made.journey_id,
    )
    assert one.due_time.seconds - one.start_time.seconds == 3600
    assert one.due_time.seconds - one.warn_time.seconds == 600
    assert await desk.events(one.name) == ["LeadResponseStarted"]
    await tell(desk, made, "LeadCreated")
    assert len(await clocks(desk, made.name)) == 1


async def test_a_call_stops_the_clock_and_its_timers(desk):
    await aim(desk, target(warnSeconds=600))
    made = await lead(desk)
    await phoned(desk, made.name)
    one = await clock(desk, made.name)
    assert (one.state, one.HasField("respond_time")) == (State.MET, True)
    assert await desk.events(one.name) == ["LeadResponseStarted", "LeadResponded"]
    assert await desk.rows("SELECT 1 FROM timer WHERE key = $1", one.name) == []


async def test_a_call_that_is_told_before_the_making_of_its_lead_stops_the_clock_as_well(desk):
    await aim(desk, target())
    given = leads_pb2.Lead(display_name="Ли", owner="users/ana")
    made = await desk.call("LeadService/CreateLead", leads_pb2.CreateLeadRequest(lead=given), by="users/root")
    event = lead_events.LeadCalled(lead=made, event_time=made.contact_time)
    await desk.react(event, version=9)
    await tell(desk, made, "LeadCreated")
    assert [one.state for one in await clocks(desk, made.name)] == [State.MET]


async def test_a_warning_is_told_once_while_there_is_time(desk):
    await aim(desk, target(warnSeconds=600))
    one = await clock(desk, (await lead(desk)).name)
    await ring(desk, one.name, "warn")

    async def told():
        return "LeadResponseDue" in await desk.events(one.name)

    await until(told, "the warning is told")
    assert await ring(desk, one.name, "warn") == []


async def test_a_clock_that_nobody_stops_is_breached_from_the_moment_it_was_due(desk):
    await aim(desk, target())
    made = await lead(desk)
    await pass_by(desk, await clock(desk, made.name), 2 * 3600)
    one = await clock(desk, made.name)
    await ring(desk, one.name, "breach")
    breached = await in_state(desk, made.name, State.BREACHED)
    assert breached.breach_time == one.due_time
    await phoned(desk, made.name)
    assert (await clock(desk, made.name)).state == State.MISSED
    assert await desk.events(one.name) == ["LeadResponseStarted", "LeadSlaBreached", "LeadResponded"]


async def test_a_call_whose_event_is_still_on_the_way_is_no_breach(desk):
    await aim(desk, target())
    made = await lead(desk)
    await change(desk, "LogCall", made.name, outcome="NO_ANSWER")
    await ring(desk, (await clock(desk, made.name)).name, "breach")
    one = await in_state(desk, made.name, State.MET)
    assert "LeadSlaBreached" not in await desk.events(one.name)


async def test_a_closed_lead_needs_no_call(desk):
    await aim(desk, target())
    made = await lead(desk)
    closed = await change(desk, "DisqualifyLead", made.name, reason="no_budget")
    await tell(desk, closed, "LeadDisqualified")
    assert (await clock(desk, made.name)).state == State.CANCELLED


async def test_a_lead_that_is_given_on_has_a_new_clock_for_its_new_owner(desk):
    await aim(desk, target())
    made = await lead(desk)
    given = await change(desk, "AssignLead", made.name, owner="users/boris")
    await tell(desk, given)
    first, second = await clocks(desk, made.name)
    assert (first.state, first.owner, second.state, second.owner) == (
        State.CANCELLED,
        "users/ana",
        State.RUNNING,
        "users/boris",
    )


async def test_a_clock_from_the_capture_goes_along_with_the_lead(desk):
    await aim(desk, target(start="CAPTURE"))
    made = await lead(desk)
    await tell(desk, await change(desk, "AssignLead", made.name, owner="users/boris"))
    (one,) = await clocks(desk, made.name)
    assert (one.state, one.owner) == (State.RUNNING, "users/boris")


async def test_a_lead_that_nobody_called_in_time_is_given_to_somebody_else(desk):
    rules = [{"rule": "all", "people": ["users/ana", "users/boris"]}]
    policy = assignment_pb2.AssignmentPolicy(display_name="Both", rules=rules)
    request = assignment_pb2.CreateAssignmentPolicyRequest(assignment_policy=policy)
    made = await desk.call("AssignmentService/CreateAssignmentPolicy", request, by="users/root")
    active = assignment_pb2.ActivateAssignmentPolicyRequest(name=made.name)
    await desk.call("AssignmentService/ActivateAssignmentPolicy", active, by="users/root")
    await aim(desk, target(reassign=True))
    waiting = await lead(desk)
    one = await clock(desk, waiting.name)
    await ring(desk, one.name, "breach")

    async def given_on():
        read = await desk.call("LeadService/GetLead", leads_pb2.GetLeadRequest(name=waiting.name), by="users/root")
        return read if read.owner == "users/boris" else None

    await tell(desk, await until(given_on, "somebody else has it"))
    first, second = await clocks(desk, waiting.name)
    assert (first.state, first.owner, second.owner) == (State.BREACHED, "users/ana", "users/boris")
    ended = assignment_pb2.DeactivateAssignmentPolicyRequest(name=made.name)
    await desk.call("AssignmentService/DeactivateAssignmentPolicy", ended, by="users/root")


async def test_what_was_imported_with_its_history_has_no_clock(desk):
    await aim(desk, target(start="CAPTURE"))
    old = datetime.now(UTC) - timedelta(days=30)
    assert await clocks(desk, (await lead(desk, contact_time=old)).name) == []


async def never_open(desk):
    """A calendar without hours; only events can bring one that says nothing at all."""
    name = f"calendars/{new_id()}"
    versions = [{"validFrom": {"year": 2020, "month": 1, "day": 1}}]
    given = ParseDict({"name": name, "timeZone": "UTC", "versions": versions}, calendars_pb2.Calendar())
    await desk.react(directory_events.CalendarCreated(calendar=given), version=1)
    return name


async def test_a_calendar_without_hours_holds_up_no_event(desk):
    working = {"kind": "WORKING", "seconds": 60}
    await aim(desk, target(calendar=await never_open(desk), responseTime=working))
    made = await lead(desk)
    assert await clocks(desk, made.name) == []


async def test_no_time_at_all_is_over_at_once(desk):
    await aim(desk, target(responseTime={"kind": "WORKING", "seconds": 0}))
    await in_state(desk, (await lead(desk)).name, State.BREACHED)


async def test_clocks_are_seen_as_far_as_their_leads(desk):
    await aim(desk, target())
    one = await clock(desk, (await lead(desk)).name)
    assert await call(desk, "GetLeadResponse", by="users/ana", name=one.name) == one
    assert await clocks(desk, one.lead, by="users/mira") == [one]
    assert await clocks(desk, one.lead, by="users/chen") == []
    with pytest.raises(NotFound):
        await call(desk, "GetLeadResponse", by="users/chen", name=one.name)


async def test_the_report_tells_shares_and_times_as_a_recount_does(desk):
    await desk.rows("DELETE FROM lead_responses")
    channel = f"channels/{new_id()}"
    await aim(desk, target())
    waits = [1, 2, 3, 4, 5, 6, 7, 8, 9, 90]
    for minutes in waits:
        made = await lead(desk, channel=channel)
        await pass_by(desk, await clock(desk, made.name), minutes * 60)
        await phoned(desk, made.name)
    await lead(desk, channel=channel)  # waits
    for by, key in (("OWNER", "users/ana"), ("TEAM", "teams/north"), ("CHANNEL", channel), ("TARGET", "all")):
        (row,) = (await call(desk, "GetResponseReport", groupBy=by)).rows
        assert (row.key, row.met, row.missed, row.running, row.met_share) == (key, 9, 1, 1, 0.9)
        assert (row.median_seconds // 60, row.p90_seconds // 60) == (5, 9)
    assert list((await call(desk, "GetResponseReport", by="users/chen")).rows) == []
    before = {"startTime": "2020-01-01T00:00:00Z", "endTime": "2020-02-01T00:00:00Z"}
    assert list((await call(desk, "GetResponseReport", **before)).rows) == []
    with pytest.raises(InvalidFields):
        await call(desk, "GetResponseReport", startTime="2021-01-01T00:00:00Z", endTime="2020-02-01T00:00:00Z")


async def test_a_lead_made_through_the_front_has_a_clock_by_its_own_stream(issuer):
    from chassis.testing import Backend

    with Backend.running() as own:
        await streams.make(own.nats_url, ("leads",))
        running = await start("leads", own, issuer, PEOPLE)
        await aim(running, target())
        given = leads_pb2.Lead(display_name="Ли", owner="users/ana")
        request = leads_pb2.CreateLeadRequest(lead=given)
        made = await running.call("LeadService/CreateLead", request, by="users/root")
        await until(lambda: clocks(running, made.name), "the lead has a clock")
        await change(running, "LogCall", made.name, outcome="REACHED")
        await in_state(running, made.name, State.MET)
        await running.stop()
