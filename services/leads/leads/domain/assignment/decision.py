"""Decisions: who got a lead, by which rule, and why it was not somebody else."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from leads.domain.assignment.person import Verdict

MOST_TOLD = 20  # candidates a decision names, the chosen one first


class Passing(Enum):
    """Why a rule was passed over."""

    CONDITION_NOT_MET = 1
    NOBODY_FREE = 2


@dataclass(frozen=True, kw_only=True)
class PassedRule:
    """A rule that did not give the lead to anybody. `condition`: the number of the first one that was not met."""

    rule: str
    why: Passing
    condition: int = 0


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Somebody a rule had in view. `standing` is what the strategy went by, before: how much they were due (EVEN,
    WEIGHTED), or how many open leads they had."""

    person: str
    rule: str
    verdict: Verdict
    standing: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What became of one lead. `owner` is empty if nobody could take it. `others` counts the candidates not named, by
    verdict."""

    lead: str
    decide_time: datetime
    policy: str
    seed: str
    owner: str = ""
    team: str = ""
    rule: str = ""
    passed: list[PassedRule] = field(default_factory=list)
    candidates: list[Candidate] = field(default_factory=list)
    others: dict[str, int] = field(default_factory=dict)
