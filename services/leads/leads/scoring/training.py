"""Trains a model: which learner, how blended, how calibrated, all chosen by cross-validation inside what it is given.

The order of the leads leaves no mark: they are put into an order that only what they say decides.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from leads.scoring import calibration, drift, encoding, pooling
from leads.scoring.calibration import surprise
from leads.scoring.features import Column, Field, infer
from leads.scoring.leakage import Leak, find
from leads.scoring.learners import Additive, Boosted, Learned, blend
from leads.scoring.metrics import Metrics, measure
from leads.scoring.model import Curve, Model, TeamShift, bounded, chance

FEWEST = 60  # leads
FEWEST_OF_A_KIND = 15  # won, and lost
FOLDS = 5
MOST_COMPARED = 12_000  # leads by which the learners are compared; more would say the same
FOLDS_OF_SOME = 3  # where there are more leads than MOST_COMPARED
MANY = 25_000  # leads, of which one half teaches nearly as much as all, and the other half is enough to calibrate by
MOST_OUT_OF_FOLD = 30_000  # leads from which is learned to score that other half
MOST_PROFILED = 20_000  # leads by which it is kept how fields were filled
SEED = 20
LEARNERS: dict[str, Additive | Boosted] = {
    "logistic regression, strong penalty": Additive(0.2),
    "logistic regression": Additive(1.0),
    "boosting, small trees": Boosted(leaves=6, rate=0.03, rounds=120, share=0.5),
    "boosting": Boosted(leaves=16, rate=0.05, rounds=180, share=0.3),
}
KINDS = (tuple(LEARNERS)[:2], tuple(LEARNERS)[2:])  # of each, the better one goes into the blend
BLEND = "blend"
Progress = Callable[[float, str], None]


class TooFew(ValueError):
    """There are too few closed leads to learn from."""


class NothingKnown(TooFew):
    """Closed leads there are, but nothing is known of them that could tell the won from the lost."""


@dataclass(frozen=True)
class Trained:
    """A model and what is known of it. `metrics` are out of fold: each lead scored by a model that did not see it."""

    model: Model
    blend: "Blend"
    chosen: str
    calibrated: str
    losses: dict[str, float]  # learner → log loss out of fold
    metrics: Metrics
    left_out: dict[str, str]  # field → why
    leaks: list[Leak] = field(default_factory=list)


def train(
    records: Sequence[Mapping[str, Any]],
    won: Sequence[int],
    teams: Sequence[str] = (),
    *,
    leave_out: Iterable[str] = (),
    blend: "Blend | None" = None,
    seed: int = SEED,
    progress: Progress = lambda done, what: None,
) -> Trained:
    """Learns from closed leads: what each was known to be at its first contact, and whether it was won (1 or 0). With
    a `blend`, the learners are not compared.

    TooFew if there are less than FEWEST of them, or FEWEST_OF_A_KIND of a kind; NothingKnown if no field may be learned
    from. What leaks is left out and named.
    """
    if len(won) < FEWEST or min(sum(won), len(won) - sum(won)) < FEWEST_OF_A_KIND:
        raise TooFew(f"{len(won)} closed leads, {sum(won)} of them won")
    order = sorted(
        range(len(won)), key=lambda place: _digest(records[place], won[place], teams[place] if teams else "")
    )
    records, outcome = [records[place] for place in order], np.array([won[place] for place in order])
    fields, left_out = infer(records, leave_out)
    leaks = find(records, outcome.tolist(), fields)
    left_out |= {leak.field: leak.why for leak in leaks if leak.certain}
    fields = [item for item in fields if item.name not in left_out]
    if not fields:
        raise NothingKnown(
            "; ".join(f"{name} {why}" for name, why in sorted(left_out.items())) or "leads without fields"
        )
    progress(0.05, "reading")
    learning = _Learning(records, fields, outcome, seed, progress)
    name, chosen, losses = ("as given", blend, {}) if blend else learning.choose()
    rows, out_of_fold = learning.out_of_fold(chosen)
    judged = outcome[rows]
    calibrated, curve = calibration.choose(out_of_fold, judged, seed)
    odds = calibration.apply(curve, out_of_fold)
    shifts = pooling.fit([teams[order[row]] for row in rows.tolist()], odds, judged, seed) if teams else {}
    progress(0.85, "learning from all leads")
    model = learning.whole(chosen, curve, shifts)
    said = [chance(bounded(x)) for x in odds.tolist()]
    return Trained(model, chosen, name, calibrated, losses, measure(said, judged.tolist()), left_out, leaks)


class _Learning:
    def __init__(
        self,
        records: Sequence[Mapping[str, Any]],
        fields: Sequence[Field],
        won: np.ndarray,
        seed: int,
        progress: Progress,
    ) -> None:
        self._records = records
        self._table, self._fields = encoding.Table(records, fields), list(fields)
        self._won, self._seed, self._progress = won, seed, progress
        self._sample = np.random.default_rng(seed).permutation(len(won))[:MOST_COMPARED]
        self._compared: dict[str, np.ndarray] = {}

    def choose(self) -> tuple[str, "Blend", dict[str, float]]:
        """The learner that surprises least by the same leads out of fold; its name, and the loss of each."""
        rows, won = self._sample, self._won[self._sample]
        for number, name in enumerate(LEARNERS):
            self._progress(0.1 + 0.4 * number / len(LEARNERS), f"comparing: {name}")
            self._compared[name] = self._scores(Blend.of(name), rows)
        losses = {name: float(surprise(odds, won).mean()) for name, odds in self._compared.items()}
        best = [min(names, key=losses.__getitem__) for names in KINDS]
        stacked = Blend.stacked({name: self._compared[name] for name in best}, won)
        self._compared[BLEND] = stacked.of_scores(self._compared)
        losses[BLEND] = float(surprise(self._compared[BLEND], won).mean())
        name = min(losses, key=losses.__getitem__)
        return name, stacked if name == BLEND else Blend.of(name), losses

    def out_of_fold(self, chosen: "Blend") -> tuple[np.ndarray, np.ndarray]:
        """Raw log-odds of leads by models that did not see them, and which leads: all, of MANY one half."""
        everybody = np.arange(len(self._won))
        if len(self._won) <= MOST_COMPARED and self._compared:
            scores = np.empty(len(self._won))
            scores[self._sample] = chosen.of_scores(self._compared)
            return everybody, scores
        self._progress(0.5, "scoring out of fold")
        if len(self._won) <= MANY:
            return everybody, self._scores(chosen, everybody)
        half = len(self._won) // 2  # their order is drawn by what they say: each part is like the whole
        columns, learned = self._fit(chosen, everybody[: min(half, MOST_OUT_OF_FOLD)])
        return everybody[half:], learned.odds(self._table.matrix(columns, everybody[half:]))

    def whole(self, chosen: "Blend", curve: Curve, teams: dict[str, TeamShift]) -> Model:
        columns, learned = self._fit(chosen, np.arange(len(self._won)))
        profile = {item.name: drift.profile(item, self._values(item.name)) for item in self._fields}
        return Model(self._fields, columns, learned.shift, learned.curves, learned.trees, curve, teams, profile)

    def _values(self, name: str) -> list[Any]:
        return [record.get(name) for record in self._records[:MOST_PROFILED]]

    def _scores(self, blended: "Blend", rows: np.ndarray) -> np.ndarray:
        from sklearn.model_selection import StratifiedKFold

        folds = FOLDS if len(self._won) <= MOST_COMPARED else FOLDS_OF_SOME
        scores = np.empty(len(rows))
        split = StratifiedKFold(folds, shuffle=True, random_state=self._seed)
        for there, here in split.split(rows, self._won[rows]):
            columns, learned = self._fit(blended, rows[there])
            scores[here] = learned.odds(self._table.matrix(columns, rows[here]))
        return scores

    def _fit(self, blended: "Blend", rows: np.ndarray) -> tuple[list[Column], Learned]:
        columns = encoding.learn(self._table, self._won, rows)
        if not columns:  # each value is too rare: what is left is the average
            average = (self._won[rows].sum() + 0.5) / (len(rows) + 1)
            return columns, Learned(float(np.log(average / (1 - average))), [], [])
        matrix = encoding.cross_fitted(self._table, columns, self._won, rows, self._seed)
        learned = [
            (weight, LEARNERS[name].fit(columns, matrix, self._won[rows], self._seed))
            for name, weight in blended.weights.items()
        ]
        return columns, blend(learned, blended.shift)


@dataclass(frozen=True)
class Blend:
    """shift + Σ weight · learner, in log-odds."""

    weights: dict[str, float]
    shift: float = 0.0

    @staticmethod
    def of(name: str) -> "Blend":
        return Blend({name: 1.0})

    @staticmethod
    def stacked(scores: Mapping[str, np.ndarray], won: np.ndarray) -> "Blend":
        """The weights, none below zero, by which the learners' out-of-fold scores together surprise least."""
        from scipy.optimize import minimize

        odds = np.column_stack(list(scores.values()))

        def loss(at: np.ndarray) -> float:
            return float(surprise(odds @ at[1:] + at[0], won).mean())

        start = np.array([0.0, *[1 / len(scores)] * len(scores)])
        found = minimize(loss, start, method="L-BFGS-B", bounds=[(None, None), *[(0.0, None)] * len(scores)]).x
        return Blend(dict(zip(scores, map(float, found[1:]), strict=True)), float(found[0]))

    def of_scores(self, scores: Mapping[str, np.ndarray]) -> np.ndarray:
        return np.add(self.shift, sum(weight * scores[name] for name, weight in self.weights.items()))


def _digest(record: Mapping[str, Any], won: int, team: str) -> bytes:
    said = msgspec.json.encode([record, won, team], order="deterministic", enc_hook=str)
    return hashlib.sha256(said).digest()
