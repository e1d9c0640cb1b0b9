"""Whether leads are still what they were when a model was trained, and whether its probabilities still come true.

PSI, the population stability index of one field: Σ (now − then) · ln(now / then) over its values, or over its tenths of
numbers. By custom below 0.1 nothing moved, and from 0.25 on the field says something else than it used to.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leads.scoring.features import Field, Kind, civil, number, texts
from leads.scoring.metrics import Bin

MOVED = 0.1
SHIFTED = 0.25
PARTS = 10
MOST_VALUES = 20
KEPT = 5  # a value of fewer leads is not kept: it might name a person
OTHER = "\x00other"  # no text of a lead: those hold no NUL


@dataclass(frozen=True)
class Profile:
    """How a field was filled: the shares of its commonest values, or of numbers between `edges`; the first share of
    numbers is that of blanks. Shares are counts, so that two profiles can be added."""

    values: list[str]
    edges: list[float]
    counts: list[int]


@dataclass(frozen=True)
class Drift:
    field: str
    psi: float

    @property
    def word(self) -> str:
        return "stable" if self.psi < MOVED else "moved" if self.psi < SHIFTED else "shifted"


def profile(item: Field, values: Sequence[Any]) -> Profile:
    if item.kind in (Kind.NUMBER, Kind.DATE):
        known = sorted(x for x in (_number(item, value) for value in values) if x is not None)
        edges = sorted({known[len(known) * part // PARTS] for part in range(1, PARTS)}) if known else []
        empty = Profile([], edges, [])
    else:
        common = Counter(texts(values)).most_common(MOST_VALUES)
        empty = Profile(sorted(value for value, number in common if number >= KEPT), [], [])
    return Profile(empty.values, empty.edges, _counts(item, empty, values))


def drifts(fields: Sequence[Field], then: Mapping[str, Profile], records: Sequence[Mapping[str, Any]]) -> list[Drift]:
    """The fields of a model, the one that moved most first."""
    found = [
        Drift(item.name, psi(known.counts, _counts(item, known, [record.get(item.name) for record in records])))
        for item in fields
        if (known := then.get(item.name))
    ]
    return sorted(found, key=lambda drift: (-drift.psi, drift.field))


def psi(then: Sequence[int], now: Sequence[int]) -> float:
    """Half a lead is added to each part, so that an empty one does not make it infinite."""
    before, after = sum(then) + len(then) / 2, sum(now) + len(now) / 2
    shares = [((a + 0.5) / before, (b + 0.5) / after) for a, b in zip(then, now, strict=True)]
    return sum((new - old) * math.log(new / old) for old, new in shares)


def over_time(periods: Sequence[str], scores: Sequence[float], won: Sequence[int]) -> dict[str, Bin]:
    """Period, such as `2026-11` → how many leads, what was said of them, and what became of them."""
    parts: dict[str, list[tuple[float, int]]] = {}
    for period, score, outcome in zip(periods, scores, won, strict=True):
        parts.setdefault(period, []).append((score, outcome))
    return {
        period: Bin(
            leads=len(part),
            predicted=sum(score for score, _ in part) / len(part),
            won=sum(outcome for _, outcome in part) / len(part),
        )
        for period, part in sorted(parts.items())
    }


def _counts(item: Field, known: Profile, values: Sequence[Any]) -> list[int]:
    if item.kind in (Kind.NUMBER, Kind.DATE):
        places = Counter(_place(_number(item, value), known.edges) for value in values)
        return [places[place] for place in range(len(known.edges) + 2)]
    common = set(known.values)
    words = Counter(word if word in common else OTHER for word in texts(values))
    return [words[word] for word in [*known.values, OTHER]]


def _place(x: float | None, edges: Sequence[float]) -> int:
    return 0 if x is None else 1 + sum(x >= edge for edge in edges)


def _number(item: Field, value: Any) -> float | None:
    if item.kind is Kind.NUMBER:
        return number(value)
    day = civil(value)
    return float(day.toordinal()) if day else None
