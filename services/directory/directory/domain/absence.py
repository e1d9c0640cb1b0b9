"""Absences: when somebody is not at work though the calendar says so. Why is nobody's business here."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import Enum
from typing import ClassVar
from zoneinfo import ZoneInfo

from chassis.business_time import in_reach
from chassis.errors import FailedPrecondition, InvalidFields
from chassis.values import Record

LONGEST = timedelta(days=3 * 366)


class AbsenceCancelledAlready(FailedPrecondition):
    "The absence is cancelled."


class AbsenceState(Enum):
    RECORDED = 1
    CANCELLED = 2


@dataclass(kw_only=True)
class Absence(Record):
    """A person's leave: whole days, or times. `away_*` is the same as instants."""

    collection: ClassVar[str] = "absences"

    owner: str = ""
    team: str = ""
    state: AbsenceState = AbsenceState.RECORDED
    start_date: date | None = None
    end_date: date | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    away_start_time: datetime | None = None
    away_end_time: datetime | None = None

    def settle(self, zone: ZoneInfo) -> None:
        """Makes instants of what was given. Days begin and end at midnight in `zone`, the last one included."""
        days, times = (self.start_date, self.end_date), (self.start_time, self.end_time)
        if any(days) == any(times):
            raise InvalidFields(("absence", "give either start_date and end_date or start_time and end_time"))
        if self.start_date and self.end_date and self.end_date < date.max:
            self.away_start_time = datetime.combine(self.start_date, time(), zone)
            self.away_end_time = datetime.combine(self.end_date, time(), zone) + timedelta(days=1)
        elif self.start_time and self.end_time:
            self.away_start_time, self.away_end_time = self.start_time, self.end_time
        else:
            raise InvalidFields(("absence", "lacks its start or its end"))
        if not (in_reach(self.away_start_time) and in_reach(self.away_end_time)):
            raise InvalidFields(("absence", "lies in another age"))
        if not timedelta() < self.away_end_time - self.away_start_time <= LONGEST:
            raise InvalidFields(("absence", "ends after it starts, and within three years"))

    def require_recorded(self) -> None:
        if self.state is AbsenceState.CANCELLED:
            raise AbsenceCancelledAlready(name=self.name)

    def cancel(self, at: datetime) -> "AbsenceCancelled":
        self.require_recorded()
        self.state = AbsenceState.CANCELLED
        return AbsenceCancelled(absence=self, event_time=at)


@dataclass(frozen=True, kw_only=True)
class AbsenceRecorded:
    absence: Absence
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class AbsenceUpdated:
    absence: Absence
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class AbsenceCancelled:
    absence: Absence
    event_time: datetime
