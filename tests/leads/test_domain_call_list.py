"""The rules of call lists, without a database."""

from datetime import UTC, date, datetime, timedelta

import pytest
from chassis.business_time import Day, Schedule, Version, WorkingTime
from chassis.errors import FailedPrecondition, InvalidFields
from hypothesis import given, settings
from hypothesis import strategies as st
from leads.domain.call_list import CallHours, CallList, CallListState, CallPause, Disposition, LeftOut, why_not
from leads.domain.call_list_entry import REACHED, TRY_AGAIN, Call, CallListEntry, CallNotYours, EntryState
from leads.domain.lead import Lead
from leads.domain.state import LIVE, CallOutcome, State
from leads.phones import time_zone
from working_hours import ALWAYS, WEEKDAYS, schedule, sofia

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)  # a Thursday
NINE_TO_SIX = CallHours(days=WEEKDAYS, start="09:00", end="18:00")
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
WALLS = st.integers(0, 60 * 24 * 800).map(lambda minute: (FIRST + timedelta(minutes=minute)).replace(tzinfo=None))
TIMES = st.integers(0, 24 * 60 - 1).map(lambda minute: f"{minute // 60:02}:{minute % 60:02}")


def a_list(**fields):
    return CallList(display_name="Обаждания", **fields)


def held(**fields):
    return CallListEntry(lead="leads/x", call_list="callLists/x", caller="users/ana", lease_until=NOW, **fields)


def call(disposition, at=NOW, by="users/ana"):
    return Call(caller=by, disposition=disposition, call_time=at, interaction="interactions/x")


@settings(max_examples=60, deadline=None)  # a calendar lays out years
@given(days=st.sets(st.sampled_from(list(Day)), min_size=1), start=TIMES, end=TIMES | st.just("24:00"), wall=WALLS)
def test_hours_hold_when_a_calendar_of_the_same_hours_is_open(days, start, end, wall):
    hours = CallHours(days=sorted(days, key=lambda day: day.value), start=start, end=end)
    calendar = WorkingTime(Schedule(time_zone="UTC", versions=[Version(valid_from=date(2020, 1, 1), weekly=[hours])]))
    assert hours.hold(wall) == calendar.is_open(wall.replace(tzinfo=UTC))


@pytest.mark.parametrize(
    ("zone", "opens"),
    [("Europe/Sofia", True), ("Asia/Shanghai", True), ("America/Sao_Paulo", False), ("Asia/Tokyo", False)],
)
def test_hours_are_those_of_the_clock_where_they_are(zone, opens):
    assert (zone in a_list(zones=[zone], hours=[NINE_TO_SIX]).open_zones(NOW, None)) is opens


def test_a_number_that_may_be_in_two_zones_is_called_when_both_are_awake():
    both = "America/New_York|Pacific/Honolulu"
    listed = a_list(zones=[both], hours=[NINE_TO_SIX])
    assert listed.open_zones(datetime(2026, 11, 26, 15, tzinfo=UTC), None) == []  # 10:00 and 05:00
    assert listed.open_zones(datetime(2026, 11, 26, 21, tzinfo=UTC), None) == [both]  # 16:00 and 11:00


def test_a_calendar_and_its_holidays_are_read_by_the_clock_where_they_are():
    calendar = WorkingTime(schedule("Europe/Sofia", ("09:00", "18:00"), country="BG"))
    listed = a_list(zones=["Asia/Shanghai", "Europe/Sofia"])
    assert listed.open_zones(sofia(2026, 11, 26, 9, 30), calendar) == ["Asia/Shanghai", "Europe/Sofia"]
    assert listed.open_zones(sofia(2026, 11, 26, 13, 0), calendar) == ["Europe/Sofia"]
    assert listed.open_zones(sofia(2026, 3, 3, 9, 30), calendar) == []  # liberation day
    assert a_list(zones=["Europe/Sofia"], hours=[CallHours(days=[Day.SUNDAY], start="09:00", end="18:00")]).open_zones(
        sofia(2026, 11, 26, 9, 30), calendar
    ) == []  # fmt: skip


@pytest.mark.parametrize(
    ("number", "zone"),
    [
        ("+359888123456", "Europe/Sofia"), ("+8613812345678", "Asia/Shanghai"), ("+351211234567", "Europe/Lisbon"),
        ("", "Asia/Tokyo"), ("nonsense", "Asia/Tokyo"), ("+870773111632", "Asia/Tokyo"),
    ],
)  # fmt: skip
def test_a_number_says_where_they_are(number, zone):
    assert time_zone(number, "Asia/Tokyo") == zone


def test_a_number_of_several_zones_names_the_first_and_the_last():
    first, last = time_zone("+18002530000", "UTC").split("|")
    assert (first, last) != ("UTC", "UTC")
    wide = datetime(2026, 1, 1, tzinfo=UTC)
    assert a_list(zones=[f"{first}|{last}"]).open_zones(wide, WorkingTime(schedule("UTC", weekly=ALWAYS)))


@pytest.mark.parametrize("disposition", sorted(set(Disposition), key=lambda one: one.value)[1:])
def test_each_disposition_ends_a_leads_place_or_says_when_again(disposition):
    entry, back = held(), NOW + timedelta(days=2)
    entry.record(call(disposition), back if disposition is Disposition.CALL_BACK else None, of=a_list())
    again = disposition in TRY_AGAIN or disposition is Disposition.CALL_BACK
    assert (entry.state is EntryState.WAITING, entry.due_time is not None) == (again, again)
    assert (entry.promised_by == "users/ana") is (disposition is Disposition.CALL_BACK)
    assert (entry.reach_time == NOW) is (disposition in REACHED)
    assert entry.lease_until is None
    assert entry.disposition is disposition
    with pytest.raises(CallNotYours):
        entry.record(call(disposition), None, of=a_list())


def test_what_was_tried_often_enough_is_given_up_unless_they_were_reached():
    entry, listed = held(), a_list(most_attempts=2)
    entry.record(call(Disposition.NO_ANSWER), None, of=listed)
    assert entry.due_time == NOW + timedelta(hours=4)
    entry.lease_until = NOW
    entry.record(call(Disposition.CALL_BACK), NOW + timedelta(days=1), of=listed)
    for expected in (EntryState.WAITING, EntryState.EXHAUSTED):
        entry.lease_until = NOW
        entry.record(call(Disposition.BUSY), None, of=listed)
        assert entry.state is expected
    assert entry.promised_by == ""


def test_the_pauses_of_a_list_win_over_the_usual_ones():
    listed = a_list(pauses=[CallPause(disposition=Disposition.BUSY, minutes=3)])
    assert listed.pause_after(Disposition.BUSY) == timedelta(minutes=3)
    assert listed.pause_after(Disposition.VOICEMAIL) == timedelta(days=1)
    twice = a_list(pauses=[CallPause(disposition=Disposition.BUSY, minutes=n) for n in (1, 2)])
    with pytest.raises(InvalidFields, match="pauses"):
        twice.settle()


@given(tries=st.lists(st.sampled_from(sorted(TRY_AGAIN, key=lambda one: one.value)), max_size=25),
       most=st.integers(1, 20))  # fmt: skip
def test_a_lead_is_tried_no_oftener_than_the_list_says(tries, most):
    entry, listed, made = held(), a_list(most_attempts=most), 0
    for disposition in tries:
        if entry.state is not EntryState.WAITING:
            break
        entry.lease_until = NOW
        entry.record(call(disposition), None, of=listed)
        made += 1
    assert made == min(len(tries), most)
    assert (entry.state is EntryState.EXHAUSTED) == (made == most)


def test_only_who_has_a_lead_says_what_came_of_it():
    for entry, by in ((held(), "users/boris"), (held(state=EntryState.DONE), "users/ana")):
        with pytest.raises(CallNotYours):
            entry.record(call(Disposition.BUSY, by=by), None, of=a_list())
        with pytest.raises(CallNotYours):
            entry.release(by, NOW, at=NOW)


def test_a_time_to_call_back_comes_with_call_back_alone():
    for disposition, back in ((Disposition.CALL_BACK, None), (Disposition.BUSY, NOW)):
        with pytest.raises(InvalidFields, match="call_back_time"):
            held().record(call(disposition), back, of=a_list())


VERBS = {"pause": CallListState.PAUSED, "resume": CallListState.ACTIVE, "close": CallListState.CLOSED}
ALLOWED = {("ACTIVE", "pause"), ("PAUSED", "resume"), ("ACTIVE", "close"), ("PAUSED", "close")}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("state", CallListState)
def test_a_list_is_paused_resumed_and_closed_where_that_makes_sense(state, verb):
    listed = a_list(state=state)
    if (state.name, verb) in ALLOWED:
        getattr(listed, verb)(at=NOW)
        assert listed.state is VERBS[verb]
    else:
        with pytest.raises(FailedPrecondition):
            getattr(listed, verb)(at=NOW)
        assert listed.state is state


@pytest.mark.parametrize(
    ("callers", "works"),
    [([], True), (["users/ana"], True), (["teams/north"], True), (["users/boris", "teams/south"], False)],
)
def test_a_list_is_worked_by_its_people_and_teams(callers, works):
    listed = a_list(callers=callers)
    if works:
        listed.require_caller("users/ana", "teams/north")
    else:
        with pytest.raises(FailedPrecondition):
            listed.require_caller("users/ana", "teams/north")
    listed.pause(at=NOW)
    with pytest.raises(FailedPrecondition):
        listed.require_caller("users/ana", "teams/north")


def test_fillings_add_up():
    listed = a_list()
    listed.note(["Europe/Sofia"] * 3, {LeftOut.NO_PHONE: 1}, NOW)
    listed.note(["Asia/Tokyo"], {LeftOut.IN_LIST: 3, LeftOut.NO_PHONE: 2}, NOW)
    assert (listed.lead_count, listed.zones) == (4, ["Asia/Tokyo", "Europe/Sofia"])
    assert [(one.reason, one.leads) for one in listed.left_out] == [(LeftOut.NO_PHONE, 3), (LeftOut.IN_LIST, 3)]


def lead(**fields):
    return Lead(**({"display_name": "王芳", "phone": "+86 138 1234 5678", "state": State.ASSIGNED} | fields))


@pytest.mark.parametrize("state", State)
def test_a_lead_in_any_live_state_may_be_called(state):
    assert why_not(lead(state=state)) is (None if state in LIVE else LeftOut.CLOSED)


def test_a_number_that_is_wrong_is_right_again_once_it_is_another():
    one = lead()
    one.log_call(CallOutcome.WRONG_NUMBER, "", NOW)
    assert why_not(one) is LeftOut.WRONG_NUMBER
    one.log_call(CallOutcome.NO_ANSWER, "", NOW)
    assert why_not(one) is LeftOut.WRONG_NUMBER
    one.log_call(CallOutcome.REACHED, "", NOW)  # it is theirs after all
    assert why_not(one) is None
    one.log_call(CallOutcome.WRONG_NUMBER, "", NOW)
    one.phone = "+86 138 1234 5679"
    assert why_not(one) is None
    assert why_not(lead(phone="")) is LeftOut.NO_PHONE
    assert why_not(lead(do_not_call=True)) is LeftOut.REFUSES_CALLS
    assert why_not(lead(archive_time=NOW)) is LeftOut.CLOSED
