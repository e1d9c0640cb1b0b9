"""People and organisation: who may act, in which team, with which roles. The rules, nothing else."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import ClassVar

from chassis.errors import FailedPrecondition, InvalidFields, PermissionDenied
from chassis.values import ExternalId, Record


class AlreadyDeactivated(FailedPrecondition):
    "It is deactivated already."


class AlreadyActive(FailedPrecondition):
    "It is active already."


class RoleBeyondYours(PermissionDenied):
    "This is about a role that reaches beyond your own: only who may do as much can give or take it."


class LastAdministrator(FailedPrecondition):
    "This is the last active administrator; make somebody else one first."


class State(Enum):
    ACTIVE = 1
    DEACTIVATED = 2


ADMINISTRATOR, CUSTOMER = "administrator", "portal_customer"


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
    calendar: str = ""
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
    calendar: str = ""
    external_ids: list[ExternalId] = field(default_factory=list)


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
