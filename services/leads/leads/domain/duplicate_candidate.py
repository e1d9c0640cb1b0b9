"""Pairs of leads that may be one, and what people say of them."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import ClassVar

from chassis.errors import FailedPrecondition
from chassis.values import Record, derived_id


class DismissedAlready(FailedPrecondition):
    "Somebody said already that these leads are not the same."


class CandidateState(Enum):
    OPEN = 1
    DISMISSED = 2


@dataclass(kw_only=True)
class DuplicateCandidate(Record):
    """Two leads that may be one; `lead` was recorded later. The same two have the same id."""

    collection: ClassVar[str] = "duplicateCandidates"

    lead: str
    other: str
    state: CandidateState = CandidateState.OPEN
    score: float
    actor: str = ""
    dismiss_time: datetime | None = None

    @classmethod
    def of(cls, one: str, another: str, score: float) -> "DuplicateCandidate":
        """`one` and `another`: names of leads, in whichever order; ids of leads grow."""
        first, later = sorted((one, another))
        return cls(id=derived_id(f"{first} and {later}"), lead=later, other=first, score=score)

    def dismiss(self, by: str, at: datetime) -> "DuplicateDismissed":
        if self.state is CandidateState.DISMISSED:
            raise DismissedAlready(candidate=self.name)
        self.state, self.actor, self.dismiss_time = CandidateState.DISMISSED, by, at
        return DuplicateDismissed(duplicate_candidate=self, event_time=at)


@dataclass(frozen=True, kw_only=True)
class DuplicateFound:
    duplicate_candidate: DuplicateCandidate
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class DuplicateDismissed:
    duplicate_candidate: DuplicateCandidate
    event_time: datetime
