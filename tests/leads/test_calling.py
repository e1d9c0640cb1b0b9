"""Calling the leads of a list over gRPC on a real database: who is given whom, and what came of each call."""

import asyncio
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from call_list_calls import (
    ANA,
    BG,
    CN,
    PT,
    ROOT,
    SARA,
    SDRS,
    SIMON,
    Disposition,
    State,
    call,
    entry_of,
    fill,
    filled,
    following,
    its_time,
    lead,
    limits,
    record,
    soon,
    verb,
)
from chassis.errors import FailedPrecondition, InvalidFields, NotFound
from chassis.values import new_id
from crm.directory.v1 import calendars_pb2
from crm.directory.v1 import events_pb2 as directory_events
from crm.leads.v1 import (
    cadences_pb2,
    interactions_pb2,
    leads_pb2,
    merges_pb2,
    responses_pb2,
)
from crm.leads.v1 import events_pb2 as lead_events
from google.protobuf.json_format import ParseDict
from harness import PEOPLE, Person, start
from lead_calls import read, update


@pytest.fixture(scope="module")
async def desk(backend, issuer):
    running = await start("leads", backend, issuer, [*PEOPLE, *SDRS])
    yield running
    await running.stop()


async def test_two_callers_never_get_the_same_lead(desk):
    made = [await lead(desk) for _ in range(12)]
    callers = [Person(f"users/c{number}", ("sdr",), "teams/north") for number in range(8)]
    await desk.know(*callers)
    listed = await filled(desk, *made)
    given = await asyncio.gather(*(following(desk, listed, by=one.name) for one in callers))
    names = [answer.lead.name for answer in given]
    assert all(names)
    assert len(set(names)) == len(callers)
    again = await asyncio.gather(*(following(desk, listed, by=one.name) for one in callers))
    assert [answer.lead.name for answer in again] == names  # what one has one keeps


async def test_the_urgent_come_first_and_then_the_promising(desk):
    plain, good, urgent = [await lead(desk) for _ in range(3)]
    score = "INSERT INTO lead_scores (id, version, create_time, update_time, lead, owner, team, live, score, band,"
    score += " points, parts, settings_etag, override_score) VALUES ($1::uuid, 1, now(), now(), $2, '', '', true, 80,"
    await desk.rows("DELETE FROM lead_scores WHERE lead = $1", good.name)
    await desk.rows(f"{score} 'hot', 80, '[]', '1', 0)", good.name.split("/")[1], good.name)
    listed = await filled(desk, plain, good)
    await fill(desk, listed, urgent, priority=9)
    order = []
    for _ in range(3):
        answer = await following(desk, listed)
        order.append(answer.lead.name)
        await record(desk, answer, "INTERESTED")
    assert order == [urgent.name, good.name, plain.name]
    assert not (await following(desk, listed)).HasField("entry")


async def test_a_lease_ends_by_itself_and_another_is_given_the_lead(desk):
    made = await lead(desk)
    listed = await filled(desk, made, script="Добър ден!")
    first = await following(desk, listed)
    assert (first.lead.phone, first.script) == (BG, "Добър ден!")
    assert not (await following(desk, listed, by=SIMON)).HasField("entry")
    await desk.rows("UPDATE call_list_entries SET lease_until = now() WHERE lead = $1", made.name)
    assert (await following(desk, listed, by=SIMON)).lead.name == made.name
    with pytest.raises(FailedPrecondition):
        await record(desk, first, "BUSY")
    await record(desk, first, "BUSY", by=SIMON)


async def test_what_was_said_late_is_taken_while_nobody_else_has_the_lead(desk):
    made = await lead(desk)
    listed = await filled(desk, made)
    answer = await following(desk, listed)
    await desk.rows("UPDATE call_list_entries SET lease_until = now() WHERE lead = $1", made.name)
    assert (await record(desk, answer, "INTERESTED")).state == State.DONE


async def test_a_lead_that_is_given_back_waits_for_a_while(desk):
    made = await lead(desk)
    listed = await filled(desk, made)
    answer = await following(desk, listed)
    given_back = await call(desk, "ReleaseCall", by=SARA, name=answer.entry.name)
    assert not given_back.HasField("lease_until")
    for person in (SARA, SIMON):
        assert not (await following(desk, listed, by=person)).HasField("entry")
    with pytest.raises(FailedPrecondition):
        await call(desk, "ReleaseCall", by=SARA, name=answer.entry.name)
    await its_time(desk, answer.entry)
    assert (await following(desk, listed, by=SIMON)).lead.name == made.name


async def test_nobody_is_given_a_lead_beyond_their_reach(desk):
    theirs = await lead(desk, owner="users/chen")
    listed = await filled(desk, theirs)
    for person in (SARA, ANA):
        assert not (await following(desk, listed, by=person)).HasField("entry")
        assert await entry_of(desk, listed, theirs, by=person) is None
    answer = await following(desk, listed, by="users/chen")
    assert answer.lead.name == theirs.name
    with pytest.raises(NotFound):
        await record(desk, answer, "BUSY")
    with pytest.raises(NotFound):
        await call(desk, "GetCallListEntry", by=SARA, name=answer.entry.name)
    assert (await call(desk, "GetCallListProgress", by=SARA, name=listed.name)).leads == 0


async def test_only_its_callers_work_a_list_and_nobody_while_it_is_paused(desk):
    listed = await filled(desk, await lead(desk), callers=[SIMON])
    with pytest.raises(FailedPrecondition):
        await following(desk, listed)
    answer = await following(desk, listed, by=SIMON)
    await call(desk, "PauseCallList", name=listed.name)
    with pytest.raises(FailedPrecondition):
        await following(desk, listed, by=SIMON)
    await record(desk, answer, "NO_ANSWER", by=SIMON)  # what is under way is brought to its end
    await call(desk, "CloseCallList", name=listed.name)
    with pytest.raises(FailedPrecondition):
        await following(desk, listed, by=SIMON)


async def test_people_are_called_in_the_hours_of_their_own_clock(desk):
    """An hour around now in Sofia, where it is neither now in Shanghai nor in Lisbon."""
    here = datetime.now(ZoneInfo("Europe/Sofia"))
    hours = {"start": (here - timedelta(minutes=30)).strftime("%H:%M"),
             "end": (here + timedelta(minutes=30)).strftime("%H:%M"),
             "days": ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"]}  # fmt: skip
    made = {phone: await lead(desk, phone=phone) for phone in (BG, CN, PT)}
    listed = await filled(desk, *made.values(), hours=[hours])
    zones = [(await entry_of(desk, listed, made[phone])).time_zone for phone in (BG, CN, PT)]
    assert zones == ["Europe/Sofia", "Asia/Shanghai", "Atlantic/Azores|Europe/Lisbon"]
    answer = await following(desk, listed)
    assert answer.lead.name == made[BG].name
    await record(desk, answer, "INTERESTED")
    assert not (await following(desk, listed)).HasField("entry")


async def test_a_calendar_of_the_company_says_when_people_may_be_called(desk):
    closed = {"name": "calendars/closed", "display_name": "Closed", "time_zone": "Europe/Sofia"}
    version = calendars_pb2.CalendarVersion(valid_from={"year": 2020, "month": 1, "day": 1})
    calendar = calendars_pb2.Calendar(**closed, versions=[version])
    await desk.react(directory_events.CalendarCreated(calendar=calendar))
    listed = await filled(desk, await lead(desk), calendar="calendars/closed")
    assert not (await following(desk, listed)).HasField("entry")


async def test_who_was_contacted_often_enough_meanwhile_waits(desk):
    made = await lead(desk)
    listed = await filled(desk, made)
    request = interactions_pb2.LogInteractionRequest(name=made.name, kind="EMAIL")
    await desk.call("InteractionService/LogInteraction", request, by=ROOT)
    await limits(desk, mostContacts=1, perDays=7)
    try:
        assert not (await following(desk, listed)).HasField("entry")
    finally:
        await limits(desk, mostContacts=0, perDays=0)
    waits = await entry_of(desk, listed, made)
    assert waits.due_time.ToDatetime(UTC) > datetime.now(UTC) + timedelta(days=6)


async def test_who_asked_to_be_called_later_is_left_in_peace_until_then(desk):
    made = await lead(desk)
    listed = await filled(desk, made)
    later = {"name": made.name, "kind": "CALL", "direction": "INBOUND", "callBackTime": soon(days=1)}
    request = ParseDict(later, interactions_pb2.LogInteractionRequest())
    await desk.call("InteractionService/LogInteraction", request, by=ROOT)
    assert not (await following(desk, listed)).HasField("entry")


# ---- what came of it


async def test_a_call_is_an_interaction_with_its_lead(desk):
    made = await lead(desk)
    answer = await following(desk, await filled(desk, made))
    told = await record(desk, answer, "INTERESTED", note="Иска оферта")
    assert (told.state, told.disposition, told.caller) == (State.DONE, Disposition.INTERESTED, SARA)
    (made_call,) = told.calls
    request = interactions_pb2.GetInteractionRequest(name=made_call.interaction)
    kept = await desk.call("InteractionService/GetInteraction", request, by=ANA)
    assert (kept.lead, kept.actor, kept.note, kept.outcome) == (made.name, SARA, "Иска оферта", 1)
    after = await read(desk, made.name)
    assert (after.state, after.call_count) == (leads_pb2.Lead.WORKING, 1)
    assert after.last_outbound_time == made_call.call_time
    assert "LeadContacted" in await desk.events(made.name)
    assert await desk.events(told.name) == ["CallRecorded"]
    with pytest.raises(FailedPrecondition):
        await record(desk, answer, "INTERESTED")


async def test_a_call_from_a_list_answers_the_clock_of_its_lead(desk):
    target = [{"target": "all", "responseTime": {"seconds": 3600}}]
    aim = ParseDict({"responseSettings": {"targets": target}}, responses_pb2.UpdateResponseSettingsRequest())
    await desk.call("ResponseService/UpdateResponseSettings", aim, by=ROOT)
    made = await lead(desk)
    await desk.react(lead_events.LeadCreated(lead=made), version=1)
    told = await record(desk, await following(desk, await filled(desk, made)), "NO_ANSWER")
    request = interactions_pb2.GetInteractionRequest(name=told.calls[0].interaction)
    kept = await desk.call("InteractionService/GetInteraction", request, by=ROOT)
    event = lead_events.LeadContacted(lead=await read(desk, made.name), interaction=kept)
    event.event_time.CopyFrom(kept.interaction_time)
    await desk.react(event, version=2)
    asked = responses_pb2.ListLeadResponsesRequest(filter=f'lead = "{made.name}"')
    (clock,) = (await desk.call("ResponseService/ListLeadResponses", asked, by=ROOT)).lead_responses
    assert clock.state == responses_pb2.LeadResponse.MET
    assert clock.respond_time == told.calls[0].call_time


async def test_a_call_that_reached_nobody_is_tried_again_after_a_pause_and_given_up_in_the_end(desk):
    made = await lead(desk)
    listed = await filled(desk, made, mostAttempts=2, pauses=[{"disposition": "BUSY", "minutes": 30}])
    told = await record(desk, await following(desk, listed), "BUSY")
    waits = told.due_time.ToDatetime(UTC) - told.calls[0].call_time.ToDatetime(UTC)
    assert (waits, told.state, told.attempts) == (timedelta(minutes=30), State.WAITING, 1)
    assert not (await following(desk, listed)).HasField("entry")
    await its_time(desk, told)
    assert (await record(desk, await following(desk, listed), "NO_ANSWER")).state == State.EXHAUSTED
    assert not (await following(desk, listed)).HasField("entry")


async def test_a_qualified_lead_is_one_unless_it_lacks_something(desk):
    nobodys = await lead(desk, owner="")
    await desk.rows("UPDATE leads SET team = 'teams/north' WHERE id = $1::uuid", nobodys.name.split("/")[1])
    answer = await following(desk, await filled(desk, nobodys))
    with pytest.raises(FailedPrecondition):
        await record(desk, answer, "QUALIFIED")
    assert (await read(desk, nobodys.name)).call_count == 0  # nothing of it is kept
    await verb(desk, "AssignLead", nobodys, owner=ANA)
    assert (await record(desk, answer, "QUALIFIED")).state == State.DONE
    assert (await read(desk, nobodys.name)).state == leads_pb2.Lead.QUALIFIED


async def test_a_nurtured_lead_wakes_when_it_is_interested(desk):
    made = await lead(desk)
    await verb(desk, "NurtureLead", made, nurture_until={"seconds": 1_900_000_000})
    await record(desk, await following(desk, await filled(desk, made)), "INTERESTED")
    assert (await read(desk, made.name)).state == leads_pb2.Lead.WORKING


async def test_a_wrong_number_is_called_no_more_until_there_is_another(desk):
    made = await lead(desk, phone="+359888777666")
    listed, other = await filled(desk, made), await filled(desk, made)
    assert (await record(desk, await following(desk, listed), "WRONG_NUMBER")).state == State.DONE
    assert (await read(desk, made.name)).wrong_phone == "+359888777666"
    assert not (await following(desk, other)).HasField("entry")
    await update(desk, made.name, phone="+359888777667")
    assert (await following(desk, other)).lead.phone == "+359888777667"


async def test_who_does_not_want_to_be_called_is_called_by_no_list(desk):
    made, same_number = await lead(desk, phone="+359888555444"), await lead(desk, phone="0888 555 444", country="BG")
    listed, other, third = await filled(desk, made), await filled(desk, made), await filled(desk, same_number)
    told = await record(desk, await following(desk, listed), "DO_NOT_CALL")
    assert told.state == State.DONE
    assert (await read(desk, made.name)).do_not_call
    assert not (await following(desk, other)).HasField("entry")
    for name in (other.name, third.name):
        progress = await call(desk, "GetCallListProgress", name=name)
        assert (progress.to_do, progress.out) == (0, 1)
    assert not (await following(desk, third)).HasField("entry")
    await update(desk, made.name, do_not_call=False)
    assert (await following(desk, third)).lead.name == same_number.name
    assert "LeadUpdated" in await desk.events(made.name)


@pytest.mark.parametrize(("disposition", "stopped"), [("NOT_INTERESTED", True), ("NO_ANSWER", False)])
async def test_a_cadence_ends_when_they_were_reached(desk, disposition, stopped):
    made = await lead(desk)
    steps = [{"kind": "EMAIL", "wait": {"kind": "ELAPSED", "seconds": 86400}}]
    request = ParseDict({"cadence": {"displayName": "C", "steps": steps}}, cadences_pb2.CreateCadenceRequest())
    request.cadence_id = new_id()
    cadence = await desk.call("CadenceService/CreateCadence", request, by=ROOT)
    asked = cadences_pb2.EnrolLeadRequest(name=made.name, cadence=cadence.name)
    enrolment = await desk.call("CadenceService/EnrolLead", asked, by=ROOT)
    await record(desk, await following(desk, await filled(desk, made)), disposition)
    asked = cadences_pb2.GetCadenceEnrolmentRequest(name=enrolment.name)
    found = await desk.call("CadenceService/GetCadenceEnrolment", asked, by=ROOT)
    assert (found.state == cadences_pb2.CadenceEnrolment.STOPPED) is stopped


# ---- promises


async def promised(desk, **fields):
    """A lead that sara promised to call back, and its list with another lead before it."""
    made = await lead(desk)
    listed = await filled(desk, made, **fields)
    told = await record(desk, await following(desk, listed), "CALL_BACK", callBackTime=soon(hours=1))
    await fill(desk, listed, await lead(desk), priority=9)
    return listed, made, told


async def test_a_promise_to_call_back_is_kept_by_who_made_it_when_its_time_has_come(desk):
    listed, made, told = await promised(desk, mostAttempts=1)
    assert (told.state, told.promised_by) == (State.WAITING, SARA)
    assert (await read(desk, made.name)).call_back_time == told.due_time
    answer = await following(desk, listed)
    assert answer.lead.name != made.name
    await record(desk, answer, "INTERESTED")
    await its_time(desk, told)
    assert not (await following(desk, listed, by=SIMON)).HasField("entry")
    assert (await following(desk, listed)).lead.name == made.name


async def test_who_is_to_be_called_back_comes_before_everybody_else(desk):
    listed, made, told = await promised(desk)
    await its_time(desk, told)
    assert (await following(desk, listed)).lead.name == made.name


async def test_a_promise_of_who_is_away_is_kept_by_somebody_else(desk):
    listed, made, told = await promised(desk)
    await its_time(desk, told)
    today = datetime.now(UTC)
    absence = calendars_pb2.Absence(name=f"absences/{new_id()}", owner=SARA, state="RECORDED")
    absence.away_start_time.FromDatetime(today - timedelta(days=1))
    absence.away_end_time.FromDatetime(today + timedelta(days=1))
    await desk.react(directory_events.AbsenceRecorded(absence=absence))
    try:
        assert (await following(desk, listed, by=SIMON)).lead.name == made.name
    finally:
        absence.state = calendars_pb2.Absence.CANCELLED
        await desk.react(directory_events.AbsenceCancelled(absence=absence), version=2)


async def test_a_promise_that_is_overdue_is_everybodys(desk):
    listed, made, told = await promised(desk)
    await its_time(desk, told)
    assert (await following(desk, listed, by=SIMON)).lead.name != made.name
    await desk.rows("UPDATE call_list_entries SET lease_until = NULL WHERE caller = $1", SIMON)
    late = "UPDATE call_list_entries SET due_time = now() - interval '61 minutes' WHERE id = $1::uuid"
    await desk.rows(late, told.name.split("/")[1])
    assert (await following(desk, listed, by=SIMON)).lead.name == made.name


async def test_a_promise_of_who_works_the_list_no_more_is_kept_by_somebody_else(desk):
    listed, made, told = await promised(desk)
    await its_time(desk, told)
    await call(desk, "UpdateCallList", callList={"name": listed.name, "callers": [SIMON]})
    assert (await following(desk, listed, by=SIMON)).lead.name == made.name


async def test_who_leaves_gives_back_what_they_had_and_promised(desk):
    leaver = Person("users/leaver", ("sdr",), "teams/north")
    await desk.know(leaver)
    listed = await filled(desk, *[await lead(desk) for _ in range(2)])
    back = await record(
        desk, await following(desk, listed, leaver.name), "CALL_BACK", leaver.name, callBackTime=soon(hours=1)
    )
    had = await following(desk, listed, leaver.name)
    assert not (await following(desk, listed)).HasField("entry")
    gone = directory_events.UserDeactivated(user={"name": leaver.name, "display_name": "L", "team": "teams/north"})
    await desk.react(gone, version=7)
    await desk.know(Person(leaver.name, leaver.roles, leaver.team, active=False))
    answer = await following(desk, listed)
    assert answer.lead.name == had.lead.name
    await record(desk, answer, "INTERESTED")
    await its_time(desk, back)
    assert (await following(desk, listed)).lead.name == back.lead


@pytest.mark.parametrize("wrong", [{"disposition": "CALL_BACK"}, {"disposition": "BUSY", "callBackTime": soon(hours=1)},
                                   {"disposition": "CALL_BACK", "callBackTime": soon(hours=-1)}])  # fmt: skip
async def test_a_promise_has_a_time_ahead_and_nothing_else_has(desk, wrong):
    answer = await following(desk, await filled(desk, await lead(desk)))
    with pytest.raises(InvalidFields, match="call_back_time"):
        await call(desk, "RecordCall", by=SARA, name=answer.entry.name, **wrong)


# ---- how far it is


async def test_progress_says_what_is_to_be_done_and_who_did_what(desk):
    made = [await lead(desk) for _ in range(6)]
    listed = await filled(desk, *made, mostAttempts=1)
    await record(desk, await following(desk, listed), "INTERESTED")
    await record(desk, await following(desk, listed), "NO_ANSWER")
    await record(desk, await following(desk, listed, SIMON), "CALL_BACK", SIMON, callBackTime=soon(hours=1))
    leased = await following(desk, listed, SIMON)
    closed = next(one for one in reversed(made) if one.name != leased.lead.name)
    await verb(desk, "DisqualifyLead", closed, reason="no_budget")
    told = await call(desk, "GetCallListProgress", name=listed.name)
    assert (told.leads, told.to_do, told.call_backs, told.leased) == (6, 3, 1, 1)
    assert (told.called, told.reached, told.done, told.exhausted, told.out) == (3, 2, 1, 1, 1)
    counted = {Disposition.Name(one.disposition): one.calls for one in told.dispositions}
    assert counted == {"INTERESTED": 1, "NO_ANSWER": 1, "CALL_BACK": 1}
    by = {one.caller: (one.calls, one.reached) for one in told.callers}
    assert by == {SARA: (2, 1), SIMON: (1, 1)}
    for one in told.callers:
        assert one.calls_per_hour == one.calls / one.hours


# ---- what becomes of it with its lead


async def test_a_place_in_a_list_goes_along_with_a_merge_and_comes_back(desk):
    first, again = await lead(desk), await lead(desk)
    listed, both = await filled(desk, again), await filled(desk, first, again)
    request = merges_pb2.MergeLeadsRequest(name=first.name, merged=[{"name": again.name}])
    await desk.call("MergeService/MergeLeads", request, by=ROOT)
    assert await entry_of(desk, listed, again) is None
    assert (await following(desk, listed)).lead.name == first.name
    answer = await following(desk, both)
    assert answer.lead.name == first.name
    await record(desk, answer, "INTERESTED")
    assert not (await following(desk, both)).HasField("entry")  # once, not twice
    await desk.call("MergeService/UndoMerge", merges_pb2.UndoMergeRequest(name=first.name), by=ROOT)
    assert (await entry_of(desk, listed, again)).caller == SARA
    assert (await following(desk, both)).lead.name == again.name


async def test_a_refusal_to_be_called_holds_after_a_merge_and_is_gone_after_its_undo(desk):
    first, again = [await lead(desk, phone="+359888111222", do_not_call=refuses) for refuses in (False, True)]
    request = merges_pb2.MergeLeadsRequest(name=first.name, merged=[{"name": again.name}])
    await desk.call("MergeService/MergeLeads", request, by=ROOT)
    assert (await read(desk, first.name)).do_not_call
    await desk.call("MergeService/UndoMerge", merges_pb2.UndoMergeRequest(name=first.name), by=ROOT)
    assert not (await read(desk, first.name)).do_not_call


@pytest.mark.parametrize("state", ["CONVERTING", "CONVERTED"])
async def test_a_converted_lead_is_called_no_more_and_again_once_that_is_undone(desk, state):
    made = await lead(desk)
    listed = await filled(desk, made)
    answer = await following(desk, listed)
    become = "UPDATE leads SET state = $2 WHERE id = $1::uuid"
    await desk.rows(become, made.name.split("/")[1], state)
    assert not (await following(desk, listed)).HasField("entry")
    with pytest.raises(FailedPrecondition):
        await record(desk, answer, "INTERESTED")
    await desk.rows(become, made.name.split("/")[1], "QUALIFIED")
    assert (await following(desk, listed)).lead.name == made.name


async def test_a_disqualified_lead_is_nobodys_to_call(desk):
    made = await lead(desk)
    listed = await filled(desk, made)
    await following(desk, listed)
    await verb(desk, "DisqualifyLead", made, reason="no_budget")
    assert not (await following(desk, listed)).HasField("entry")


async def test_a_place_in_a_list_goes_along_to_whom_the_lead_is_given(desk):
    made = await lead(desk)
    listed = await filled(desk, made)
    await verb(desk, "AssignLead", made, owner="users/chen")
    event = lead_events.LeadAssigned(lead=await read(desk, made.name), previous_owner=ANA)
    await desk.react(event, version=9)
    assert (await entry_of(desk, listed, made, by="users/chen")).owner == "users/chen"
    assert await entry_of(desk, listed, made, by=SARA) is None
