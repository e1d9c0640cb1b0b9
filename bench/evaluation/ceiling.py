"""How far strong learners come on the data of `make eval-score`: `python -m evaluation.ceiling` says whether a figure
that was hoped for is within reach.

The features are what the data say, each category a level of its own ("Select", which means not answered, and blanks,
too). Everything is learned inside the folds: levels, rates of values (target encoding), and the weights of the stack,
which come from folds within the folds (nested cross-validation). FOLDS folds, stratified, drawn anew for each seed. One
line of JSON a learner: the mean over all folds, and its standard error by the seeds' folds.
"""

import argparse
import json
import math
import time
import warnings
from pathlib import Path
from typing import Any

from leads.scoring.features import Kind, civil, infer, number, text

from evaluation.score import DATA, SETS, LabelledLeads, read

FOLDS, INNER = 5, 4
SEEDS = (20,)
MOST_LEVELS = 250  # of a category that boosting reads natively; rarer ones are one level


def learners(categories: list[int], numbers: list[int], seed: int) -> dict[str, Any]:
    """Name → a scikit-learn classifier over a table of numbers, of which some columns are codes of categories."""
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import (
        ExtraTreesClassifier,
        HistGradientBoostingClassifier,
        RandomForestClassifier,
        StackingClassifier,
    )
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, TargetEncoder

    def bins() -> Any:
        return make_pipeline(SimpleImputer(strategy="median"), KBinsDiscretizer(20, quantile_method="linear"))

    def one_hot() -> Any:
        coded = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=5)
        return ColumnTransformer([("levels", coded, categories), ("numbers", bins(), numbers)])

    def rates() -> Any:
        inner = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
        coded = TargetEncoder(cv=inner)  # cross-fitted within what it is given
        return ColumnTransformer([("rates", coded, categories), ("numbers", "passthrough", numbers)])

    def boosted(**how: Any) -> Any:
        return HistGradientBoostingClassifier(
            categorical_features=categories, random_state=seed, learning_rate=0.05, min_samples_leaf=15, **how
        )

    filled = SimpleImputer(strategy="constant", fill_value=-1)
    forest: dict[str, Any] = {"n_estimators": 200, "min_samples_leaf": 3, "random_state": seed, "n_jobs": 1}
    found: dict[str, Any] = {
        "logistic regression, one-hot": make_pipeline(one_hot(), LogisticRegression(C=0.2, max_iter=300)),
        "boosting, native categories": boosted(max_iter=150, max_leaf_nodes=16, l2_regularization=5.0),
        "boosting, rates of values": make_pipeline(
            rates(), HistGradientBoostingClassifier(max_iter=150, learning_rate=0.05, random_state=seed)
        ),
        "random forest": make_pipeline(rates(), filled, RandomForestClassifier(**forest)),
        "extremely random trees": make_pipeline(rates(), filled, ExtraTreesClassifier(**forest)),
    }
    found["all stacked"] = StackingClassifier(
        [*found.items()], LogisticRegression(), cv=StratifiedKFold(INNER, shuffle=True, random_state=seed)
    )
    return found


def table(leads: LabelledLeads) -> tuple[Any, list[int], list[int]]:
    """The records as a matrix; which columns are codes of categories, and which are numbers."""
    import numpy as np

    fields, _ = infer(leads.records)
    columns, categories, numbers = [], [], []
    for place, item in enumerate(fields):
        values = [record.get(item.name) for record in leads.records]
        if item.kind in (Kind.NUMBER, Kind.DATE):
            read = [_day(value) if item.kind is Kind.DATE else number(value) for value in values]
            columns.append([math.nan if one is None else one for one in read])
            numbers.append(place)
        else:
            words = [text(value) for value in values]
            counts = {word: words.count(word) for word in set(words)}
            kept = sorted(counts, key=lambda word: (-counts[word], word))[: MOST_LEVELS - 1]
            codes = {word: code for code, word in enumerate(kept)}
            columns.append([float(codes.get(word, MOST_LEVELS - 1)) for word in words])
            categories.append(place)
    return np.array(columns).T, categories, numbers


def _day(value: Any) -> float | None:
    day = civil(value)
    return float(day.toordinal()) if day else None


def figures(leads: LabelledLeads, seeds: tuple[int, ...], asked: list[str]) -> Any:
    """A line for each learner."""
    import numpy as np
    from sklearn.metrics import brier_score_loss, roc_auc_score
    from sklearn.model_selection import StratifiedKFold

    matrix, categories, numbers = table(leads)
    won = np.array(leads.won)
    for name in asked or learners(categories, numbers, 0):
        areas, briers, start = [], [], time.monotonic()
        for seed in seeds:
            learner = learners(categories, numbers, seed)[name]
            for there, here in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(matrix, won):
                said = learner.fit(matrix[there], won[there]).predict_proba(matrix[here])[:, 1]
                areas.append(float(roc_auc_score(won[here], said)))
                briers.append(float(brier_score_loss(won[here], said)))
        told = {"learner": name, "folds": len(areas), "auc": round(float(np.mean(areas)), 4)}
        told["auc_standard_error"] = round(float(np.std(areas, ddof=1) / math.sqrt(FOLDS)), 4)
        told["brier"] = round(float(np.mean(briers)), 4)
        told["brier_standard_error"] = round(float(np.std(briers, ddof=1) / math.sqrt(FOLDS)), 4)
        yield told | {"seconds": round(time.monotonic() - start, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="the folder of the data sets, or of one of them")
    parser.add_argument("--set", choices=[*SETS], action="append", help="which; default: all that are there")
    parser.add_argument("--learner", action="append", default=[], help="which, by name; default: all")
    parser.add_argument("--seed", type=int, action="append", help="draws the folds; may be given several times")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")  # of bins that are empty
    for name in asked.set or SETS:
        if leads := read(asked.data, name):
            for told in figures(leads, tuple(asked.seed or SEEDS), asked.learner):
                print(json.dumps({"set": name} | told), flush=True)


if __name__ == "__main__":
    main()
