"""Working time against vectors computed elsewhere, kinds of duration, holidays, and the ends of the calendar."""

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from chassis.business_time import (
    Day,
    DayException,
    Duration,
    DurationKind,
    Holiday,
    HolidaySource,
    HorizonExceeded,
    Hours,
    Schedule,
    Version,
    WeeklyHours,
    WorkingTime,
    months_after,
)
from chassis.public_holidays import UnknownHolidays, holidays_of
from working_hours import ALWAYS, WEEKDAYS, hours, local, schedule, sofia

# ---- the golden vectors of the specification. 7 and 8 are rules of a service about its clocks, not arithmetic.


def test_vector_1_a_make_up_saturday_is_worked():
    given_calendar = schedule("Asia/Shanghai", ("09:00", "18:00"), country="CN")
    due = WorkingTime(given_calendar).add(local("Asia/Shanghai", 2026, 2, 13, 17), hours(4))
    assert due == local("Asia/Shanghai", 2026, 2, 14, 12)


def test_vector_1_a_calendar_without_make_up_days_waits_for_the_end_of_the_festival():
    chinese = schedule("Asia/Shanghai", ("09:00", "18:00"), country="CN")
    off_only = replace(chinese, holidays=[day for day in chinese.holidays if not day.working])
    due = WorkingTime(off_only).add(local("Asia/Shanghai", 2026, 2, 13, 17), hours(4))
    assert due == local("Asia/Shanghai", 2026, 2, 24, 12)


def test_vector_2_orthodox_easter_is_not_worked():
    bulgarian = WorkingTime(schedule("Europe/Sofia", ("09:00", "18:00"), country="BG"))
    assert bulgarian.add(sofia(2026, 4, 9, 16), hours(4)) == sofia(2026, 4, 14, 11)


def test_vector_3_an_hour_that_the_clocks_skip_is_no_time():
    around_the_clock = WorkingTime(schedule(weekly=ALWAYS))
    assert around_the_clock.add(sofia(2026, 3, 28, 20), hours(12)) == sofia(2026, 3, 29, 9)


def test_vector_4_a_lunch_break_is_not_worked():
    split = WorkingTime(schedule("Europe/Sofia", ("08:00", "12:00"), ("13:30", "18:00")))
    assert split.add(sofia(2026, 6, 1, 12, 30), hours(1)) == sofia(2026, 6, 1, 14, 30)


def test_vector_5_a_pause_does_not_count():
    nine_to_five = WorkingTime(schedule("Europe/Sofia", ("09:00", "17:00")))
    pause = sofia(2026, 6, 1, 16), sofia(2026, 6, 3, 11)
    assert nine_to_five.add(sofia(2026, 6, 1, 10), hours(8), [pause]) == sofia(2026, 6, 3, 13)


def test_vector_6_a_sharper_target_counts_from_the_start_less_the_pause():
    office = WorkingTime(schedule("Europe/Sofia", ("09:00", "18:00")))
    pause = sofia(2026, 6, 1, 10), sofia(2026, 6, 1, 11, 30)
    assert office.add(sofia(2026, 6, 1, 9), hours(2), [pause]) == sofia(2026, 6, 1, 12, 30)


def test_vector_9_periods_are_counted_from_the_anchor():
    starts = [months_after(date(2026, 1, 31), months) for months in range(4)]
    assert starts == [date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30)]


def test_vector_10_a_leap_day_comes_back_in_a_leap_year():
    assert months_after(date(2028, 2, 29), 12) == date(2029, 2, 28)
    assert months_after(date(2028, 2, 29), 48) == date(2032, 2, 29)


def test_a_month_end_stays_one_only_if_told_to():
    assert months_after(date(2026, 2, 28), 1) == date(2026, 3, 28)
    assert months_after(date(2026, 2, 28), 1, end_of_month=True) == date(2026, 3, 31)
    assert months_after(date(2026, 2, 27), 1, end_of_month=True) == date(2026, 3, 27)
    assert months_after(date(2026, 1, 31), -2) == date(2025, 11, 30)


# ---- days and nights


@pytest.mark.parametrize(
    ("evening", "worked"), [((2026, 3, 28, 12), 7), ((2026, 10, 24, 12), 9), ((2026, 6, 6, 12), 8)]
)
def test_a_night_shift_is_as_long_as_the_night_is(evening, worked):
    nights = WorkingTime(schedule("Europe/Sofia", ("22:00", "06:00"), days=list(Day)))
    start = sofia(*evening)
    assert nights.working(start, start + timedelta(hours=26)) == hours(worked)


def test_a_night_belongs_to_the_day_on_which_it_begins():
    closed = DayException(date=date(2026, 6, 2))
    nights = WorkingTime(schedule("Europe/Sofia", ("22:00", "06:00"), exceptions=[closed]))
    assert nights.is_open(sofia(2026, 6, 2, 5))  # began on Monday
    assert not nights.is_open(sofia(2026, 6, 2, 23))
    assert not nights.is_open(sofia(2026, 6, 3, 5))


def test_shifts_that_overlap_count_once():
    both = WorkingTime(schedule("Europe/Sofia", ("09:00", "13:00"), ("12:00", "18:00")))
    assert both.working(sofia(2026, 6, 1), sofia(2026, 6, 2)) == hours(9)


def test_an_exception_closes_or_opens_a_day_above_everything_else():
    holiday = Holiday(date=date(2026, 6, 1), display_name="off")
    made_up = Holiday(date=date(2026, 6, 6), display_name="", working=True)
    opened = DayException(date=date(2026, 6, 1), hours=[Hours(start="10:00", end="12:00")])
    closed = DayException(date=date(2026, 6, 6))
    plain = schedule("Europe/Sofia", ("09:00", "18:00"))
    as_law_says = WorkingTime(replace(plain, holidays=[holiday, made_up]))
    excepted = replace(plain.versions[0], exceptions=[opened, closed])
    as_we_say = WorkingTime(replace(plain, versions=[excepted], holidays=[holiday, made_up]))
    monday, saturday = (sofia(2026, 6, 1), sofia(2026, 6, 2)), (sofia(2026, 6, 6), sofia(2026, 6, 7))
    assert as_law_says.working(*monday) == 0
    assert as_law_says.working(*saturday) == hours(9)
    assert as_we_say.working(*monday) == hours(2)
    assert as_we_say.working(*saturday) == 0


def test_make_up_days_have_hours_of_their_own_if_given():
    made_up = Holiday(date=date(2026, 6, 6), display_name="", working=True)
    plain = schedule("Europe/Sofia", ("09:00", "18:00"), make_up_hours=[Hours(start="09:00", end="13:00")])
    calendar = WorkingTime(replace(plain, holidays=[made_up]))
    assert calendar.working(sofia(2026, 6, 6), sofia(2026, 6, 7)) == hours(4)


def test_each_day_follows_the_version_that_holds_then():
    old = Version(valid_from=date(2026, 1, 1), weekly=[WeeklyHours(days=WEEKDAYS, start="09:00", end="17:00")])
    new = Version(valid_from=date(2026, 6, 2), weekly=[WeeklyHours(days=WEEKDAYS, start="10:00", end="12:00")])
    calendar = WorkingTime(Schedule(time_zone="Europe/Sofia", versions=[new, old]))
    assert calendar.working(sofia(2026, 6, 1), sofia(2026, 6, 2)) == hours(8)
    assert calendar.working(sofia(2026, 6, 2), sofia(2026, 6, 3)) == hours(2)
    assert calendar.working(sofia(2025, 6, 2), sofia(2025, 6, 3)) == hours(8)  # the first one also before its day


def test_a_shift_that_starts_in_a_skipped_hour_starts_after_it():
    early = WorkingTime(schedule("Europe/Sofia", ("03:30", "05:00"), days=list(Day)))
    assert early.next_open(sofia(2026, 3, 29, 1)) == sofia(2026, 3, 29, 4)


def test_a_shift_within_a_skipped_hour_does_not_take_place():
    within = WorkingTime(schedule("Europe/Sofia", ("03:10", "03:50"), days=list(Day)))
    assert within.working(sofia(2026, 3, 29), sofia(2026, 3, 30)) == 0


def test_a_shift_starts_at_the_first_and_ends_at_the_second_of_two_equal_times():
    around = WorkingTime(schedule("Europe/Sofia", ("03:30", "03:45"), days=list(Day)))
    assert around.working(sofia(2026, 10, 25), sofia(2026, 10, 26)) == 75 * 60


def test_a_day_that_a_country_left_out_was_not_worked():
    samoa = WorkingTime(schedule("Pacific/Apia", ("09:00", "17:00"), days=list(Day)))
    start, end = local("Pacific/Apia", 2011, 12, 29), local("Pacific/Apia", 2012, 1, 1)
    assert samoa.working(start, end) == hours(16)


# ---- kinds of duration


@pytest.mark.parametrize(
    ("duration", "due"),
    [
        (Duration(kind=DurationKind.ELAPSED, seconds=hours(4)), (2026, 6, 5, 20)),
        (Duration(kind=DurationKind.WORKING, seconds=hours(4)), (2026, 6, 8, 11)),
        (Duration(kind=DurationKind.BUSINESS_DAYS, days=0), (2026, 6, 5, 18)),
        (Duration(kind=DurationKind.BUSINESS_DAYS, days=1), (2026, 6, 8, 18)),
        (Duration(kind=DurationKind.BUSINESS_DAYS, days=6), (2026, 6, 15, 18)),
        (Duration(kind=DurationKind.END_OF_NEXT_BUSINESS_DAY), (2026, 6, 8, 18)),
    ],
)
def test_a_duration_ends_by_its_kind(duration, due):
    office = WorkingTime(schedule("Europe/Sofia", ("09:00", "18:00")))
    assert office.due(sofia(2026, 6, 5, 16), duration) == sofia(*due)  # a Friday


@pytest.mark.parametrize("start", [(2026, 6, 6, 12), (2026, 6, 5, 18), (2026, 6, 5, 23)])
def test_a_business_day_that_is_over_or_none_ends_with_the_next_one(start):
    office = WorkingTime(schedule("Europe/Sofia", ("09:00", "18:00")))
    assert office.end_of_business_day(sofia(*start), 0) == sofia(2026, 6, 8, 18)


def test_work_that_ends_with_the_day_is_due_then_and_not_next_morning():
    office = WorkingTime(schedule("Europe/Sofia", ("09:00", "18:00")))
    assert office.add(sofia(2026, 6, 5, 16), hours(2)) == sofia(2026, 6, 5, 18)


def test_no_time_at_all_is_over_at_once_also_at_night():
    office = WorkingTime(schedule("Europe/Sofia", ("09:00", "18:00")))
    assert office.add(sofia(2026, 6, 6, 3), 0) == sofia(2026, 6, 6, 3)


def test_working_time_is_counted_back_as_well():
    office = WorkingTime(schedule("Europe/Sofia", ("09:00", "18:00")))
    assert office.add(sofia(2026, 6, 8, 10), -hours(2)) == sofia(2026, 6, 5, 17)


# ---- the horizon


@pytest.mark.parametrize("weekly", [[], [WeeklyHours(days=[], start="09:00", end="18:00")]])
def test_a_calendar_without_hours_says_so_instead_of_searching_for_ever(weekly):
    empty = WorkingTime(Schedule(time_zone="UTC", versions=[Version(valid_from=date(2026, 1, 1), weekly=weekly)]))
    start = datetime(2026, 6, 1, tzinfo=UTC)
    for ask in (
        lambda: empty.add(start, 1),
        lambda: empty.add(start, -1),
        lambda: empty.next_open(start),
        lambda: empty.end_of_business_day(start, 1),
    ):
        with pytest.raises(HorizonExceeded):
            ask()
    assert not empty.is_open(start)
    assert empty.working(start, start + timedelta(days=9)) == 0


def test_what_lies_within_the_horizon_is_found_and_what_lies_beyond_is_not():
    office = WorkingTime(schedule("UTC", ("09:00", "17:00")))
    start = datetime(2026, 1, 1, tzinfo=UTC)
    nine_years = office.working(start, start.replace(year=2035))
    assert office.add(start, nine_years) <= start.replace(year=2035)
    with pytest.raises(HorizonExceeded):
        office.add(start, 2 * nine_years)


@pytest.mark.parametrize("year", [1, 9998])
def test_the_ends_of_the_calendar_are_refused(year):
    office = WorkingTime(schedule("UTC", ("09:00", "17:00")))
    with pytest.raises(HorizonExceeded):
        office.add(datetime(year, 6, 1, tzinfo=UTC), 60)


def test_a_span_of_centuries_is_refused():
    office = WorkingTime(schedule("UTC", ("09:00", "17:00")))
    with pytest.raises(HorizonExceeded):
        office.working(datetime(1900, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


def test_an_answer_does_not_depend_on_what_was_asked_before():
    fresh, asked = (WorkingTime(schedule("Europe/Sofia", ("09:00", "18:00"))) for _ in range(2))
    for year in (1995, 2060, 2010):
        asked.working(sofia(year, 1, 1), sofia(year, 9, 1))
    assert asked.add(sofia(2026, 6, 5, 16), hours(900)) == fresh.add(sofia(2026, 6, 5, 16), hours(900))


# ---- holidays


def test_holidays_have_the_names_of_their_country():
    bulgarian = {day.date: day.display_name for day in schedule(country="BG").holidays}
    assert bulgarian[date(2026, 3, 3)] == "Ден на Освобождението на България от османско иго"


def test_a_subdivision_has_holidays_of_its_own():
    def days(subdivision):
        source = HolidaySource(country="BR", subdivision=subdivision)
        version = Version(valid_from=date(2020, 1, 1), holiday_sources=[source])
        return {day.date for day in holidays_of([version], 2026, 2026)}

    assert date(2026, 7, 9) in days("SP") - days("")  # the revolution of 1932


def test_each_version_brings_its_own_holidays():
    first = Version(valid_from=date(2020, 1, 1), holiday_sources=[HolidaySource(country="BG")])
    second = Version(valid_from=date(2026, 7, 1), holiday_sources=[HolidaySource(country="US")])
    days = {day.date for day in holidays_of([first, second], 2026, 2026)}
    assert date(2026, 3, 3) in days
    assert date(2026, 9, 22) not in days  # Bulgarian independence
    assert date(2026, 11, 26) in days  # Thanksgiving


@pytest.mark.parametrize(
    "source",
    [
        HolidaySource(country="XX"),
        HolidaySource(country="BR", subdivision="QQ"),
        HolidaySource(country="BG", categories=["moon"]),
        HolidaySource(country="BG", categories=["half_day"]),
    ],
)
def test_unknown_holidays_are_refused(source):
    with pytest.raises(UnknownHolidays):
        holidays_of([Version(valid_from=date(2020, 1, 1), holiday_sources=[source])], 2026, 2026)


def test_the_holidays_of_the_world_are_not_loaded_before_they_are_needed():
    code = "import sys, chassis.public_holidays; sys.exit('holidays' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# ---- people who are away


def test_who_is_away_is_at_work_next_after_coming_back():
    office = WorkingTime(schedule("Europe/Sofia", ("09:00", "18:00")))
    leave = [(sofia(2026, 6, 1), sofia(2026, 6, 6)), (sofia(2026, 6, 8, 8), sofia(2026, 6, 8, 11))]
    assert office.next_open(sofia(2026, 6, 2, 10), leave) == sofia(2026, 6, 8, 11)
    assert office.next_open(sofia(2026, 5, 29, 10), leave) == sofia(2026, 5, 29, 10)
