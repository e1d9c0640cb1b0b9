"""People and organisation: who may act, in which team, with which roles. The rules, nothing else."""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import ClassVar

from chassis.errors import FailedPrecondition, InvalidFields, PermissionDenied
from chassis.persons import Person
from chassis.values import ExternalId, Record


class AlreadyDeactivated(FailedPrecondition):
    "It is deactivated already."


class AlreadyActive(FailedPrecondition):
    "It is active already."


class RoleBeyondYours(PermissionDenied):
    "This is about a role that reaches beyond your own: only who may do as much can give or take it."


class LastAdministrator(FailedPrecondition):
    "This is the last active administrator; make somebody else one first."


class StillEmployed(FailedPrecondition):
    "An employee is not erased while active: hand over their work and deactivate them first."


class BootstrapAdministrator(FailedPrecondition):
    "Tokens of this person's subject are administrator by the setting BOOTSTRAP_ADMIN; change the setting first."


class ErasedUser(FailedPrecondition):
    "This person was erased and stays out; add a new user for somebody who comes back."


class ErasureRunning(FailedPrecondition):
    "The erasure is under way; it goes on by itself."


class State(Enum):
    ACTIVE = 1
    DEACTIVATED = 2


ADMINISTRATOR, CUSTOMER = "administrator", "portal_customer"


class ErasureState(Enum):
    RUNNING = 1
    COMPLETED = 2
    FAILED = 3


@dataclass(kw_only=True)
class User(Record):
    """A person of the company, or of a customer: then with the customer's account."""

    collection: ClassVar[str] = "users"

    display_name: str
    email: str = ""
    team: str = ""
    roles: list[str] = field(default_factory=list)
    subject: str = ""
    account: str = ""
    state: State = State.ACTIVE
    external_ids: list[ExternalId] = field(default_factory=list)

    @property
    def only_by_name(self) -> bool:
        """A request about a customer's person never takes an employee along who happens to share name and address."""
        return not self.account

    @property
    def administers(self) -> bool:
        return ADMINISTRATOR in self.roles and self.state is State.ACTIVE

    def deactivate(self, at: datetime) -> "UserDeactivated":
        _close(self)
        return UserDeactivated(user=self, event_time=at)

    def reactivate(self, at: datetime) -> "UserReactivated":
        _open(self)
        return UserReactivated(user=self, event_time=at)


@dataclass(kw_only=True)
class ServiceAccount(Record):
    """An identity for another system."""

    collection: ClassVar[str] = "serviceAccounts"

    display_name: str
    team: str = ""
    roles: list[str] = field(default_factory=list)
    subject: str = ""
    state: State = State.ACTIVE
    external_ids: list[ExternalId] = field(default_factory=list)

    def deactivate(self, at: datetime) -> "ServiceAccountDeactivated":
        _close(self)
        return ServiceAccountDeactivated(service_account=self, event_time=at)

    def reactivate(self, at: datetime) -> "ServiceAccountReactivated":
        _open(self)
        return ServiceAccountReactivated(service_account=self, event_time=at)


@dataclass(kw_only=True)
class Team(Record):
    """A group of people; teams form a tree."""

    collection: ClassVar[str] = "teams"

    display_name: str
    parent: str = ""
    external_ids: list[ExternalId] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What an erasure changed in one service."""

    records: int = 0
    events: int = 0
    messages: int = 0
    entries: int = 0
    files: int = 0
    rows: int = 0


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """One service's part of an erasure."""

    service: str
    counts: Counts


@dataclass(kw_only=True)
class Erasure(Record):
    """The erasure of a person, and its receipt. It names records, never the person."""

    collection: ClassVar[str] = "erasures"

    state: ErasureState = ErasureState.RUNNING
    records: list[str] = field(default_factory=list)
    retained: list[str] = field(default_factory=list)
    case_reference: str = ""
    found: list[str] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    absent_services: list[str] = field(default_factory=list)
    requester: str = ""
    complete_time: datetime | None = None
    waiting_for: str = ""
    digest: str = ""
    person: Person = field(default_factory=Person)

    def request(self, at: datetime) -> "ErasureRequested":
        """Begins, for the first time or again."""
        self.state, self.waiting_for = ErasureState.RUNNING, ""
        return ErasureRequested(erasure=self, event_time=at)

    def reapply(self, at: datetime) -> "ErasureRequested":
        if self.state is ErasureState.RUNNING:
            raise ErasureRunning(erasure=self.name)
        return self.request(at)

    def complete(self, person: Person, receipts: list[Receipt], absent: list[str], at: datetime) -> "ErasureCompleted":
        """Nothing is left to be found. What an earlier run found stays on the receipt."""
        self.person = self.person.joined(person)
        self.found, self.receipts, self.absent_services = self.person.records, receipts, absent
        self.state, self.complete_time, self.waiting_for = ErasureState.COMPLETED, at, ""
        self.digest = self._digest()
        return ErasureCompleted(erasure=self, event_time=at)

    def fail(self, error: str, at: datetime) -> "ErasureFailed":
        self.state, self.waiting_for = ErasureState.FAILED, error
        return ErasureFailed(erasure=self, event_time=at)

    def _digest(self) -> str:
        """SHA-256 over what the receipt says."""
        counts = [(one.service, *vars(one.counts).items()) for one in self.receipts]
        said = [self.name, self.requester, self.case_reference, self.found, self.retained, counts]
        said += [self.absent_services, self.complete_time.isoformat() if self.complete_time else ""]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _close(identity: User | ServiceAccount) -> None:
    if identity.state is State.DEACTIVATED:
        raise AlreadyDeactivated(name=identity.name, state=identity.state.name)
    identity.state = State.DEACTIVATED


def _open(identity: User | ServiceAccount) -> None:
    if identity.state is State.ACTIVE:
        raise AlreadyActive(name=identity.name, state=identity.state.name)
    identity.state = State.ACTIVE


def check_roles(given: Collection[str], known: Collection[str]) -> None:
    """Roles are those of the release; `service` belongs to the suite itself."""
    unknown = sorted(set(given) - (set(known) - {"service"}))
    if unknown:
        raise InvalidFields(("roles", f"there is no role {', '.join(unknown)}"))


def check_customer(roles: Collection[str], account: str, team: str) -> None:
    """A person of a customer has that one role, one account and no team. Whoever works here has no account."""
    if CUSTOMER in roles and len(roles) > 1:
        raise InvalidFields(("roles", f"{CUSTOMER} cannot be held together with another role"))
    if CUSTOMER in roles and not account:
        raise InvalidFields(("account", f"is needed with the role {CUSTOMER}"))
    if CUSTOMER in roles and team:
        raise InvalidFields(("team", f"is not for people with the role {CUSTOMER}"))
    if account and CUSTOMER not in roles:
        raise InvalidFields(("account", f"is for people with the role {CUSTOMER}"))


def check_erasable(user: User) -> None:
    """Who works here is not erased; a customer's person is, and shut out by it."""
    if not user.account and user.state is State.ACTIVE:
        raise StillEmployed(name=user.name)


def check_parent(team: str, parent: str, parents: Mapping[str, str]) -> None:
    """A team's parent exists and is not below the team itself. `parents` maps every team to its parent."""
    if parent and parent not in parents:
        raise InvalidFields(("parent", f"there is no team {parent}"))
    above = parent
    for _ in range(len(parents) + 1):
        if above == team:
            raise InvalidFields(("parent", f"{parent} is below {team}"))
        above = parents.get(above, "")
        if not above:
            return


@dataclass(frozen=True, kw_only=True)
class UserCreated:
    user: User
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class UserUpdated:
    user: User
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class UserDeactivated:
    user: User
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class UserReactivated:
    user: User
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class ServiceAccountCreated:
    service_account: ServiceAccount
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class ServiceAccountUpdated:
    service_account: ServiceAccount
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class ServiceAccountDeactivated:
    service_account: ServiceAccount
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class ServiceAccountReactivated:
    service_account: ServiceAccount
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class TeamCreated:
    team: Team
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class TeamUpdated:
    team: Team
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class ErasureRequested:
    erasure: Erasure
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class ErasureCompleted:
    erasure: Erasure
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class ErasureFailed:
    erasure: Erasure
    event_time: datetime
