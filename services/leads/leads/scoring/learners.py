"""The candidate learners, each turned into plain numbers as soon as it has learned.

`Additive` is a logistic regression on piecewise linear curves: what it says of a lead is a sum of single columns.
`Boosted` is gradient boosting (on histograms): columns may act together.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from leads.scoring.features import Column, Reads
from leads.scoring.model import Curve, Tree

KNOTS = 12
NEWTON_STEPS = 50
# Rates are noisy where a few leads made them: trees may doubt them by their COUNT, a sum of curves learns each value's
# weight itself. Trees in turn would split on one page after another.
NOT_FOR_CURVES = frozenset({Reads.RATE, Reads.COUNT})
CURVED = frozenset({Reads.NUMBER, Reads.DAY, Reads.MONTH, Reads.WEEKDAY, Reads.RATE, Reads.COUNT})
FLAG = [0.0, 1.0]  # the points of a column that is 0 or 1
CHECKED = 500  # leads by which an exported learner is compared with its original
SAME = 1e-6
HIGHEST = 1e300  # JSON knows no infinity


class NotTheSame(AssertionError):
    """What was exported does not say what the learner says: this release of scikit-learn keeps its trees otherwise."""


@dataclass(frozen=True)
class Learned:
    """shift + Σ curves + Σ trees, in log-odds."""

    shift: float
    curves: list[Curve]
    trees: list[Tree]

    def odds(self, matrix: np.ndarray) -> np.ndarray:
        total = np.full(len(matrix), self.shift)
        for place, curve in enumerate(self.curves):
            total += _along(curve, matrix[:, place])
        for tree in self.trees:
            total += _down(tree, matrix)
        return total

    def times(self, weight: float) -> "Learned":
        return Learned(
            self.shift * weight,
            [
                Curve(curve.xs, [y * weight for y in curve.ys], blank=curve.blank * weight, mean=curve.mean * weight)
                for curve in self.curves
            ],
            [
                Tree(t.column, t.threshold, t.blank_left, t.left, t.right, [v * weight for v in t.value], t.cover)
                for t in self.trees
            ],
        )


@dataclass(frozen=True)
class Additive:
    """`strength`: the inverse of the ridge penalty."""

    strength: float

    def fit(self, columns: Sequence[Column], matrix: np.ndarray, won: np.ndarray, seed: int) -> Learned:
        from sklearn.linear_model import LogisticRegression

        used = [place for place, column in enumerate(columns) if column.reads not in NOT_FOR_CURVES]
        knots = [_knots(columns[place], matrix[:, place]) for place in used]
        parts = [_hats(points, matrix[:, place]) for place, points in zip(used, knots, strict=True)]
        design = sparse.hstack(parts, format="csr")
        # Many leads and a few hundred weights: Newton's steps are few, and cost little as most of the design is zeros.
        newton = LogisticRegression(C=self.strength, solver="newton-cholesky", max_iter=NEWTON_STEPS)
        fitted = newton.fit(design, won)
        weights, means = fitted.coef_[0], np.asarray(design.mean(axis=0)).ravel()
        curves, start = [Curve(xs=[0.0], ys=[0.0]) for _ in columns], 0
        for place, points, part in zip(used, knots, parts, strict=True):
            own = slice(start, start + part.shape[1])
            start = own.stop
            heights = [0.0] * (len(points) - part.shape[1]) + [float(weight) for weight in weights[own]]
            curves[place] = Curve(xs=points, ys=heights, mean=float(means[own] @ weights[own]))
        return Learned(float(fitted.intercept_[0]), curves, [])


@dataclass(frozen=True)
class Boosted:
    leaves: int
    rate: float
    rounds: int
    share: float  # of the columns that each split may choose from

    def fit(self, columns: Sequence[Column], matrix: np.ndarray, won: np.ndarray, seed: int) -> Learned:
        from sklearn.ensemble import HistGradientBoostingClassifier
        from threadpoolctl import threadpool_limits

        many = {column.field for column in columns if column.reads is Reads.COUNT}
        used = [at for at, column in enumerate(columns) if column.reads is not Reads.IS or column.field not in many]
        learner = HistGradientBoostingClassifier(
            max_leaf_nodes=self.leaves,
            learning_rate=self.rate,
            max_iter=self.rounds,
            max_features=self.share,
            min_samples_leaf=15,
            l2_regularization=5.0,
            early_stopping=False,
            random_state=seed,
        )
        with threadpool_limits(1, "openmp"):  # threads that wait for a core that others use, wait long
            fitted = learner.fit(matrix[:, used], won)
        trees = [_tree(predictor[0].nodes, used) for predictor in fitted._predictors]
        rest = fitted.decision_function(matrix[:CHECKED, used]) - Learned(0.0, [], trees).odds(matrix[:CHECKED])
        if np.ptp(rest) > SAME:
            raise NotTheSame(f"differs by {np.ptp(rest)}")
        return Learned(float(rest[0]), [], trees)


def blend(members: Sequence[tuple[float, Learned]], shift: float) -> Learned:
    """shift + Σ weight · member."""
    weighted = [learned.times(weight) for weight, learned in members]
    curved = [learned for learned in weighted if learned.curves]
    return Learned(
        shift + sum(learned.shift for learned in weighted),
        curved[0].curves if curved else [],
        [tree for learned in weighted for tree in learned.trees],
    )


def _knots(column: Column, values: np.ndarray) -> list[float]:
    known = values[~np.isnan(values)]
    if column.reads not in CURVED or not len(known):
        return list(FLAG)
    points = sorted({float(point) for point in np.quantile(known, np.linspace(0, 1, KNOTS))})
    return points if len(points) > 1 else [points[0], points[0] + 1.0]


def _hats(points: list[float], values: np.ndarray) -> sparse.csc_matrix:
    """Each value as its two neighbouring points' shares, so that a curve's weights are its heights at the points. A
    flag has one weight, its height at 1."""
    if points == FLAG:
        return sparse.csc_matrix(np.nan_to_num(values).reshape(-1, 1))
    known = np.flatnonzero(~np.isnan(values))
    clipped = np.clip(values[known], points[0], points[-1])
    right = np.clip(np.searchsorted(points, clipped, side="right"), 1, len(points) - 1)
    at = np.array(points)
    share = (clipped - at[right - 1]) / (at[right] - at[right - 1])
    rows = np.concatenate([known, known])
    data, places = np.concatenate([1 - share, share]), np.concatenate([right - 1, right])
    return sparse.csc_matrix((data, (rows, places)), shape=(len(values), len(points)))


def _along(curve: Curve, values: np.ndarray) -> np.ndarray:
    said = np.interp(values, curve.xs, curve.ys)
    return np.where(np.isnan(values), curve.blank, said)


def _down(tree: Tree, matrix: np.ndarray) -> np.ndarray:
    node = np.zeros(len(matrix), dtype=np.int64)
    column, threshold = np.array(tree.column), np.array(tree.threshold)
    blank_left, left, right = np.array(tree.blank_left), np.array(tree.left), np.array(tree.right)
    rows = np.arange(len(matrix))
    while True:
        inner = left[node] > 0
        if not inner.any():
            return np.array(tree.value)[node]
        x = matrix[rows, column[node]]
        goes_left = np.where(np.isnan(x), blank_left[node], x <= threshold[node])
        node = np.where(inner, np.where(goes_left, left[node], right[node]), node)


def _tree(nodes: np.ndarray, columns: Sequence[int]) -> Tree:
    leaf = nodes["is_leaf"].astype(bool)

    def inner(name: str) -> np.ndarray:
        return np.where(leaf, 0, nodes[name])

    def threshold(x: float) -> float:
        return max(min(x, HIGHEST), -HIGHEST) if not math.isnan(x) else 0.0

    return Tree(
        column=[columns[int(x)] for x in inner("feature_idx")],
        threshold=[threshold(float(x)) for x in inner("num_threshold")],
        blank_left=[bool(x) for x in inner("missing_go_to_left")],
        left=[int(x) for x in inner("left")],
        right=[int(x) for x in inner("right")],
        value=[float(x) if at_leaf else 0.0 for x, at_leaf in zip(nodes["value"], leaf, strict=True)],
        cover=[float(x) for x in nodes["count"]],
    )
