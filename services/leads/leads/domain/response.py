"""Speed to lead: how long somebody may wait for a first call, and whether they did."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import ClassVar

from chassis.business_time import Duration, DurationKind, WorkingTime
from chassis.errors import InvalidFields
from chassis.values import Record

from leads.domain.lead import Lead
from leads.domain.state import OPEN

# A lead recorded later than this after it began came with a history: nobody could have called in time.
HISTORY = timedelta(days=1)


class Start(Enum):
    """When a clock starts."""

    START_UNSPECIFIED = 0
    CAPTURE = 1
    ASSIGNMENT = 2


class Kind(Enum):
    """How response time is counted."""

    KIND_UNSPECIFIED = 0
    ELAPSED = 1
    WORKING = 2
    BUSINESS_DAYS = 3
    END_OF_NEXT_BUSINESS_DAY = 4


@dataclass(frozen=True, kw_only=True)
class ResponseTime:
    """So many seconds or days, of their kind."""

    kind: Kind = Kind.WORKING
    seconds: int = 0
    days: int = 0

    @property
    def duration(self) -> Duration:
        kind = DurationKind.WORKING if self.kind is Kind.KIND_UNSPECIFIED else DurationKind[self.kind.name]
        return Duration(kind=kind, seconds=self.seconds, days=self.days)


@dataclass(frozen=True, kw_only=True)
class ResponseTarget:
    """How fast the leads that match it are to be answered."""

    target: str
    channels: list[str] = field(default_factory=list)
    labels: Mapping[str, str] = field(default_factory=dict)
    start: Start = Start.ASSIGNMENT
    response_time: ResponseTime
    warn_seconds: int = 0
    calendar: str = ""
    reassign: bool = False
    escalate_to: str = ""

    def matches(self, lead: Lead) -> bool:
        labelled = all(lead.labels.get(key) == value for key, value in self.labels.items())
        return labelled and (not self.channels or lead.channel in self.channels)

    def begins(self, lead: Lead) -> datetime | None:
        """When the clock of this lead starts; None if it does not yet."""
        if self.start is Start.CAPTURE:
            return lead.contact_time
        return lead.assign_time if lead.owner else None


@dataclass(kw_only=True)
class ResponseSettings(Record):
    """The company's targets; the first that matches holds. There is one of these."""

    collection: ClassVar[str] = "responseSettings"
    ID: ClassVar[str] = "settings"

    id: str = ID
    targets: list[ResponseTarget] = field(default_factory=list)

    def check(self) -> None:
        names = [target.target for target in self.targets]
        if len(names) != len(set(names)):
            raise InvalidFields(("targets", "have names of their own"))

    def target_of(self, lead: Lead) -> ResponseTarget | None:
        return next((target for target in self.targets if target.matches(lead)), None)

    def named(self, name: str) -> ResponseTarget | None:
        return next((target for target in self.targets if target.target == name), None)


class ResponseState(Enum):
    RUNNING = 1
    MET = 2
    BREACHED = 3
    MISSED = 4
    CANCELLED = 5


WAITING = frozenset({ResponseState.RUNNING, ResponseState.BREACHED})


@dataclass(kw_only=True)
class LeadResponse(Record):
    """One clock of a lead."""

    collection: ClassVar[str] = "leadResponses"

    lead: str
    owner: str = ""
    team: str = ""
    journey_id: str = ""
    state: ResponseState = ResponseState.RUNNING
    channel: str = ""
    target: str = ""
    cycle: int = 1
    start_time: datetime
    warn_time: datetime | None = None
    due_time: datetime
    breach_time: datetime | None = None
    respond_time: datetime | None = None
    waited_seconds: int = 0

    def warn(self, at: datetime) -> "LeadResponseDue":
        return LeadResponseDue(lead_response=self, event_time=at)

    def breach(self) -> "LeadSlaBreached":
        """The time is over: a fact, from the moment it was due."""
        self.state, self.breach_time = ResponseState.BREACHED, self.due_time
        return LeadSlaBreached(lead_response=self, event_time=self.due_time)

    def respond(self, at: datetime, hours: WorkingTime) -> "LeadResponded | None":
        """Somebody was in touch at `at`. Of several the first counts, in whichever order they are told; a call that
        is told late counts by when it was made. None if that is nothing new."""
        if self.state is ResponseState.CANCELLED or (self.respond_time and self.respond_time <= at):
            return None
        self.respond_time = at
        self.waited_seconds = max(0, hours.working(self.start_time, at))
        self.state = ResponseState.MET if at <= self.due_time else ResponseState.MISSED
        return LeadResponded(lead_response=self, event_time=at)

    def cancel(self, at: datetime) -> "LeadResponseCancelled":
        self.state = ResponseState.CANCELLED
        return LeadResponseCancelled(lead_response=self, event_time=at)


def next_clock(
    lead: Lead, last: LeadResponse | None, target: ResponseTarget | None, hours: WorkingTime, now: datetime
) -> LeadResponse | None:
    """The clock that begins for a lead as it stands, if one does: the first one of a lead nobody called yet, or that of
    somebody it was given to since. `last` is its latest clock."""
    start = target.begins(lead) if target else None
    if target is None or start is None or now - start > HISTORY:
        return None
    if lead.state not in OPEN or lead.archive_time or lead.last_outbound_time:
        return None
    again = target.start is Start.ASSIGNMENT and last is not None and last.owner != lead.owner
    if last is not None and not (again and start > last.start_time and last.respond_time is None):
        return None
    due = hours.due(start, target.response_time.duration)
    warn = hours.add(due, -target.warn_seconds) if target.warn_seconds else None
    return LeadResponse(
        lead=lead.name,
        owner=lead.owner,
        team=lead.team,
        journey_id=lead.journey_id,
        channel=lead.channel,
        target=target.target,
        cycle=last.cycle + 1 if last else 1,
        start_time=start,
        warn_time=max(warn, start) if warn else None,
        due_time=due,
    )


@dataclass(frozen=True, kw_only=True)
class ResponseSettingsUpdated:
    response_settings: ResponseSettings
    fields: list[str]
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadResponseStarted:
    lead_response: LeadResponse
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadResponseDue:
    lead_response: LeadResponse
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadSlaBreached:
    lead_response: LeadResponse
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadResponded:
    lead_response: LeadResponse
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadResponseCancelled:
    lead_response: LeadResponse
    event_time: datetime
