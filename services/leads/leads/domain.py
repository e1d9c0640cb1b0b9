"""Leads: people who may buy, and the rules that decide which deserve a salesperson's time."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import ClassVar

from chassis.errors import FailedPrecondition, InvalidFields
from chassis.values import CustomerRecord, Record, new_id


class LeadClosed(FailedPrecondition):
    "The lead was already converted or disqualified."


class LeadConverting(FailedPrecondition):
    "The lead is being converted; its account, contact and opportunity are on their way."


class LeadNotQualified(FailedPrecondition):
    "Only a qualified lead can be converted."


class ChecklistNotMet(FailedPrecondition):
    "The lead lacks what the company asks of a qualified lead."


class LeadArchivedAlready(FailedPrecondition):
    "The lead is archived already."


class LeadNotArchived(FailedPrecondition):
    "The lead is not archived."


class NobodyToAssign(FailedPrecondition):
    "The team has no active person."


class State(Enum):
    NEW = 1
    ASSIGNED = 2
    WORKING = 3
    QUALIFIED = 4
    CONVERTING = 5
    CONVERTED = 6
    DISQUALIFIED = 7


OPEN = frozenset({State.NEW, State.ASSIGNED, State.WORKING, State.QUALIFIED})


class CallOutcome(Enum):
    OUTCOME_UNSPECIFIED = 0
    REACHED = 1
    NO_ANSWER = 2
    CALL_BACK = 3
    WRONG_NUMBER = 4


class Requirement(Enum):
    """Something a lead must have before it may be qualified."""

    OWNER = 1
    EMAIL = 2
    PHONE = 3
    COMPANY = 4
    CALL = 5
    NOTE = 6


@dataclass(kw_only=True)
class LeadSettings(Record):
    """What the company asks of its leads. There is one."""

    collection: ClassVar[str] = "leadSettings"
    ID: ClassVar[str] = "settings"

    id: str = ID
    qualification_checklist: list[Requirement] = field(default_factory=lambda: [Requirement.OWNER])
    disqualify_reasons: list[str] = field(default_factory=list)

    def check_reason(self, reason: str) -> None:
        if self.disqualify_reasons and reason not in self.disqualify_reasons:
            raise InvalidFields(("reason", f"is none of {', '.join(self.disqualify_reasons)}"))


@dataclass(kw_only=True)
class Rotation(Record):
    """Whose turn it was last in a team."""

    collection: ClassVar[str] = "rotations"

    last: str = ""

    def next(self, people: Sequence[str]) -> str:
        """The person after the last one, in the order of names; NobodyToAssign if there is none."""
        if not people:
            raise NobodyToAssign(team=f"teams/{self.id}")
        turn = sorted(people)
        self.last = next((name for name in turn if name > self.last), turn[0])
        return self.last


@dataclass(kw_only=True)
class Lead(CustomerRecord):
    """A person or company that may buy."""

    collection: ClassVar[str] = "leads"

    display_name: str
    archive_time: datetime | None = None
    labels: dict[str, str] = field(default_factory=dict)
    state: State = State.NEW
    company: str = ""
    email: str = ""
    phone: str = ""
    phone_digits: str = ""
    channel: str = ""
    landing_page: str = ""
    note: str = ""
    contact_time: datetime | None = None
    assign_time: datetime | None = None
    last_call_time: datetime | None = None
    qualify_time: datetime | None = None
    close_time: datetime | None = None
    disqualify_reason: str = ""
    account: str = ""
    contact: str = ""
    opportunity: str = ""
    call_count: int = 0

    def normalise(self) -> None:
        """What can be compared is stored in one spelling; what people typed as a phone number is kept beside."""
        self.email = self.email.strip().lower()
        self.phone_digits = re.sub(r"\D", "", self.phone)
        if self.channel and "/" not in self.channel:
            self.channel = f"channels/{self.channel}"
        self.journey_id = self.journey_id or new_id()

    def assign(self, owner: str, team: str, at: datetime) -> "LeadAssigned":
        self._require_open()
        previous = self.owner if self.assign_time else ""  # an owner named at its making had nobody before
        self.owner, self.team, self.assign_time = owner, team, at
        if self.state is State.NEW:
            self.state = State.ASSIGNED
        return LeadAssigned(lead=self, previous_owner=previous, event_time=at)

    def log_call(self, outcome: CallOutcome, note: str, at: datetime) -> "LeadCalled":
        self._require_open()
        self.call_count += 1
        self.last_call_time = max(at, self.last_call_time or at)
        if self.state in (State.NEW, State.ASSIGNED):
            self.state = State.WORKING
        return LeadCalled(lead=self, outcome=outcome, note=note, event_time=at)

    def qualify(self, checklist: Sequence[Requirement], note: str, at: datetime) -> "LeadQualified":
        self._require_open()
        missing = [item.name for item in checklist if not self._meets(item, note)]
        if missing:
            raise ChecklistNotMet(lead=self.name, missing=", ".join(missing))
        self.state, self.qualify_time = State.QUALIFIED, at
        return LeadQualified(lead=self, note=note, event_time=at)

    def disqualify(self, reason: str, note: str, at: datetime) -> "LeadDisqualified":
        self._require_open()
        self.state, self.disqualify_reason, self.close_time = State.DISQUALIFIED, reason, at
        return LeadDisqualified(lead=self, note=note, event_time=at)

    def start_conversion(self, at: datetime) -> "LeadConversionStarted":
        self._require_open()
        if self.state is not State.QUALIFIED:
            raise LeadNotQualified(lead=self.name, state=self.state.name)
        self.state = State.CONVERTING
        return LeadConversionStarted(lead=self, event_time=at)

    def finish_conversion(self, account: str, contact: str, opportunity: str, at: datetime) -> "LeadConverted":
        self.state, self.close_time = State.CONVERTED, at
        self.account, self.contact, self.opportunity = account, contact, opportunity
        return LeadConverted(lead=self, event_time=at)

    def abandon_conversion(self, reason: str, at: datetime) -> "LeadConversionAbandoned":
        """Sales refused for good: the lead is qualified again and can be converted another way."""
        self.state = State.QUALIFIED
        return LeadConversionAbandoned(lead=self, reason=reason, event_time=at)

    def archive(self, at: datetime) -> "LeadArchived":
        if self.archive_time:
            raise LeadArchivedAlready(lead=self.name)
        if self.state is State.CONVERTING:
            raise LeadConverting(lead=self.name, state=self.state.name)
        self.archive_time = at
        return LeadArchived(lead=self, event_time=at)

    def restore(self, at: datetime) -> "LeadRestored":
        if not self.archive_time:
            raise LeadNotArchived(lead=self.name)
        self.archive_time = None
        return LeadRestored(lead=self, event_time=at)

    def _require_open(self) -> None:
        if self.state is State.CONVERTING:
            raise LeadConverting(lead=self.name, state=self.state.name)
        if self.state not in OPEN:
            raise LeadClosed(lead=self.name, state=self.state.name)

    def _meets(self, requirement: Requirement, note: str) -> bool:
        return {
            Requirement.OWNER: bool(self.owner),
            Requirement.EMAIL: bool(self.email),
            Requirement.PHONE: bool(self.phone),
            Requirement.COMPANY: bool(self.company),
            Requirement.CALL: self.call_count > 0,
            Requirement.NOTE: bool(self.note or note),
        }[requirement]


@dataclass(frozen=True, kw_only=True)
class LeadCreated:
    lead: Lead
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadUpdated:
    lead: Lead
    fields: list[str]
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadArchived:
    lead: Lead
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadRestored:
    lead: Lead
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadSettingsUpdated:
    lead_settings: LeadSettings
    fields: list[str]
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadAssigned:
    lead: Lead
    previous_owner: str
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadCalled:
    lead: Lead
    outcome: CallOutcome
    note: str
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadQualified:
    lead: Lead
    note: str
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadDisqualified:
    lead: Lead
    note: str
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadConversionStarted:
    lead: Lead
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadConversionAbandoned:
    lead: Lead
    reason: str
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadConverted:
    lead: Lead
    event_time: datetime
