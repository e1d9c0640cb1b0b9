"""Whose turn it is among people who share the leads of a rule.

Shares follow Tijdeman's algorithm for the chairman assignment problem (Discrete Mathematics 32, 1980): at every moment
each of n people who are always there has been given what is due to them, within less than one lead:
|given - due| <= 1 - 1/(2n - 2). Somebody who is away is owed nothing for that time, so nobody comes back to a flood.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from chassis.values import Record

TOLERANCE = 1e-9  # dues are sums of fractions


@dataclass(kw_only=True)
class Turn:
    """What a rule remembers. `due`: person → how much more they should have been given; `last`: who was last."""

    due: dict[str, float] = field(default_factory=dict)
    last: str = ""

    def share(self, weights: Mapping[str, float]) -> str:
        """Who is next of these people, whose weights are positive; those named first win ties. It is then theirs."""
        total, lacking = sum(weights.values()), 1 - sum(self.due.get(name, 0.0) for name in weights)
        for name, weight in weights.items():
            self.due[name] = self.due.get(name, 0.0) + lacking * weight / total
        chosen = self._most_urgent(weights, total)
        self.due[chosen] -= 1
        return chosen

    def _most_urgent(self, weights: Mapping[str, float], total: float) -> str:
        """Of those who may have one now without having too many: who would first be owed too much."""
        if len(weights) == 1:
            return next(iter(weights))
        least = 1 / (2 * len(weights) - 2)
        best, soonest = "", 0.0
        for name, weight in weights.items():
            due = self.due[name]
            if due < least - TOLERANCE:
                continue
            deadline = (1 - least - due) * total / weight
            if not best or deadline < soonest - TOLERANCE:
                best, soonest = name, deadline
        return best

    def rotate(self, names: Sequence[str]) -> str:
        """The name after the last one, in the order of names. It is then the last."""
        ordered = sorted(names)
        self.last = next((name for name in ordered if name > self.last), ordered[0])
        return self.last


@dataclass(kw_only=True)
class AssignmentTurns(Record):
    """Where each rule of a policy, by whose id it goes, stands: rule → turn."""

    collection: ClassVar[str] = "assignmentTurns"

    turns: dict[str, Turn] = field(default_factory=dict)
