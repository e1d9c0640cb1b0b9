"""Teams differ from the company as far as their own closed leads prove it (partial pooling).

Each team has a shift and a slope on the company's calibrated log-odds, with a normal prior around "as the company".
How wide that prior is, the teams say together: the width whose shifts, learned on four fifths of each team's leads,
surprise least on the fifth. A team of few leads stays near the company; one that never closed a lead is the company.
"""

from collections.abc import Sequence

import numpy as np

from leads.scoring.calibration import surprise
from leads.scoring.model import TeamShift

WIDTHS = (0.05, 0.1, 0.2, 0.4, 0.8)  # in log-odds
FOLDS = 5
ROUNDS = 25
FLATTEST = 0.2


def fit(teams: Sequence[str], odds: np.ndarray, won: np.ndarray, seed: int) -> dict[str, TeamShift]:
    """Team → its shift. None at all if no width is better than one for all."""
    own = sorted({name for name in teams if name})
    if not own:
        return {}
    number = {name: at for at, name in enumerate(own)}
    team = np.array([number.get(name, -1) for name in teams])
    fold = np.random.default_rng(seed).permutation(len(won)) % FOLDS
    least, best = surprise(odds, won).mean(), 0.0
    for width in WIDTHS:
        said = odds.copy()
        for at in range(len(own)):
            for part in range(FOLDS):
                here, there = (team == at) & (fold == part), (team == at) & (fold != part)
                shift, slope = shrunk(odds[there], won[there], width)
                said[here] = shift + slope * odds[here]
        loss = surprise(said, won).mean()
        if loss < least:
            least, best = loss, width
    if not best:
        return {}
    found = {}
    for at, name in enumerate(own):
        rows = team == at
        shift, slope = shrunk(odds[rows], won[rows], best)
        found[name] = TeamShift(shift=shift, slope=slope, closed=int(rows.sum()))
    return found


def shrunk(odds: np.ndarray, won: np.ndarray, width: float) -> tuple[float, float]:
    """The likeliest (shift, slope) under N(0, width²) and N(1, width²), by Newton's method on the penalised log
    likelihood, which is concave."""
    design = np.column_stack([np.ones(len(odds)), odds])
    at, middle, pull = np.array([0.0, 1.0]), np.array([0.0, 1.0]), 1 / width**2
    for _ in range(ROUNDS):
        said = 1 / (1 + np.exp(-np.clip(design @ at, -35, 35)))
        gradient = design.T @ (won - said) - pull * (at - middle)
        curvature = (design.T * (said * (1 - said))) @ design + pull * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        at = at + step
        if np.abs(step).max() < 1e-9:
            break
    return float(at[0]), max(float(at[1]), FLATTEST)
