"""Columns that know the outcome: filled in by people after they knew how it went.

A model that reads them is brilliant on closed leads and blind on open ones. Three signs, each with its words:
one column alone orders the leads nearly as they ended; a column is filled in for nearly all of one outcome and hardly
any of the other; a value that came only with one outcome. Where a field's time is known, that decides (LATE_FIELDS of
the mapping in leads.scoring.mapping).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leads.scoring.features import Field, Kind, number, texts
from leads.scoring.metrics import auc

CERTAIN_AUC = 0.90
SUSPECT_AUC = 0.80
FILLED_APART = 0.60  # certain if the shares of filled leads of the two outcomes differ by so much
FILLED_SUSPECT = 0.35
PURE = 0.985
PURE_LEADS = 0.05  # of all leads have the value
LEAST = 0.02  # a value of fewer leads is no sign
PRIOR = 5.0
FOLDS = 5
MOST_JUDGED = 20_000  # leads; a share of them is known to less than a hundredth


@dataclass(frozen=True)
class Leak:
    field: str
    why: str
    auc: float  # of this column alone, out of fold
    certain: bool  # it was left out; else it is only suspected


def find(records: Sequence[Mapping[str, Any]], won: Sequence[int], fields: Sequence[Field]) -> list[Leak]:
    """The fields that look filled in after the outcome, the worst first. Looks at the first MOST_JUDGED leads."""
    records, won = records[:MOST_JUDGED], won[:MOST_JUDGED]
    found = [leak for item in fields if (leak := _judge(item, [record.get(item.name) for record in records], won))]
    return sorted(found, key=lambda leak: (not leak.certain, -leak.auc, leak.field))


def _judge(item: Field, values: Sequence[Any], won: Sequence[int]) -> Leak | None:
    alone = alone_auc(item, values, won)
    wins, losses = sum(won), len(won) - sum(won)
    filled = [bool(word) for word in texts(values)]
    of_won = sum(1 for is_filled, outcome in zip(filled, won, strict=True) if is_filled and outcome) / wins
    of_lost = sum(1 for is_filled, outcome in zip(filled, won, strict=True) if is_filled and not outcome) / losses
    apart = abs(of_won - of_lost)
    shares = f"filled in for {of_won:.0%} of won and {of_lost:.0%} of lost leads"
    if apart >= FILLED_APART:
        return Leak(item.name, f"{shares}: it is filled in after the outcome", alone, True)
    if alone >= CERTAIN_AUC:
        return Leak(item.name, f"alone it orders leads nearly as they ended (AUC {alone:.2f})", alone, True)
    if alone >= SUSPECT_AUC:
        return Leak(item.name, f"alone it orders leads suspiciously well (AUC {alone:.2f})", alone, False)
    if apart >= FILLED_SUSPECT:
        return Leak(item.name, shares, alone, False)
    return None


def alone_auc(item: Field, values: Sequence[Any], won: Sequence[int]) -> float:
    """How well one field alone orders the leads, out of fold: by the rate of its value, or of its tenth of numbers."""
    keys: list[Any]
    if item.kind is Kind.NUMBER:
        read = [number(value) for value in values]
        known = sorted(value for value in read if value is not None)
        edges = [known[len(known) * part // 20] for part in range(1, 20)] if known else []
        keys = [None if value is None else sum(value >= edge for edge in edges) for value in read]
    else:
        keys = [word[:10] if item.kind is Kind.DATE else word for word in texts(values)]
    average = sum(won) / len(won)
    said = [0.0] * len(won)
    for part in range(FOLDS):
        wins: Counter[Any] = Counter()
        counts: Counter[Any] = Counter()
        for place, key in enumerate(keys):
            if place % FOLDS != part:
                counts[key] += 1
                wins[key] += won[place]
        for place in range(part, len(keys), FOLDS):
            key = keys[place]
            said[place] = (wins[key] + PRIOR * average) / (counts[key] + PRIOR)
    return auc(said, won)
