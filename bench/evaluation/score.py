"""How good the predictive score is: `make eval-score`. One line of JSON for each data set.

Cross-validated: FOLDS folds, stratified, SEED. Each fold's model is made by the product's own `train`, so that
encoders, calibration and the choice of the learner see nothing of the fold that judges them. `auc` is the mean of the
folds' own, `auc_pooled` that of all scores together; `brier` and `ece` (ten bins of equal count) are of all together.
With `--test`, one model is trained on all of the one folder and judged by the other.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leads.scoring.metrics import auc, measure
from leads.scoring.training import TooFew, Trained, train

from evaluation.tables import Unfit, path_of, rows

DATA = Path(__file__).parents[2] / "../shared/data"
FOLDS = 5
SEED = 20
# Filled in by sales after they had talked to the lead (see the set's SOURCE.md), and what names one lead only. The lead
# number counts leads as they come: it stands for the date of the first contact, which the set does not have.
XEDUCATION_LATE = {"Tags", "Lead Quality", "Lead Profile", "Last Activity", "Last Notable Activity", "Prospect ID"}


@dataclass(frozen=True)
class LabelledLeads:
    """What was known of each lead at its first contact, and whether it was won (1 or 0)."""

    records: list[dict[str, Any]]
    won: list[int]

    def part(self, places: Iterable[int]) -> "LabelledLeads":
        chosen = list(places)
        return LabelledLeads([self.records[place] for place in chosen], [self.won[place] for place in chosen])


def xeducation(leads: Path) -> LabelledLeads:
    records: list[dict[str, Any]] = [*rows(leads, ["Converted"])]
    won = [outcome(record.pop("Converted"), leads) for record in records]
    for record in records:
        for name in list(record):
            if name in XEDUCATION_LATE or name.startswith("Asymmetrique"):
                del record[name]
    return LabelledLeads(records, won)


def olist(leads: Path, deals: Path) -> LabelledLeads:
    closed = {row["mql_id"] for row in rows(deals, ["mql_id"])}
    records: list[dict[str, Any]] = [*rows(leads, ["mql_id", "first_contact_date", "landing_page_id", "origin"])]
    return LabelledLeads(records, [int(record.pop("mql_id") in closed) for record in records])


def outcome(said: str, path: Path) -> int:
    if said not in ("0", "1"):
        raise Unfit(f"{path}: Converted is {said!r} in a row, neither 0 nor 1")
    return int(said)


# The files of each set, and what makes leads of them.
SETS: dict[str, tuple[list[str], Callable[..., LabelledLeads]]] = {
    "xeducation_leads": (["leads.csv"], xeducation),
    "olist": (["olist_marketing_qualified_leads.csv", "olist_closed_deals.csv"], olist),
}


def read(data: Path, name: str) -> LabelledLeads | None:
    """A set in its own folder under `data`, or in `data` itself; None if it is not there, Unfit if it is spoiled."""
    files, leads = SETS[name]
    for folder in (data / name, data):
        paths = [path_of(folder, file) for file in files]
        if all(paths):
            return leads(*paths)
    return None


def cross_validated(leads: LabelledLeads) -> dict[str, Any]:
    from sklearn.model_selection import StratifiedKFold

    scores = [0.0] * len(leads.won)
    areas, learners = [], []
    for there, here in StratifiedKFold(FOLDS, shuffle=True, random_state=SEED).split(leads.records, leads.won):
        trained = trained_on(leads.part(there))
        judged = leads.part(here)
        said = [trained.model.probability(record) for record in judged.records]
        areas.append(auc(said, judged.won))
        learners.append(f"{trained.chosen}, {trained.calibrated}")
        for place, score in zip(here, said, strict=True):
            scores[place] = score
    return {**figures(scores, leads.won), "auc": sum(areas) / FOLDS, "auc_pooled": auc(scores, leads.won)} | {
        "folds": FOLDS,
        "seed": SEED,
        "chosen": learners,
    }


def held_out(leads: LabelledLeads, test: LabelledLeads) -> dict[str, Any]:
    trained = trained_on(leads)
    scores = [trained.model.probability(record) for record in test.records]
    return figures(scores, test.won) | {"trained_on": len(leads.won), "chosen": trained.chosen}


def trained_on(leads: LabelledLeads) -> Trained:
    return train(leads.records, leads.won, seed=SEED)


def figures(scores: list[float], won: list[int]) -> dict[str, Any]:
    found = measure(scores, won)
    bins = [[round(item.predicted, 4), round(item.won, 4)] for item in found.bins]
    return {"auc": found.auc, "brier": found.brier, "ece": found.ece, "n": found.leads, "won": found.won, "bins": bins}


def evaluate(name: str, data: Path, test: Path | None = None) -> dict[str, Any] | None:
    """The figures of a set; None if it is not there. Unfit and TooFew if nothing can be said of it."""
    leads, others = read(data, name), read(test, name) if test else None
    if leads is None or (test and others is None):
        return None
    start = time.monotonic()
    judged = held_out(leads, others) if others else cross_validated(leads)
    rounded = {key: round(value, 4) if isinstance(value, float) else value for key, value in judged.items()}
    return {"set": name, **rounded, "seconds": round(time.monotonic() - start, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="the folder of the data sets, or of one of them")
    parser.add_argument("--test", type=Path, help="judge by this folder's instead of cross-validation")
    asked = parser.parse_args()
    folders = [folder for folder in (asked.data, asked.test) if folder]
    for folder in folders:
        if not folder.is_dir():
            parser.exit(1, f"{folder} is no folder\n")
    judged = 0
    for name in SETS:
        try:
            figures_of = evaluate(name, asked.data, asked.test)
        except (Unfit, TooFew) as why:
            parser.exit(1, f"{name}: {why}\n")
        if figures_of:
            print(json.dumps(figures_of), flush=True)
            judged += 1
    if not judged:
        looked_for = "; ".join(f"{name}: {', '.join(files)}" for name, (files, _) in SETS.items())
        parser.exit(1, f"no data set is in {' and also in '.join(map(str, folders))} ({looked_for})\n")


if __name__ == "__main__":
    main()
