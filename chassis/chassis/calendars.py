"""Everybody's copy of directory's calendars and absences: is this person at work, and when next?

Kept by events like the members; entries are remembered for a second. A person works by their own calendar, else by
that of the team or of the nearest team above that has one, else by `calendars/default`; without that, around the clock.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, TypeVar

import msgspec
from crm.directory.v1 import calendars_pb2
from crm.directory.v1 import events_pb2 as directory_events

from chassis.business_time import Day, Interval, Schedule, Version, WeeklyHours, WorkingTime
from chassis.convert import civil_date, from_message, moment
from chassis.database import Database
from chassis.errors import NotFound
from chassis.events import latest, on
from chassis.work import Work

DEFAULT = "calendars/default"
REMEMBER_SECONDS = 1.0
MOST_REMEMBERED = 20_000
ALWAYS = WorkingTime(
    Schedule(
        time_zone="UTC",
        versions=[
            Version(valid_from=date(1970, 1, 1), weekly=[WeeklyHours(days=list(Day), start="00:00", end="24:00")])
        ],
    )
)

DOCUMENT = "SELECT document::text AS document FROM calendar WHERE name = $1::text"
CALENDAR_OF = (
    "WITH RECURSIVE above AS ("
    " SELECT team.name, team.parent, team.calendar, 1 AS height FROM member JOIN team ON team.name = member.team"
    " WHERE member.name = $1::text"
    " UNION ALL SELECT team.name, team.parent, team.calendar, height + 1"
    " FROM above JOIN team ON team.name = above.parent WHERE height < 50)"
    " SELECT calendar FROM (SELECT calendar, 0 AS height FROM member WHERE name = $1::text"
    " UNION ALL SELECT calendar, height FROM above) AS one WHERE calendar <> '' ORDER BY height LIMIT 1"
)
AWAY = "SELECT start_time, end_time FROM absence WHERE owner = $1::text ORDER BY end_time DESC LIMIT 500"
PUT_CALENDAR = (
    "INSERT INTO calendar (name, document) VALUES ($1::text, $2::jsonb)"
    " ON CONFLICT (name) DO UPDATE SET document = excluded.document"
)
PUT_ABSENCE = (
    "INSERT INTO absence (name, owner, start_time, end_time)"
    " VALUES ($1::text, $2::text, $3::timestamptz, $4::timestamptz) ON CONFLICT (name) DO UPDATE"
    " SET owner = excluded.owner, start_time = excluded.start_time, end_time = excluded.end_time"
)
DROP_ABSENCE = "DELETE FROM absence WHERE name = $1::text"

T = TypeVar("T")


class CalendarUnknown(NotFound):
    """No such calendar is known here (yet)."""


@dataclass(frozen=True)
class PersonsTime:
    """When somebody works: the hours of their calendar, without the times they are away."""

    hours: WorkingTime
    away: list[Interval] = field(default_factory=list)

    def next_at_work(self, at: datetime) -> datetime:
        """The first moment from `at` on at which they are at work: `at` itself if they are. HorizonExceeded if that
        is not within ten years."""
        return self.hours.next_open(at, self.away)

    def at_work(self, at: datetime) -> bool:
        return self.hours.is_open(at) and not self.is_away(at)

    def is_away(self, at: datetime) -> bool:
        """Whether they are on leave, whatever the hour."""
        return any(start <= at < end for start, end in self.away)


class Calendars:
    """Reads the copies."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._remembered: dict[tuple[str, str], tuple[float, Any]] = {}
        self._laid_out: dict[str, tuple[str, WorkingTime]] = {}  # by calendar: of which document

    async def named(self, name: str) -> WorkingTime:
        """The working time of a calendar; CalendarUnknown if there is none of that name."""
        found = await self._remember(DOCUMENT, name, lambda rows: rows[0]["document"] if rows else "")
        if not found:
            raise CalendarUnknown(name=name)
        return self._hours(name, found)

    async def of(self, person: str) -> PersonsTime:
        """When a person works."""
        away = await self._remember(AWAY, person, lambda rows: [(row["start_time"], row["end_time"]) for row in rows])
        name = await self._remember(CALENDAR_OF, person, lambda rows: rows[0]["calendar"] if rows else DEFAULT)
        try:
            return PersonsTime(await self.named(name), away)
        except CalendarUnknown:
            return PersonsTime(ALWAYS, away)

    def forget(self) -> None:
        """Reads everything anew: something changed in this process."""
        self._remembered.clear()

    def _hours(self, name: str, document: str) -> WorkingTime:
        """Laid out once for each state of a calendar."""
        known = self._laid_out.get(name)
        if known is None or known[0] != document:
            known = document, WorkingTime(msgspec.json.decode(document, type=Schedule))
            self._laid_out[name] = known
        return known[1]

    async def _remember(self, query: str, key: str, read: Callable[[list[Any]], T]) -> T:
        now = time.monotonic()
        remembered = self._remembered.get((query, key))
        if remembered and remembered[0] > now:
            return remembered[1]  # type: ignore[no-any-return]
        found = read(await self._database.fetch(query, [key]))
        if len(self._remembered) >= MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[query, key] = (now + REMEMBER_SECONDS, found)
        return found


def schedule_of(calendar: calendars_pb2.Calendar) -> Schedule:
    """What a calendar says, holidays included."""
    holidays = [
        {"date": civil_date(day.date, "date"), "display_name": day.display_name, "working": day.working}
        for day in calendar.holidays
    ]
    versions = [from_message(version, Version) for version in calendar.versions]
    plain = {"time_zone": calendar.time_zone, "versions": versions, "holidays": holidays}
    return msgspec.convert(msgspec.to_builtins(plain), Schedule)


@on(
    directory_events.CalendarCreated,
    directory_events.CalendarUpdated,
    directory_events.CalendarArchived,
    directory_events.CalendarRestored,
    keep=latest,
)
async def know_calendar(event: directory_events.CalendarUpdated, work: Work) -> None:
    document = msgspec.json.encode(schedule_of(event.calendar)).decode()
    await work.execute(PUT_CALENDAR, event.calendar.name, document)
    work.calendars.forget()


@on(
    directory_events.AbsenceRecorded,
    directory_events.AbsenceUpdated,
    directory_events.AbsenceCancelled,
    keep=latest,
)
async def know_absence(event: directory_events.AbsenceUpdated, work: Work) -> None:
    absence = event.absence
    if absence.state == calendars_pb2.Absence.CANCELLED:
        await work.execute(DROP_ABSENCE, absence.name)
    else:
        times = [moment(absence.away_start_time, "away_start_time"), moment(absence.away_end_time, "away_end_time")]
        await work.execute(PUT_ABSENCE, absence.name, absence.owner, *times)
    work.calendars.forget()


REACTIONS = (know_calendar, know_absence)
