"""What agreements are worth in this company's own data, without anybody having labelled a pair.

Fellegi and Sunter (1969): the points of a level are log2(m / u), its frequency among pairs that are one over that
among pairs that are two. Both are estimated by expectation and maximisation over the pairs that share a key, random
pairs standing for all others. The points that came in are the prior: they count as much as `BELIEF` pairs, and what
is learned stays within `FARTHEST` bits of them, so that few or strange data change little.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import log2

from leads.matching.rules import FieldRule, Level, MatchRules

ROUNDS = 10
BELIEF = 20.0
FARTHEST = 3.0
LARGEST_SHARE = 0.1  # of all pairs that may be one: more is a file of one record, not a file to learn from
FEWEST_FIELDS = 3  # with fewer, agreement of one field cannot be told from being one by the others

Pattern = tuple[Level | None, ...]


def learned(rules: MatchRules, compared: Mapping[Pattern, float], others: Mapping[Pattern, float]) -> MatchRules:
    """The rules with learned points and prior. Both counters: patterns of levels → number of pairs; `compared` shared a
    key, `others` stand for all pairs that did not."""
    everything = sum(compared.values()) + sum(others.values())
    if not everything:
        return rules
    base = rules.fields
    for _ in range(ROUNDS):
        likely = {pattern: _probability(pattern, rules) for pattern in compared}
        one = {pattern: count * likely[pattern] for pattern, count in compared.items()}
        two = [(pattern, count * (1 - likely[pattern])) for pattern, count in compared.items()]
        share = min(max(sum(one.values()) / everything, 0.5 / everything), LARGEST_SHARE)
        fields = base
        if len(base) >= FEWEST_FIELDS:
            fields = tuple(
                _learned_field(at, rule, one.items(), [*two, *others.items()]) for at, rule in enumerate(base)
            )
        rules = replace(rules, fields=fields, prior=log2(share / (1 - share)))
    return rules


def _probability(pattern: Pattern, rules: MatchRules) -> float:
    bits = rules.prior + sum(
        rule.points[level] for rule, level in zip(rules.fields, pattern, strict=True) if level is not None
    )
    return 1 / (1 + 2.0 ** -max(min(bits, 500.0), -500.0))


Weighed = Iterable[tuple[Pattern, float]]


def _learned_field(at: int, rule: FieldRule, one: Weighed, two: Weighed) -> FieldRule:
    ones, twos = _levels(at, one), _levels(at, two)
    if not sum(ones.values()) or not sum(twos.values()):
        return rule
    u = {level: (twos[level] + 0.5) / (sum(twos.values()) + 2) for level in Level}
    believed = {level: u[level] * 2 ** rule.points[level] for level in Level}
    scale = BELIEF / sum(believed.values())
    found: list[float] = []
    for level in Level:
        m = (ones[level] + believed[level] * scale) / (sum(ones.values()) + BELIEF)
        bits = min(max(log2(m / u[level]), rule.points[level] - FARTHEST), rule.points[level] + FARTHEST)
        found.append(max([bits, *found]))
    different, partly, close, same = found
    return replace(rule, points=(different, partly, close, same))


def _levels(at: int, weighed: Weighed) -> Counter[Level]:
    found: Counter[Level] = Counter()
    for pattern, weight in weighed:
        if (level := pattern[at]) is not None:
            found[level] += weight  # type: ignore[assignment]
    return found


def scaled(sample: Sequence[Pattern], stands_for: float) -> dict[Pattern, float]:
    """A random sample's patterns, counted as so many pairs."""
    if not sample:
        return {}
    return {pattern: count * stands_for / len(sample) for pattern, count in Counter(sample).items()}
