"""Business time: how long people worked between two moments, and when so much more of it will have passed.

What a calendar says (a `Schedule`) is data; a `WorkingTime` is the same as instants: half-open intervals in UTC with a
running sum, so that both questions are a binary search, exact to the second through every change of the clocks.
Standard library only, for rules to use; holidays come with the schedule (see `chassis.public_holidays`).
"""

import calendar
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from itertools import accumulate
from zoneinfo import ZoneInfo

from chassis.errors import FailedPrecondition

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND, DAY_SECONDS = timedelta(seconds=1), 86_400
YEARS_BACK, YEARS_AHEAD = 2, 3  # of a moment asked about: what is laid out at first
HORIZON_YEARS = 10  # how far ahead of its start a due moment may lie
MOST_YEARS = 40  # laid out at once; longer spans are refused
FIRST_YEAR, LAST_YEAR = 1, 9990  # what Python's dates hold, with some room


class HorizonExceeded(FailedPrecondition):
    """The calendar has not that much working time before its horizon of ten years."""


class Day(Enum):
    """A day of the week, as ISO 8601 counts them."""

    MONDAY = 1
    TUESDAY = 2
    WEDNESDAY = 3
    THURSDAY = 4
    FRIDAY = 5
    SATURDAY = 6
    SUNDAY = 7


@dataclass(frozen=True, kw_only=True)
class Hours:
    """A span of wall-clock time, `HH:MM` or `HH:MM:SS`. One whose end is not after its start ends on the next day, so
    that 22:00–06:00 is a night and 00:00–00:00 (or –24:00) a whole day. It belongs to the day on which it starts."""

    start: str
    end: str

    @property
    def span(self) -> tuple[int, int]:
        """Seconds after the midnight that begins its day."""
        start, end = seconds_of(self.start), seconds_of(self.end)
        return start, end if end > start else end + DAY_SECONDS


@dataclass(frozen=True, kw_only=True)
class WeeklyHours(Hours):
    """Hours of some days of the week. A day with a break has two of them."""

    days: list[Day]


@dataclass(frozen=True, kw_only=True)
class HolidaySource:
    """Whose holidays count: ISO 3166 codes, and categories if not only the public ones."""

    country: str
    subdivision: str = ""
    categories: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class DayException:
    """A day with hours of its own; closed if it has none."""

    date: date
    hours: list[Hours] = field(default_factory=list)
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Version:
    """What holds from a day on, until the next version; the first one also before its day."""

    valid_from: date
    weekly: list[WeeklyHours] = field(default_factory=list)
    make_up_hours: list[Hours] = field(default_factory=list)  # none: those of the week's first day with hours
    holiday_sources: list[HolidaySource] = field(default_factory=list)
    exceptions: list[DayException] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Holiday:
    """A day off by law or, if `working`, a day on which work is made up for one."""

    date: date
    display_name: str
    working: bool = False


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A calendar as data. Weekly hours yield to holidays, those to make-up days, and all to exceptions."""

    time_zone: str
    versions: Sequence[Version]
    holidays: Sequence[Holiday] = ()

    def in_order(self) -> list[Version]:
        return sorted(self.versions, key=lambda version: version.valid_from)


class DurationKind(Enum):
    """How a duration is counted."""

    ELAPSED = 1  # seconds on any clock
    WORKING = 2  # seconds of working time
    BUSINESS_DAYS = 3  # until the end of the n-th business day after the day of the start
    END_OF_NEXT_BUSINESS_DAY = 4


@dataclass(frozen=True, kw_only=True)
class Duration:
    """So many seconds, or days, of its kind."""

    kind: DurationKind
    seconds: int = 0
    days: int = 0


Interval = tuple[datetime, datetime]


class WorkingTime:
    """A schedule as instants. Moments are aware datetimes, cut to the second; answers are in UTC.

    Lays out the years around what it is asked about and remembers them; the answers do not depend on that. Threads may
    share one.
    """

    def __init__(self, schedule: Schedule) -> None:
        """`schedule` has at least one version and a zone that `zoneinfo` knows."""
        self.schedule, self.zone = schedule, ZoneInfo(schedule.time_zone)
        self._latest: _Layout | None = None

    # ---- questions

    def working(self, start: datetime, end: datetime) -> int:
        """Seconds of working time between two moments; negative if the end is before the start."""
        laid = self._lay_out(min(start, end).year - 1, max(start, end).year + 1)
        return laid.worked(_second(end)) - laid.worked(_second(start))

    def add(self, start: datetime, seconds: int, pauses: Iterable[Interval] = ()) -> datetime:
        """The first moment at which so many seconds of working time have passed since `start`; of a negative number:
        the last moment from which they pass until `start`. What is worked during `pauses` does not count."""
        for begin, end in sorted(pauses):
            done = self.working(start, max(start, begin))
            if done >= seconds:
                break
            seconds, start = seconds - done, max(start, end)
        if seconds == 0:
            return start
        for years in (YEARS_AHEAD, HORIZON_YEARS):
            back, ahead = (YEARS_BACK, years) if seconds > 0 else (years, YEARS_AHEAD)
            laid = self._lay_out(start.year - back, start.year + ahead)
            found = laid.reach(laid.worked(_second(start)) + seconds, forward=seconds > 0)
            if found is not None:
                return _moment(found)
        raise HorizonExceeded(seconds=seconds, start=start.isoformat())

    def due(self, start: datetime, duration: Duration) -> datetime:
        """When a duration that begins at `start` is over."""
        match duration.kind:
            case DurationKind.ELAPSED:
                return start + timedelta(seconds=duration.seconds)
            case DurationKind.WORKING:
                return self.add(start, duration.seconds)
            case DurationKind.BUSINESS_DAYS:
                return self.end_of_business_day(start, duration.days)
        return self.end_of_business_day(start, 1)

    def end_of_business_day(self, start: datetime, days: int) -> datetime:
        """The end of the n-th business day after the local day of `start`. For 0: of that day itself; of the next
        one if it is none or is over."""
        today = start.astimezone(self.zone).toordinal()
        for years in (YEARS_AHEAD, HORIZON_YEARS):
            laid = self._lay_out(start.year - YEARS_BACK, start.year + years)
            number = bisect_right(laid.days, today) + days - 1
            if days == 0 and (number < 0 or laid.days[number] != today or laid.day_ends[number] <= _second(start)):
                number += 1
            if number < len(laid.days):
                return _moment(laid.day_ends[number])
        raise HorizonExceeded(days=days, start=start.isoformat())

    def is_open(self, at: datetime) -> bool:
        """Whether there is work at this moment."""
        laid, second = self._lay_out(at.year - 1, at.year + 1), _second(at)
        number = bisect_right(laid.ends, second)
        return number < len(laid.starts) and laid.starts[number] <= second

    def next_open(self, at: datetime, away: Iterable[Interval] = ()) -> datetime:
        """The first moment from `at` on with work, outside of `away`."""
        limit = at.year + HORIZON_YEARS
        at = self._next_open(at, limit)
        for begin, end in sorted(away):
            if begin <= at < end:
                at = self._next_open(end, limit)
        return at

    def intervals(self, start: datetime, end: datetime) -> list[Interval]:
        """The working time between two moments, in order; spans that touch are one."""
        laid, first, last = self._lay_out(start.year - 1, end.year + 1), _second(start), _second(end)
        touched = range(bisect_right(laid.ends, first), bisect_left(laid.starts, last) if first < last else 0)
        return [(_moment(max(laid.starts[i], first)), _moment(min(laid.ends[i], last))) for i in touched]

    # ---- the layout

    def _next_open(self, at: datetime, limit: int) -> datetime:
        second = _second(at)
        for last in (min(at.year + YEARS_AHEAD, limit), limit):
            laid = self._lay_out(at.year - 1, max(last, at.year + 1))
            number = bisect_right(laid.ends, second)
            if number < len(laid.starts):
                return at if laid.starts[number] <= second else _moment(laid.starts[number])
        raise HorizonExceeded(start=at.isoformat())

    def _lay_out(self, first: int, last: int) -> "_Layout":
        """The intervals of these years, and maybe of others."""
        laid = self._latest
        if laid and laid.first <= first and last <= laid.last:
            return laid
        if not FIRST_YEAR < first <= last < first + MOST_YEARS or last > LAST_YEAR:
            raise HorizonExceeded(first_year=first, last_year=last)
        if laid and max(last, laid.last) - min(first, laid.first) < MOST_YEARS:
            first, last = min(first, laid.first), max(last, laid.last)
        days = [date.fromordinal(number) for number in range(_new_year(first) - 1, _new_year(last + 1))]
        worked = [(day, spans) for day, spans in zip(days, self._spans(days), strict=True) if spans]
        bounds = self._instant(days[1], 0, 0), self._instant(days[-1] + timedelta(days=1), 0, 0)
        merged = _merged((max(a, bounds[0]), min(b, bounds[1])) for _, spans in worked for a, b in spans)
        self._latest = laid = _Layout(
            first=first,
            last=last,
            starts=[start for start, _ in merged],
            ends=[end for _, end in merged],
            sums=list(accumulate((end - start for start, end in merged), initial=0))[:-1],
            days=[day.toordinal() for day, _ in worked],
            day_ends=[max(end for _, end in spans) for _, spans in worked],
        )
        return laid

    def _spans(self, days: Sequence[date]) -> Iterable[list[tuple[int, int]]]:
        """The working spans that begin on each day, as instants, neither ordered nor disjoint."""
        holidays = {holiday.date: holiday for holiday in self.schedule.holidays}
        plans = [_Plan(version) for version in self.schedule.in_order()]
        begins = [plan.valid_from for plan in plans]
        for day in days:
            hours = plans[max(0, bisect_right(begins, day) - 1)].hours(day, holidays.get(day))
            spans = [(self._instant(day, start, 0), self._instant(day, end, 1)) for start, end in hours]
            yield [(start, end) for start, end in spans if start < end]

    def _instant(self, day: date, seconds: int, fold: int) -> int:
        """A wall-clock time as an instant. Of a time that comes twice: the first (fold 0) or the second (1); one that
        is left out becomes the first moment after the gap."""
        wall = datetime.combine(day, time()) + timedelta(seconds=seconds)
        local = wall.replace(tzinfo=self.zone, fold=fold)
        other = local.replace(fold=1 - fold)
        if local.utcoffset() == other.utcoffset():
            return _second(local)
        early, late = sorted((_second(local), _second(other)))
        if _moment(early).astimezone(self.zone).replace(tzinfo=None) == wall:
            return late if fold else early
        after = _moment(late).astimezone(self.zone).utcoffset()
        return early + bisect_left(
            range(late - early), True, key=lambda step: _moment(early + step).astimezone(self.zone).utcoffset() == after
        )


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """Some years as instants, in seconds since 1970."""

    first: int
    last: int
    starts: list[int]
    ends: list[int]
    sums: list[int]  # working seconds before each interval, counted from the first
    days: list[int]  # ordinals of the days with hours
    day_ends: list[int]

    def worked(self, second: int) -> int:
        """Working seconds from the beginning."""
        number = bisect_right(self.starts, second) - 1
        if number < 0:
            return 0
        return self.sums[number] + min(second, self.ends[number]) - self.starts[number]

    def reach(self, worked: int, *, forward: bool) -> int | None:
        """The second at which so much was worked: the first one forward, the last one back; None beyond the end."""
        number = (bisect_left if forward else bisect_right)(self.sums, worked) - 1
        if number < 0:
            return None
        second = self.starts[number] + worked - self.sums[number]
        return second if second <= self.ends[number] else None


class _Plan:
    """One version, ready to be asked for many days."""

    def __init__(self, version: Version) -> None:
        self.valid_from = version.valid_from
        self._weekly: dict[int, list[tuple[int, int]]] = {}
        for hours in version.weekly:
            for day in hours.days:
                self._weekly.setdefault(day.value, []).append(hours.span)
        first = self._weekly[min(self._weekly)] if self._weekly else []
        self._make_up = [hours.span for hours in version.make_up_hours] or first
        self._exceptions = {one.date: [hours.span for hours in one.hours] for one in version.exceptions}

    def hours(self, day: date, holiday: Holiday | None) -> list[tuple[int, int]]:
        if day in self._exceptions:
            return self._exceptions[day]
        if holiday is not None:
            return self._make_up if holiday.working else []
        return self._weekly.get(day.isoweekday(), [])


def seconds_of(wall: str) -> int:
    """`09:30` or `09:30:15` as seconds after midnight; `24:00` is the midnight that ends the day."""
    hours, minutes, *seconds = map(int, wall.split(":"))
    return hours * 3600 + minutes * 60 + sum(seconds)


def in_reach(day: date) -> bool:
    """Whether a day given by a caller can be reckoned with in every zone, with years to spare on both sides."""
    return 1900 <= day.year <= 2500


def months_after(anchor: date, months: int, *, end_of_month: bool = False) -> date:
    """The day so many months after an anchor: the same day of the month, or the last if the month is shorter. Counted
    from the anchor, never from the period before, or the 31st would become the 28th for good. With `end_of_month` an
    anchor that is the last day of its month stays the last one."""
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    ends = end_of_month and anchor.day == calendar.monthrange(anchor.year, anchor.month)[1]
    return date(year, month + 1, last if ends else min(anchor.day, last))


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans in order, those that overlap or touch as one, empty ones left out."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        elif start < end:
            merged.append((start, end))
    return merged


def _new_year(year: int) -> int:
    return date(year, 1, 1).toordinal()


def _second(moment: datetime) -> int:
    return (moment - EPOCH) // SECOND


def _moment(second: int) -> datetime:
    return EPOCH + timedelta(seconds=second)
