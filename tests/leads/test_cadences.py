"""Cadences over gRPC on a real database: leads taken through steps until there is an answer."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from chassis.errors import AlreadyExists, FailedPrecondition, InvalidArgument, InvalidFields, NotFound, PermissionDenied
from chassis.values import new_id
from crm.directory.v1 import calendars_pb2, directory_pb2
from crm.directory.v1 import events_pb2 as directory_events
from crm.leads.v1 import cadences_pb2, interactions_pb2, leads_pb2
from crm.leads.v1 import events_pb2 as lead_events
from google.protobuf.json_format import ParseDict
from harness import PEOPLE, start, until
from lead_calls import create, read

State = cadences_pb2.CadenceEnrolment.State
STEPS = [
    {"kind": "CALL", "expectedOutcome": "Номер 电话"},
    {"kind": "EMAIL", "wait": {"kind": "ELAPSED", "seconds": 86400}},
]


@pytest.fixture(scope="module")
async def desk(backend, issuer):
    running = await start("leads", backend, issuer, PEOPLE)
    yield running
    await running.stop()


async def call(desk, method, by="users/root", **fields):
    request = ParseDict(fields, getattr(cadences_pb2, f"{method}Request")())
    return await desk.call(f"CadenceService/{method}", request, by=by)


async def new_cadence(desk, steps=STEPS):
    return await call(desk, "CreateCadence", cadence={"displayName": "Първи", "steps": steps}, cadenceId=new_id())


async def enrolled(desk, steps=STEPS, **lead):
    made = await create(desk, **({"owner": "users/ana"} | lead))
    return await call(desk, "EnrolLead", by="users/ana", name=made.name, cadence=(await new_cadence(desk, steps)).name)


async def now(desk, enrolment):
    return await call(desk, "GetCadenceEnrolment", name=enrolment.name)


async def contact(desk, enrolment, **fields):
    """Somebody is in touch, and leads hears of it by its own event."""
    request = ParseDict({"name": enrolment.lead, "kind": "CALL"} | fields, interactions_pb2.LogInteractionRequest())
    kept = await desk.call("InteractionService/LogInteraction", request, by="users/root")
    event = lead_events.LeadContacted(lead=await read(desk, enrolment.lead), interaction=kept)
    event.event_time.CopyFrom(kept.interaction_time)
    await desk.react(event, version=1)
    return await now(desk, enrolment)


async def test_a_cadence_is_kept_changed_archived_and_restored(desk):
    made = await new_cadence(desk)
    assert await call(desk, "GetCadence", by="users/ana", name=made.name) == made
    changed = await call(desk, "UpdateCadence", cadence={"name": made.name, "steps": STEPS[:1]})
    assert len(changed.steps) == 1
    await call(desk, "ArchiveCadence", name=made.name)
    assert made.name not in [one.name for one in (await call(desk, "ListCadences")).cadences]
    await call(desk, "RestoreCadence", name=made.name)
    assert made.name in [one.name for one in (await call(desk, "ListCadences")).cadences]
    events = ["CadenceCreated", "CadenceUpdated", "CadenceArchived", "CadenceRestored"]
    assert await desk.events(made.name) == events
    with pytest.raises(PermissionDenied):
        await call(desk, "UpdateCadence", by="users/ana", cadence={"name": made.name, "steps": STEPS})


@pytest.mark.parametrize("steps", [[], [{"instruction": "?"}], [{"kind": "CALL"}] * 31])
async def test_steps_that_are_none_are_refused(desk, steps):
    with pytest.raises(InvalidArgument):
        await new_cadence(desk, steps)


async def test_a_lead_is_taken_through_by_interactions_and_is_done(desk):
    enrolment = await enrolled(desk)
    assert (enrolment.state, enrolment.step, enrolment.owner) == (State.ACTIVE, 0, "users/ana")
    first = await contact(desk, enrolment)
    assert (first.step, first.due_time.seconds - first.step_time.seconds) == (1, 86400)
    last = await contact(desk, enrolment, kind="EMAIL")
    assert (last.state, last.step, last.HasField("due_time")) == (State.COMPLETED, 2, False)
    told = await desk.events(enrolment.name)
    assert [one for one in told if one != "CadenceStepDue"] == ["LeadEnrolled", "CadenceStepDone", "CadenceCompleted"]
    assert await desk.rows("SELECT 1 FROM timer WHERE key = $1", enrolment.name) == []


async def test_a_step_falls_due_by_its_timer_and_is_told_once(desk):
    enrolment = await enrolled(desk)

    async def due():
        return (await now(desk, enrolment)).due

    await until(due, "the first step, to be done at once, is due")
    assert (await desk.events(enrolment.name)).count("CadenceStepDue") == 1


async def test_an_answer_ends_the_cadence(desk):
    ended = await contact(desk, await enrolled(desk), direction="INBOUND")
    assert (ended.state, ended.stop_reason) == (State.STOPPED, "REPLIED")


async def test_an_answer_from_before_ends_nothing(desk):
    before = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    assert (
        await contact(desk, await enrolled(desk), direction="INBOUND", interactionTime=before)
    ).state == State.ACTIVE


@pytest.mark.parametrize(
    ("method", "fields", "reason"),
    [
        ("QualifyLead", {}, "QUALIFIED"),
        ("DisqualifyLead", {"reason": "no_budget"}, "DISQUALIFIED"),
        ("ArchiveLead", {}, "CLOSED"),
    ],
)
async def test_a_cadence_ends_with_the_lead(desk, method, fields, reason):
    enrolment = await enrolled(desk)
    request = getattr(leads_pb2, f"{method}Request")(name=enrolment.lead, **fields)
    changed = await desk.call(f"LeadService/{method}", request, by="users/root")
    await desk.react(lead_events.LeadUpdated(lead=changed), version=9)
    ended = await now(desk, enrolment)
    assert (ended.state, ended.stop_reason) == (State.STOPPED, reason)


async def test_a_lead_is_in_one_cadence_at_a_time_and_in_another_after_it_was_stopped(desk):
    enrolment = await enrolled(desk)
    other = await new_cadence(desk)
    with pytest.raises(AlreadyExists, match="IN_CADENCE_ALREADY"):
        await call(desk, "EnrolLead", name=enrolment.lead, cadence=other.name)
    stopped = await call(desk, "StopCadence", by="users/ana", name=enrolment.name)
    assert stopped.stop_reason == "REQUESTED"
    with pytest.raises(FailedPrecondition, match="ENROLMENT_ENDED"):
        await call(desk, "StopCadence", name=enrolment.name)
    again = await call(desk, "EnrolLead", name=enrolment.lead, cadence=other.name)
    found = await call(desk, "ListCadenceEnrolments", filter=f'lead = "{enrolment.lead}" AND state = ACTIVE')
    assert [one.name for one in found.cadence_enrolments] == [again.name]


async def test_of_several_enrolments_at_once_one_succeeds(desk):
    made, cadence = await create(desk, owner="users/ana"), await new_cadence(desk)
    tries = [call(desk, "EnrolLead", name=made.name, cadence=cadence.name) for _ in range(5)]
    answers = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(answer, AlreadyExists) for answer in answers) == 4
    assert len(await desk.rows("SELECT 1 FROM cadence_enrolments WHERE lead = $1", made.name)) == 1


async def test_who_is_never_at_work_by_their_calendar_still_has_steps_to_do(desk):
    calendar = f"calendars/{new_id()}"
    versions = [{"validFrom": {"year": 2020, "month": 1, "day": 1}}]
    never = ParseDict({"name": calendar, "timeZone": "UTC", "versions": versions}, calendars_pb2.Calendar())
    await desk.react(directory_events.CalendarCreated(calendar=never), version=1)
    who = directory_pb2.User(name=f"users/{new_id()}", display_name="Ж", calendar=calendar, state="ACTIVE")
    await desk.react(directory_events.UserCreated(user=who), version=1)
    made = await create(desk, owner=who.name)
    enrolment = await call(desk, "EnrolLead", name=made.name, cadence=(await new_cadence(desk)).name)
    assert enrolment.HasField("due_time")


async def test_what_is_not_there_or_not_seen_is_not_enrolled(desk):
    made = await create(desk, owner="users/ana")
    with pytest.raises(InvalidFields):
        await call(desk, "EnrolLead", name=made.name, cadence="cadences/none")
    with pytest.raises(NotFound):
        await call(desk, "EnrolLead", by="users/chen", name=made.name, cadence=(await new_cadence(desk)).name)


async def test_the_cadence_goes_along_to_another_owner(desk):
    enrolment = await enrolled(desk)
    request = leads_pb2.AssignLeadRequest(name=enrolment.lead, owner="users/chen")
    given = await desk.call("LeadService/AssignLead", request, by="users/root")
    await desk.react(lead_events.LeadAssigned(lead=given), version=int(given.etag))
    assert (await now(desk, enrolment)).owner == "users/chen"


async def test_a_step_waits_until_the_limit_allows_another_contact(desk):
    limits = {"mostContacts": 2, "perDays": 7, "atLeastEveryDays": 30}
    kept = await call(desk, "UpdateContactSettings", contactSettings=limits)
    assert await call(desk, "GetContactSettings", by="users/ana") == kept
    try:
        enrolment = await enrolled(desk, [{"kind": "CALL"}] * 3)
        first = await contact(desk, enrolment)
        second = await contact(desk, enrolment)
        assert second.due_time.seconds - first.step_time.seconds == 7 * 86400
    finally:
        await call(
            desk, "UpdateContactSettings", contactSettings={}, updateMask="mostContacts,perDays,atLeastEveryDays"
        )
    with pytest.raises(InvalidFields):
        await call(desk, "UpdateContactSettings", contactSettings={"mostContacts": 2})
