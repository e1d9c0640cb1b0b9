"""Calendars: when the company works. What the arithmetic needs stands in `chassis.business_time`."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import ClassVar
from zoneinfo import ZoneInfo

from chassis.business_time import Holiday, Schedule, Version
from chassis.errors import FailedPrecondition, InvalidFields
from chassis.values import Record


class CalendarInUse(FailedPrecondition):
    "People or teams work by this calendar; give them another one first."


class CalendarArchivedAlready(FailedPrecondition):
    "The calendar is archived already."


class CalendarNotArchived(FailedPrecondition):
    "The calendar is not archived."


@dataclass(kw_only=True)
class Calendar(Record):
    """Working hours by day of the week, with holidays, make-up days and exceptions."""

    collection: ClassVar[str] = "calendars"

    display_name: str
    archive_time: datetime | None = None
    time_zone: str
    versions: list[Version]
    holidays: list[Holiday] = field(default_factory=list)
    holidays_until: int = 0
    holiday_data_version: str = ""

    @property
    def schedule(self) -> Schedule:
        return Schedule(time_zone=self.time_zone, versions=self.versions, holidays=self.holidays)

    @property
    def has_sources(self) -> bool:
        return any(version.holiday_sources for version in self.versions)

    def check(self) -> None:
        """InvalidFields if it says nothing that can be worked by, or contradicts itself."""
        try:
            ZoneInfo(self.time_zone)
        except (LookupError, ValueError, OSError) as unknown:
            raise InvalidFields(("time_zone", f"{self.time_zone} is not in the IANA time zone database")) from unknown
        if not self.versions:
            raise InvalidFields(("versions", "needs at least one"))
        if twice := _twice(version.valid_from for version in self.versions):
            raise InvalidFields(("versions", f"two hold from {twice} on"))
        for number, version in enumerate(self.versions):
            if twice := _twice(one.date for one in version.exceptions):
                raise InvalidFields((f"versions[{number}].exceptions", f"two are about {twice}"))

    def archive(self, at: datetime) -> "CalendarArchived":
        if self.archive_time:
            raise CalendarArchivedAlready(name=self.name)
        self.archive_time = at
        return CalendarArchived(calendar=self, event_time=at)

    def restore(self, at: datetime) -> "CalendarRestored":
        if not self.archive_time:
            raise CalendarNotArchived(name=self.name)
        self.archive_time = None
        return CalendarRestored(calendar=self, event_time=at)


def _twice(days: Iterable[date]) -> date | None:
    """A day that is there more than once."""
    return next((day for day, times in Counter(days).items() if times > 1), None)


@dataclass(frozen=True, kw_only=True)
class CalendarCreated:
    calendar: Calendar
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class CalendarUpdated:
    calendar: Calendar
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class CalendarArchived:
    calendar: Calendar
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class CalendarRestored:
    calendar: Calendar
    event_time: datetime
