"""How good probabilities are: whether they order well, and whether they say what happens.

`scores` are probabilities (for `auc` anything that orders), `won` what happened: 1 or 0.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

BINS = 10


@dataclass(frozen=True)
class Bin:
    """Leads of about one probability: how many, what was said on average, and how many of them won in fact."""

    leads: int
    predicted: float
    won: float


@dataclass(frozen=True)
class Metrics:
    leads: int
    won: int
    auc: float
    brier: float
    log_loss: float
    ece: float
    bins: list[Bin]


def measure(scores: Sequence[float], won: Sequence[int]) -> Metrics:
    bins = reliability(scores, won)
    return Metrics(
        leads=len(won),
        won=sum(won),
        auc=auc(scores, won),
        brier=brier(scores, won),
        log_loss=log_loss(scores, won),
        ece=expected_calibration_error(bins),
        bins=bins,
    )


def auc(scores: Sequence[float], won: Sequence[int]) -> float:
    """The chance that a won lead stands above a lost one, ties counting half (Mann and Whitney); 0.5 if there is
    only one kind."""
    wins = sum(won)
    losses = len(won) - wins
    if not wins or not losses:
        return 0.5
    order = sorted(range(len(won)), key=scores.__getitem__)
    ranks, start = 0.0, 0
    while start < len(order):
        end = start
        while end < len(order) and scores[order[end]] == scores[order[start]]:
            end += 1
        ranks += (start + end + 1) / 2 * sum(won[place] for place in order[start:end])
        start = end
    return (ranks - wins * (wins + 1) / 2) / (wins * losses)


def brier(scores: Sequence[float], won: Sequence[int]) -> float:
    """The mean squared distance between what was said and what happened (Brier 1950)."""
    return sum((score - outcome) ** 2 for score, outcome in zip(scores, won, strict=True)) / max(len(won), 1)


def log_loss(scores: Sequence[float], won: Sequence[int]) -> float:
    """The mean surprise, in nats."""
    said = (score if outcome else 1 - score for score, outcome in zip(scores, won, strict=True))
    return -sum(math.log(max(chance, 1e-15)) for chance in said) / max(len(won), 1)


def reliability(scores: Sequence[float], won: Sequence[int], bins: int = BINS) -> list[Bin]:
    """Equal numbers of leads in each bin, from the lowest to the highest. Equal scores share one bin, so that the
    order of the leads does not matter."""
    order = sorted(range(len(won)), key=scores.__getitem__)
    found: list[Bin] = []
    start = 0
    for place in range(1, bins + 1):
        end = max(start, round(place * len(order) / bins))
        while start < end < len(order) and scores[order[end]] == scores[order[end - 1]]:
            end += 1
        part = order[start:end]
        if part:
            found.append(
                Bin(
                    leads=len(part),
                    predicted=sum(scores[item] for item in part) / len(part),
                    won=sum(won[item] for item in part) / len(part),
                )
            )
        start = end
    return found


def expected_calibration_error(bins: Sequence[Bin]) -> float:
    """The mean distance between what was said and what happened over the bins, weighted by their leads (Naeini et
    al. 2015, with bins of equal count)."""
    leads = sum(item.leads for item in bins)
    return sum(item.leads * abs(item.predicted - item.won) for item in bins) / max(leads, 1)
