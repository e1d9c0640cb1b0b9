"""Runs: many leads given out in the background, a batch after the other."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import ClassVar

from chassis.values import Record


class Kind(Enum):
    ASSIGN = 1
    HAND_OVER = 2


class RunState(Enum):
    RUNNING = 1
    DONE = 2
    CANCELLED = 3


@dataclass(frozen=True, kw_only=True)
class Share:
    """How many leads somebody got."""

    person: str
    number: int


@dataclass(kw_only=True)
class AssignmentRun(Record):
    """Leads given out together, in the order of their ids. `cursor` is the last it came to. `everything`, `me` and
    `teams` are how far whoever started it reaches."""

    collection: ClassVar[str] = "assignmentRuns"

    owner: str
    team: str
    kind: Kind
    state: RunState = RunState.RUNNING
    filter: str = ""
    from_person: str = ""
    to_person: str = ""
    policy: str = ""
    total: int = 0
    done: int = 0
    left: int = 0
    shares: list[Share] = field(default_factory=list)
    reason: str = ""
    end_time: datetime | None = None
    cursor: str = ""
    everything: bool = False
    me: list[str] = field(default_factory=list)
    teams: list[str] = field(default_factory=list)

    def count(self, owners: Iterable[str], at: datetime) -> "AssignmentRunEnded | None":
        """Notes whom the next leads went to, one name each, empty for nobody. No more leads: the run is done."""
        given = list(owners)
        if not given:
            self.state, self.end_time = RunState.DONE, at
            return AssignmentRunEnded(assignment_run=self, event_time=at)
        counts = Counter({share.person: share.number for share in self.shares})
        counts.update(owner for owner in given if owner)
        self.done, self.left = self.done + len(given), self.left + given.count("")
        self.shares = [
            Share(person=name, number=counts[name]) for name in sorted(counts, key=lambda n: (-counts[n], n))
        ]
        return None

    def cancel(self, reason: str, at: datetime) -> "AssignmentRunEnded | None":
        """None if it has ended meanwhile: nobody can know that before."""
        if self.state is not RunState.RUNNING:
            return None
        self.state, self.end_time, self.reason = RunState.CANCELLED, at, reason
        return AssignmentRunEnded(assignment_run=self, event_time=at)


@dataclass(frozen=True, kw_only=True)
class AssignmentRunStarted:
    assignment_run: AssignmentRun
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class AssignmentRunEnded:
    assignment_run: AssignmentRun
    event_time: datetime
