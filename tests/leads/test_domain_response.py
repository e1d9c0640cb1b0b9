"""When a clock begins, how it ends, and whose it is: rules without any server."""

from datetime import UTC, date, datetime, timedelta

import pytest
from chassis.business_time import Day, Schedule, Version, WeeklyHours, WorkingTime
from chassis.errors import InvalidFields
from hypothesis import given
from hypothesis import strategies as st
from leads.domain.lead import Lead
from leads.domain.response import (
    Kind,
    LeadResponded,
    LeadSlaBreached,
    ResponseSettings,
    ResponseState,
    ResponseTarget,
    ResponseTime,
    Start,
    next_clock,
)
from leads.domain.state import State

WORKDAYS = list(Day)[:5]
OFFICE = WorkingTime(
    Schedule(
        time_zone="Europe/Sofia",
        versions=[
            Version(valid_from=date(2020, 1, 1), weekly=[WeeklyHours(days=WORKDAYS, start="09:00", end="18:00")])
        ],
    )
)
FRIDAY = datetime(2026, 6, 5, 14, 0, tzinfo=UTC)  # 17:00 in Sofia
HOUR = timedelta(hours=1)


def target(seconds=2 * 3600, **fields):
    return ResponseTarget(**({"target": "t", "response_time": ResponseTime(seconds=seconds)} | fields))


def a_lead(**fields):
    known = {"display_name": "Ана", "state": State.ASSIGNED, "owner": "users/ana", "assign_time": FRIDAY}
    return Lead(**(known | {"contact_time": FRIDAY} | fields))


def clock(lead=None, last=None, by=None, now=FRIDAY):
    return next_clock(lead or a_lead(), last, by or target(), OFFICE, now)


def test_a_clock_counts_working_time_over_the_weekend():
    assert clock().due_time == datetime(2026, 6, 8, 7, 0, tzinfo=UTC)  # Monday 10:00 in Sofia


def test_a_warning_comes_so_much_working_time_before_and_never_before_the_start():
    assert clock(by=target(warn_seconds=1800)).warn_time == datetime(2026, 6, 8, 6, 30, tzinfo=UTC)
    assert clock(by=target(warn_seconds=90 * 60)).warn_time == datetime(2026, 6, 5, 14, 30, tzinfo=UTC)
    assert clock(by=target(warn_seconds=9 * 3600)).warn_time == FRIDAY
    assert clock().warn_time is None


@pytest.mark.parametrize(
    ("time", "due"),
    [
        (ResponseTime(kind=Kind.ELAPSED, seconds=300), FRIDAY + timedelta(minutes=5)),
        (ResponseTime(kind=Kind.KIND_UNSPECIFIED, seconds=300), FRIDAY + timedelta(minutes=5)),
        (ResponseTime(kind=Kind.BUSINESS_DAYS, days=2), datetime(2026, 6, 9, 15, tzinfo=UTC)),
        (ResponseTime(kind=Kind.END_OF_NEXT_BUSINESS_DAY), datetime(2026, 6, 8, 15, tzinfo=UTC)),
    ],
)
def test_a_target_says_how_its_time_is_counted(time, due):
    assert clock(by=target(response_time=time)).due_time == due


def test_a_clock_starts_with_the_capture_or_with_the_assignment():
    lead = a_lead(contact_time=FRIDAY - HOUR)
    assert clock(lead, by=target(start=Start.CAPTURE)).start_time == FRIDAY - HOUR
    assert clock(lead, by=target(start=Start.ASSIGNMENT)).start_time == FRIDAY


def test_a_lead_that_nobody_has_waits_only_by_its_capture():
    lead = a_lead(owner="", assign_time=None, state=State.NEW)
    assert clock(lead, by=target(start=Start.CAPTURE)) is not None
    assert clock(lead) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"state": State.DISQUALIFIED},
        {"state": State.CONVERTED},
        {"state": State.NURTURING},
        {"archive_time": FRIDAY},
        {"last_outbound_time": FRIDAY},
        {"assign_time": FRIDAY - timedelta(days=2)},  # it came with its history
    ],
)
def test_no_clock_begins_for_a_lead_that_nobody_has_to_call(fields):
    assert clock(a_lead(**fields)) is None


def test_without_a_target_there_is_no_clock():
    assert next_clock(a_lead(), None, None, OFFICE, FRIDAY) is None


def test_the_first_target_that_matches_holds():
    hot = target(target="hot", channels=["channels/web"], labels={"priority": "high"})
    web = target(target="web", channels=["channels/web"])
    settings = ResponseSettings(targets=[hot, web])
    for fields, name in (
        ({"channel": "channels/web", "labels": {"priority": "high"}}, "hot"),
        ({"channel": "channels/web", "labels": {"priority": "low"}}, "web"),
        ({"channel": "channels/fair", "labels": {"priority": "high"}}, None),
    ):
        found = settings.target_of(a_lead(**fields))
        assert (found and found.target) == name


def test_two_targets_of_one_name_are_refused():
    with pytest.raises(InvalidFields):
        ResponseSettings(targets=[target(), target()]).check()


def test_a_clock_begins_once_and_again_for_somebody_else():
    first = clock()
    assert clock(last=first) is None
    passed_on = a_lead(owner="users/boris", assign_time=FRIDAY + HOUR)
    second = clock(passed_on, last=first, now=FRIDAY + HOUR)
    assert (second.cycle, second.owner, second.start_time) == (2, "users/boris", FRIDAY + HOUR)
    assert clock(passed_on, last=first, by=target(start=Start.CAPTURE)) is None


def test_a_call_until_the_due_moment_is_in_time_and_a_second_later_is_not():
    due = clock().due_time
    for at, state in ((due, ResponseState.MET), (due + timedelta(seconds=1), ResponseState.MISSED)):
        answered = clock()
        assert isinstance(answered.respond(at, OFFICE), LeadResponded)
        assert (answered.state, answered.respond_time) == (state, at)


def test_what_was_waited_is_working_time():
    answered = clock()
    answered.respond(datetime(2026, 6, 8, 6, 30, tzinfo=UTC), OFFICE)  # Monday 9:30 in Sofia
    assert answered.waited_seconds == 90 * 60


def test_a_breach_is_told_from_its_moment_and_stays_a_fact_when_a_call_is_told_late():
    late = clock()
    told = late.breach()
    assert isinstance(told, LeadSlaBreached)
    assert (late.state, late.breach_time, told.event_time) == (ResponseState.BREACHED, late.due_time, late.due_time)
    late.respond(FRIDAY + timedelta(minutes=5), OFFICE)
    assert (late.state, late.breach_time) == (ResponseState.MET, late.due_time)


def test_a_cancelled_clock_is_not_answered():
    ended = clock()
    ended.cancel(FRIDAY)
    assert ended.respond(FRIDAY, OFFICE) is None
    assert ended.state is ResponseState.CANCELLED


@given(st.permutations([0, 5, 90, 7 * 60, 5 * 24 * 60]))
def test_calls_may_be_told_in_any_order(minutes):
    answered = clock()
    for minute in minutes:
        answered.respond(FRIDAY + timedelta(minutes=minute), OFFICE)
    assert (answered.respond_time, answered.waited_seconds, answered.state) == (FRIDAY, 0, ResponseState.MET)
