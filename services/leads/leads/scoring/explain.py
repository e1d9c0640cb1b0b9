"""Why a lead has its score: what each field adds to or takes from the log-odds, against an average lead.

Exact for curves: what the field's columns say here, less what they say on average. For trees: the Shapley value of
each field in the game "the mean of the tree over the leads of training, given some of the fields" (the path-dependent
TreeSHAP of Lundberg et al. 2020), with fields as players, not columns; computed leaf by leaf from its definition. What
the calibrating curve does to the sum is shared out in proportion (Aumann and Shapley: a straight way from the average
lead to this one). The team comes last. So base + contributions = log-odds, always.
"""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from leads.scoring.features import text
from leads.scoring.model import Model, Row, Tree, chance

TEAM = "team"
NEARLY_NOTHING = 1e-6


@dataclass(frozen=True)
class Reason:
    """What one field does to the log-odds; `factor` times the odds."""

    field: str
    value: str
    contribution: float

    @property
    def factor(self) -> float:
        return math.exp(self.contribution)

    @property
    def sentence(self) -> str:
        said = f"{self.field} is {self.value}" if self.value else f"{self.field} is not known"
        if abs(self.contribution) < 0.005:
            return f"{said}: makes no difference"
        if self.contribution > 0:
            return f"{said}: raises the odds {_times(self.factor)}"
        return f"{said}: lowers the odds {_times(1 / self.factor)}"


@dataclass(frozen=True)
class Explanation:
    """`base` is the log-odds of an average lead; with the contributions of all reasons it is `log_odds`."""

    probability: float
    log_odds: float
    base: float
    reasons: list[Reason]


def explain(model: Model, record: Mapping[str, Any], team: str = "") -> Explanation:
    """All fields, the weightiest first; those that do nothing are left out."""
    row = model.read(record)
    raw, raw_base = model.raw(row), base(model)
    pooled, pooled_base = model.pooled(raw), model.pooled(raw_base)
    log_odds = model.of_team(pooled, team)
    parts = contributions(model, row)
    stretch = _stretch(model, raw_base, raw)
    reasons = [Reason(name, shown(record.get(name)), part * stretch) for name, part in parts.items() if part * stretch]
    if log_odds != pooled:
        reasons.append(Reason(TEAM, team, log_odds - pooled))
    reasons.sort(key=lambda reason: (-abs(reason.contribution), reason.field))
    return Explanation(chance(log_odds), log_odds, pooled_base, reasons)


def _stretch(model: Model, start: float, end: float) -> float:
    """How much calibrated log-odds a unit of raw ones is, on average on the way from the one to the other."""
    if abs(end - start) < NEARLY_NOTHING:
        start, end = start - NEARLY_NOTHING, start + NEARLY_NOTHING
    return (model.pooled(end) - model.pooled(start)) / (end - start)


def base(model: Model) -> float:
    """The raw log-odds of an average lead."""
    return model.shift + sum(curve.mean for curve in model.curves) + sum(tree.expected() for tree in model.trees)


def contributions(model: Model, row: Row) -> dict[str, float]:
    """Field → its part of raw log-odds − base."""
    parts: defaultdict[str, float] = defaultdict(float)
    for column, curve, x in zip(model.columns, model.curves, row, strict=False):
        parts[column.field] += curve.at(x) - curve.mean
    for tree in model.trees:
        names = [model.columns[column].field for column in tree.column]
        for name, part in shapley(tree, names, row).items():
            parts[name] += part
    return dict(parts)


def shapley(tree: Tree, names: list[str], row: Row) -> dict[str, float]:
    """The Shapley values of a tree whose node n asks for the field `names[n]`.

    With the fields S known, a leaf is reached by ∏ agrees(f) for f in S · ∏ share(f) for the rest on its way, where
    agrees is 1 if the lead goes this way at all of f's nodes, and share is the part of training's leads that did.
    """
    parts: defaultdict[str, float] = defaultdict(float)
    for leaf, way in tree.leaves():
        agrees: dict[str, float] = {}
        share: dict[str, float] = {}
        for node, left in way:
            name, child = names[node], tree.left[node] if left else tree.right[node]
            agrees[name] = agrees.get(name, 1.0) * (tree.goes_left(node, row) == left)
            share[name] = share.get(name, 1.0) * tree.cover[child] / tree.cover[node]
        for name in agrees:
            others = [other for other in agrees if other != name]
            known = _by_size([(agrees[other], share[other]) for other in others])
            chances = sum(weight * ways for weight, ways in zip(_weights(len(agrees)), known, strict=True))
            parts[name] += tree.value[leaf] * (agrees[name] - share[name]) * chances
    return dict(parts)


def _by_size(others: list[tuple[float, float]]) -> list[float]:
    """Sums over all sets of k others that are known, for each k: the coefficients of ∏ (share + agrees · t)."""
    sums = [1.0]
    for agrees, share in others:
        sums = [
            (sums[size] * share if size < len(sums) else 0.0) + (sums[size - 1] * agrees if size else 0.0)
            for size in range(len(sums) + 1)
        ]
    return sums


@cache
def _weights(players: int) -> list[float]:
    """Shapley's weight of a set of k others among `players`: k! (players − 1 − k)! / players!"""
    whole = math.factorial(players)
    return [math.factorial(k) * math.factorial(players - 1 - k) / whole for k in range(players)]


def shown(value: Any) -> str:
    """A value as people wrote it; empty if it is blank."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value).strip() if text(value) and not isinstance(value, bool) else text(value)


def _times(factor: float) -> str:
    return f"{factor:.2g} times" if factor < 100 else "more than a hundred times"
