"""Makes probabilities mean what they say: a rising curve from raw to true log-odds, learned from out-of-fold scores.

Three candidates: as it is, a straight line (Platt 2000), and an isotonic curve (Zadrozny and Elkan 2002) whose steps
are joined to a line that always rises, so that it never makes two different scores equal. Cross-validation chooses.
"""

import math
from collections.abc import Callable

import numpy as np

from leads.scoring.model import Curve

IDENTITY = Curve(xs=[0.0], ys=[0.0], before=1.0, after=1.0)
FLATTEST = 0.05  # per unit of log-odds
STEPS = 20  # an isotonic curve has at most so many, each of as many leads
FEWEST = 1000  # with fewer leads an isotonic curve learns noise
FOLDS = 5


def as_it_is(raw: np.ndarray, won: np.ndarray) -> Curve:
    return IDENTITY


def line(raw: np.ndarray, won: np.ndarray) -> Curve:
    """The straight line of the greatest likelihood."""
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=1e4).fit(raw.reshape(-1, 1), won)
    slope = max(float(fitted.coef_[0, 0]), FLATTEST)
    return Curve(xs=[0.0], ys=[float(fitted.intercept_[0])], before=slope, after=slope)


def isotonic(raw: np.ndarray, won: np.ndarray) -> Curve:
    """Rises from the middle of one step to the middle of the next, and on by one for one outside."""
    from sklearn.isotonic import IsotonicRegression

    rising = IsotonicRegression(out_of_bounds="clip").fit(raw, won).predict(raw)
    order = np.argsort(raw, kind="stable")
    xs: list[float] = []
    ys: list[float] = []
    for part in np.array_split(order, STEPS):
        x, share = float(raw[part].mean()), float((rising[part].sum() + 0.5) / (len(part) + 1))
        y = math.log(share / (1 - share))
        if xs and x - xs[-1] < 1e-6:
            continue
        if xs:
            y = max(y, ys[-1] + FLATTEST * (x - xs[-1]))
        xs.append(x)
        ys.append(y)
    return Curve(xs=xs, ys=ys, before=1.0, after=1.0)


WAYS: dict[str, Callable[[np.ndarray, np.ndarray], Curve]] = {"none": as_it_is, "sigmoid": line, "isotonic": isotonic}


def choose(raw: np.ndarray, won: np.ndarray, seed: int) -> tuple[str, Curve]:
    """The way whose curve, learned on four fifths, surprises least on the fifth; simpler ones first if equal."""
    fold = np.random.default_rng(seed).permutation(len(raw)) % FOLDS
    best, least = "none", math.inf
    for name, fit in WAYS.items():
        if name == "isotonic" and len(raw) < FEWEST:
            continue
        said = np.zeros(len(raw))
        for part in range(FOLDS):
            here = fold == part
            said[here] = apply(fit(raw[~here], won[~here]), raw[here])
        loss = surprise(said, won).mean()
        if loss < least - 1e-6:
            best, least = name, loss
    return best, WAYS[best](raw, won)


def apply(curve: Curve, raw: np.ndarray) -> np.ndarray:
    return np.array([curve.at(x) for x in raw.tolist()])


def surprise(log_odds: np.ndarray, won: np.ndarray) -> np.ndarray:
    """The log loss of each lead, in nats."""
    return np.logaddexp(0, np.where(won == 1, -log_odds, log_odds))
