"""What a pair of records scores, and why: one line of evidence per field that could be compared."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from math import log2
from statistics import fmean
from types import MappingProxyType

from leads.matching.blocking import Prepared
from leads.matching.compare import COMPARATORS
from leads.matching.rules import Level, MatchRules
from leads.matching.values import prepare

SAME = Level.SAME
USUAL_CARRIERS = 3  # so many records may share a value before it says less


class Verdict(Enum):
    """What the rules say of a pair: leave it, show it to a person, or so sure that a policy may merge it."""

    DISTINCT = 0
    REVIEW = 1
    AUTO = 2


@dataclass(frozen=True, slots=True)
class Evidence:
    """One field's part in the score: both values as compared, how well they agree, and the points for it in bits."""

    field: str
    one: str
    other: str
    level: Level
    points: float


@dataclass(frozen=True, slots=True)
class Match:
    """A pair's score in bits: 0 is as likely one as two, 10 a thousand to one. The weightiest evidence comes first."""

    score: float
    evidence: tuple[Evidence, ...]

    def verdict(self, rules: MatchRules) -> Verdict:
        if self.score >= rules.auto:
            return Verdict.AUTO
        return Verdict.REVIEW if self.score >= rules.review else Verdict.DISTINCT


def prepare_record(record: Mapping[str, str], rules: MatchRules, region: str = "") -> Prepared:
    return [prepare(rule.comparator, record.get(rule.field) or "", region) for rule in rules.fields]


def levels(one: Prepared, other: Prepared, rules: MatchRules) -> tuple[Level | None, ...]:
    """How well each field agrees; None where either side has nothing."""
    found: list[Level | None] = []
    for rule, left, right in zip(rules.fields, one, other, strict=True):
        if left is None or right is None:
            found.append(None)
        else:
            found.append(SAME if left is right else COMPARATORS[rule.comparator](left, right))
    return tuple(found)


def total(found: Sequence[Level | None], rules: MatchRules) -> float:
    bits = rules.prior
    for rule, level in zip(rules.fields, found, strict=True):
        if level is not None:
            bits += rule.points[level]
    return bits


# Field position and key → bits that an agreement on this value is worth less than on a usual one.
Commonness = Mapping[tuple[int, str], float]


def commonness(carriers: Mapping[tuple[int, str], int]) -> Commonness:
    """From how many different records carry a value: a switchboard's number says less than a usual one, by as much as
    it is more frequent than the values of its field are on average."""
    seen: defaultdict[int, list[int]] = defaultdict(list)
    for (at, _), count in carriers.items():
        seen[at].append(count)
    usual = {at: max(USUAL_CARRIERS, 2 * fmean(counts)) for at, counts in seen.items()}
    return {value: log2(count / usual[value[0]]) for value, count in carriers.items() if count > usual[value[0]]}


def discount(at: int, level: Level, one: Prepared, other: Prepared, common: Commonness) -> float:
    left, right = one[at], other[at]
    if level < Level.CLOSE or left is None or right is None:
        return 0.0
    return max(common.get((at, left.key), 0.0), common.get((at, right.key), 0.0))


def explain(one: Prepared, other: Prepared, rules: MatchRules, common: Commonness = MappingProxyType({})) -> Match:
    evidence = [
        Evidence(
            rule.field,
            left.original,
            right.original,
            level,
            rule.points[level] - discount(at, level, one, other, common),
        )
        for at, (rule, level) in enumerate(zip(rules.fields, levels(one, other, rules), strict=True))
        if level is not None and (left := one[at]) and (right := other[at])
    ]
    evidence.sort(key=lambda line: (-abs(line.points), line.field))
    return Match(rules.prior + sum(line.points for line in evidence), tuple(evidence))
