"""The service desk: what customers ask and complain about, and what their contracts entitle them to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import ClassVar

from chassis.errors import FailedPrecondition
from chassis.values import CustomerRecord, Record


class CaseClosed(FailedPrecondition):
    "The case is resolved; reopen it first."


class CaseNotResolved(FailedPrecondition):
    "Only a resolved case can be reopened."


class State(Enum):
    NEW = 1
    OPEN = 2
    RESOLVED = 3


class Priority(Enum):
    PRIORITY_UNSPECIFIED = 0
    LOW = 1
    NORMAL = 2
    HIGH = 3
    URGENT = 4


@dataclass(kw_only=True)
class Account(Record):
    """A customer as sales and contracts tell it.

    `turns` counts what was decided about its entitlements: each grant, and each case that was left without one. Both
    write this record, so a case that opens and a contract that arrives at the same moment cannot miss each other.
    """

    collection: ClassVar[str] = "accounts"

    display_name: str = ""
    owner: str = ""
    team: str = ""
    journey_id: str = ""
    turns: int = 0


@dataclass(kw_only=True)
class Entitlement(Record):
    """A service a contract entitles its customer to, from `start_time` until before `end_time`."""

    collection: ClassVar[str] = "entitlements"

    owner: str = ""
    team: str = ""
    journey_id: str = ""
    account: str
    contract: str
    contract_version: int
    service_level: str = ""
    start_time: datetime
    end_time: datetime | None = None

    def covers(self, moment: datetime) -> bool:
        return self.start_time <= moment and (self.end_time is None or moment < self.end_time)


def covering(entitlements: Iterable[Entitlement], moment: datetime) -> Entitlement | None:
    """The one that counts at a moment: of those that cover it, the one that started last."""
    valid = [entitlement for entitlement in entitlements if entitlement.covers(moment)]
    return max(valid, key=lambda entitlement: (entitlement.start_time, entitlement.id), default=None)


@dataclass(kw_only=True)
class Case(CustomerRecord):
    """What a customer asks or complains about."""

    collection: ClassVar[str] = "cases"

    display_name: str
    labels: dict[str, str] = field(default_factory=dict)
    state: State = State.NEW
    number: str = ""
    account: str
    contact: str = ""
    order: str = ""
    type: str = ""
    priority: Priority = Priority.NORMAL
    description: str = ""
    open_time: datetime | None = None
    entitlement: str = ""
    contract: str = ""
    contract_version: int = 0
    unentitled: bool = False
    matched_late: bool = False
    solution: str = ""
    resolve_time: datetime | None = None
    reopen_count: int = 0

    def tidy(self) -> None:
        """What was left open is as usual."""
        self.type = self.type or "question"
        if self.priority is Priority.PRIORITY_UNSPECIFIED:
            self.priority = Priority.NORMAL

    def open(self, number: int, entitlement: Entitlement | None, at: datetime) -> "CaseOpened":
        """With the entitlement that covers `at`; without one the case is flagged and waits for a contract."""
        self.tidy()
        self.number, self.open_time = f"S-{number:06d}", at
        if entitlement:
            self._promise(entitlement)
            self.journey_id = entitlement.journey_id or self.journey_id
        else:
            self.unentitled = True
        return CaseOpened(case=self, event_time=at)

    def late_match(self, arrived: Sequence[Entitlement]) -> Entitlement | None:
        """What a waiting case takes of the entitlements that arrived after it: the one that covers its opening.

        Else the first that starts later: the company took the customer on knowing the case. Never one that had ended
        by then. A case keeps the first entitlement it gets: nothing is taken back.
        """
        if not self.unentitled or self.state is State.RESOLVED or self.open_time is None:
            return None
        later = [entitlement for entitlement in arrived if entitlement.start_time > self.open_time]
        first = min(later, key=lambda entitlement: (entitlement.start_time, entitlement.id), default=None)
        return covering(arrived, self.open_time) or first

    def attach(self, entitlement: Entitlement, at: datetime) -> "CaseEntitlementAttached":
        """A late match. The case stays in the journey its story has been told in."""
        self._promise(entitlement)
        self.unentitled, self.matched_late = False, True
        return CaseEntitlementAttached(case=self, event_time=at)

    def revise(self, fields: Iterable[str], at: datetime) -> "CaseUpdated":
        self.require_unresolved()
        return CaseUpdated(case=self, fields=list(fields), event_time=at)

    def assign(self, owner: str, team: str, at: datetime) -> "CaseAssigned":
        """To a person, who then works on it, or to a team (`owner` empty), where somebody will take it."""
        self.require_unresolved()
        previous, self.owner, self.team = self.owner, owner, team or self.team
        if owner:
            self.state = State.OPEN
        return CaseAssigned(case=self, previous_owner=previous, event_time=at)

    def resolve(self, solution: str, at: datetime) -> "CaseResolved":
        self.require_unresolved()
        self.state, self.solution, self.resolve_time = State.RESOLVED, solution, at
        return CaseResolved(case=self, event_time=at)

    def reopen(self, reason: str, at: datetime) -> "CaseReopened":
        """The solution was none; the case is worked on again."""
        if self.state is not State.RESOLVED:
            raise CaseNotResolved(case=self.name, state=self.state.name)
        self.state, self.solution, self.resolve_time = State.OPEN, "", None
        self.reopen_count += 1
        return CaseReopened(case=self, reason=reason, event_time=at)

    def require_unresolved(self) -> None:
        if self.state is State.RESOLVED:
            raise CaseClosed(case=self.name, state=self.state.name)

    def _promise(self, entitlement: Entitlement) -> None:
        self.entitlement = entitlement.name
        self.contract, self.contract_version = entitlement.contract, entitlement.contract_version


@dataclass(frozen=True, kw_only=True)
class CaseOpened:
    case: Case
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class CaseUpdated:
    case: Case
    fields: list[str]
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class CaseAssigned:
    case: Case
    previous_owner: str
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class CaseEntitlementAttached:
    case: Case
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class CaseResolved:
    case: Case
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class CaseReopened:
    case: Case
    reason: str
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class EntitlementGranted:
    entitlement: Entitlement
    event_time: datetime
