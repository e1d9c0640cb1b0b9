"""Erasures of people, and their receipts."""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import ClassVar

from chassis.errors import FailedPrecondition
from chassis.persons import Person
from chassis.values import Record

from directory.domain.people import State, User


class StillEmployed(FailedPrecondition):
    "An employee is not erased while active: hand over their work and deactivate them first."


class BootstrapAdministrator(FailedPrecondition):
    "Tokens of this person's subject are administrator by the setting BOOTSTRAP_ADMIN; change the setting first."


class ErasedUser(FailedPrecondition):
    "This person was erased and stays out; add a new user for somebody who comes back."


class ErasureRunning(FailedPrecondition):
    "The erasure is under way; it goes on by itself."


class ErasureState(Enum):
    RUNNING = 1
    COMPLETED = 2
    FAILED = 3


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


def check_erasable(user: User) -> None:
    """Who works here is not erased; a customer's person is, and shut out by it."""
    if not user.account and user.state is State.ACTIVE:
        raise StillEmployed(name=user.name)


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
