"""Call lists: leads to be telephoned, when they may be, and how often it is tried."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import ClassVar
from zoneinfo import ZoneInfo

from chassis.business_time import DAY_SECONDS, WeeklyHours, WorkingTime
from chassis.errors import FailedPrecondition, InvalidFields
from chassis.values import Record

from leads.domain.lead import Lead
from leads.domain.state import LIVE

EARLIEST_AND_LATEST = "|"  # joins the zones between which a number may be


class CallListAtRest(FailedPrecondition):
    "The list is paused."


class CallListNotPaused(FailedPrecondition):
    "The list is not paused."


class CallListOver(FailedPrecondition):
    "The list is closed."


class NoCaller(FailedPrecondition):
    "You are none of those who work this list."


class CallListState(Enum):
    ACTIVE = 1
    PAUSED = 2
    CLOSED = 3


class Disposition(Enum):
    """What came of a call."""

    DISPOSITION_UNSPECIFIED = 0
    INTERESTED = 1
    NOT_INTERESTED = 2
    CALL_BACK = 3
    QUALIFIED = 4
    NO_ANSWER = 5
    BUSY = 6
    VOICEMAIL = 7
    WRONG_NUMBER = 8
    DO_NOT_CALL = 9


PAUSES = {
    Disposition.NO_ANSWER: timedelta(hours=4),
    Disposition.BUSY: timedelta(minutes=15),
    Disposition.VOICEMAIL: timedelta(days=1),
}


class LeftOut(Enum):
    """Why a lead is not put into a list."""

    NOT_FOUND = 1
    CLOSED = 2
    NO_PHONE = 3
    WRONG_NUMBER = 4
    REFUSES_CALLS = 5
    OVER_LIMIT = 6
    IN_LIST = 7


@dataclass(frozen=True, kw_only=True)
class CallHours(WeeklyHours):
    """Hours by the clock of whoever is called. Those that pass midnight belong to the day on which they begin."""

    def hold(self, wall: datetime) -> bool:
        """Whether this wall-clock time is within them."""
        start, end = self.span
        second = wall.hour * 3600 + wall.minute * 60 + wall.second
        today, yesterday = wall.isoweekday(), (wall - timedelta(days=1)).isoweekday()
        days = {day.value for day in self.days}
        return (today in days and start <= second < end) or (yesterday in days and start <= second + DAY_SECONDS < end)


@dataclass(frozen=True, kw_only=True)
class CallPause:
    disposition: Disposition
    minutes: int = 0


@dataclass(frozen=True, kw_only=True)
class LeadsLeftOut:
    reason: LeftOut
    leads: int


@dataclass(kw_only=True)
class CallList(Record):
    """A list and how it is worked. `zones` are those of its leads, see `CallListEntry.time_zone`."""

    collection: ClassVar[str] = "callLists"

    display_name: str
    state: CallListState = CallListState.ACTIVE
    script: str = ""
    callers: list[str] = field(default_factory=list)
    hours: list[CallHours] = field(default_factory=list)
    calendar: str = ""
    most_attempts: int = 5
    pauses: list[CallPause] = field(default_factory=list)
    lease_minutes: int = 15
    lead_count: int = 0
    left_out: list[LeadsLeftOut] = field(default_factory=list)
    zones: list[str] = field(default_factory=list)

    def settle(self) -> None:
        """Reads 0 as the default; InvalidFields if it waits twice after the same."""
        self.most_attempts, self.lease_minutes = self.most_attempts or 5, self.lease_minutes or 15
        if len({pause.disposition for pause in self.pauses}) < len(self.pauses):
            raise InvalidFields(("call_list.pauses", "names a disposition twice"))

    @property
    def lease(self) -> timedelta:
        return timedelta(minutes=self.lease_minutes)

    def pause_after(self, disposition: Disposition) -> timedelta:
        """How long to wait after a call that reached nobody."""
        own = {pause.disposition: timedelta(minutes=pause.minutes) for pause in self.pauses}
        return (PAUSES | own)[disposition]

    def require_open(self) -> None:
        if self.state is CallListState.CLOSED:
            raise CallListOver(name=self.name)

    def require_caller(self, person: str, team: str) -> None:
        """Refuses to give out leads: the list rests, or is not theirs to work."""
        self.require_open()
        if self.state is CallListState.PAUSED:
            raise CallListAtRest(name=self.name)
        if not self.is_worked_by(person, team):
            raise NoCaller(name=self.name, caller=person)

    def is_worked_by(self, person: str, team: str) -> bool:
        return not self.callers or bool({person, team} & set(self.callers))

    def open_zones(self, at: datetime, calendar: WorkingTime | None) -> list[str]:
        """Those of its zones in which people may be called at a moment. `calendar` is read by the clocks there."""
        return [zones for zones in self.zones if all(self._opens(zone, at, calendar) for zone in _each(zones))]

    def _opens(self, zone: str, at: datetime, calendar: WorkingTime | None) -> bool:
        wall = at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        if self.hours and not any(hours.hold(wall) for hours in self.hours):
            return False
        return calendar is None or calendar.is_open(wall.replace(tzinfo=calendar.zone))

    def note(self, zones: Sequence[str], left_out: Mapping[LeftOut, int], at: datetime) -> "CallListFilled":
        """Leads of these zones were put in, one for each, and others left out."""
        self.lead_count += len(zones)
        self.zones = sorted({*self.zones, *zones})
        counts = {one.reason: one.leads for one in self.left_out}
        for reason, number in left_out.items():
            counts[reason] = counts.get(reason, 0) + number
        in_order = sorted(counts, key=lambda reason: reason.value)
        self.left_out = [LeadsLeftOut(reason=reason, leads=counts[reason]) for reason in in_order]
        return CallListFilled(call_list=self, leads=len(zones), event_time=at)

    def pause(self, at: datetime) -> "CallListPaused":
        self.require_open()
        if self.state is CallListState.PAUSED:
            raise CallListAtRest(name=self.name)
        self.state = CallListState.PAUSED
        return CallListPaused(call_list=self, event_time=at)

    def resume(self, at: datetime) -> "CallListResumed":
        self.require_open()
        if self.state is not CallListState.PAUSED:
            raise CallListNotPaused(name=self.name)
        self.state = CallListState.ACTIVE
        return CallListResumed(call_list=self, event_time=at)

    def close(self, at: datetime) -> "CallListClosed":
        self.require_open()
        self.state = CallListState.CLOSED
        return CallListClosed(call_list=self, event_time=at)


def why_not(lead: Lead) -> LeftOut | None:
    """Why a lead as it stands may not be called, whatever the hour."""
    if lead.state not in LIVE or lead.archive_time:
        return LeftOut.CLOSED
    if lead.do_not_call:
        return LeftOut.REFUSES_CALLS
    if not lead.phone:
        return LeftOut.NO_PHONE
    return LeftOut.WRONG_NUMBER if lead.wrong_phone == lead.phone else None


def _each(zones: str) -> list[str]:
    return zones.split(EARLIEST_AND_LATEST)


@dataclass(frozen=True, kw_only=True)
class CallListCreated:
    call_list: CallList
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class CallListUpdated:
    call_list: CallList
    fields: list[str]
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class CallListPaused:
    call_list: CallList
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class CallListResumed:
    call_list: CallList
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class CallListClosed:
    call_list: CallList
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class CallListFilled:
    call_list: CallList
    leads: int
    event_time: datetime
