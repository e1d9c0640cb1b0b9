"""How good duplicate detection is: `make eval-dedupe`. One line of JSON for each data set.

`precision`, `recall`, `f1` are over pairs, counted from the groups that come out, so that a wrong chain is paid for in
full; `b_cubed_*` are means over records. Nothing is tuned to a set: each names its columns and what they are; the
product's own defaults and its learning without labels do the rest. Only the judge reads the gold columns.
`synthetic_100000` is for its time: people drawn column by column from a set, four in ten a perturbed copy of another.
"""

import argparse
import gc
import hashlib
import json
import random
import string
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leads.matching.dedupe import Duplicates, find_duplicates
from leads.matching.rules import Comparator, default_rules

from evaluation.tables import Row, Unfit, path_of, rows

DATA = Path(__file__).parents[2] / "../shared/data/dedupe"
SEED = 7


@dataclass(frozen=True)
class LabelledFile:
    """A published set: its file, which columns are fields, who is one by the gold column, and where its phones are."""

    file: str
    fields: dict[str, Comparator]
    gold_column: str
    gold: Callable[[str], str] = str
    region: str = ""

    def rows(self, path: Path) -> list[Row]:
        return rows(path, [*self.fields, self.gold_column])


PEOPLE = {
    "given_name": Comparator.NAME,
    "surname": Comparator.NAME,
    "street_number": Comparator.CODE,
    "address_1": Comparator.ADDRESS,
    "address_2": Comparator.NAME,
    "suburb": Comparator.NAME,
    "postcode": Comparator.CODE,
    "state": Comparator.CODE,
    "date_of_birth": Comparator.DATE,
    "soc_sec_id": Comparator.CODE,
}
SITES = {
    "Site name": Comparator.COMPANY,
    "Address": Comparator.ADDRESS,
    "Zip": Comparator.CODE,
    "Phone": Comparator.PHONE,
}


def number_of(record: str) -> str:
    """rec-17-dup-0 and rec-17-org are both of person 17."""
    parts = record.split("-")
    if len(parts) < 2:
        raise Unfit(f"{record!r} names no person: rec-17-org would")
    return parts[1]


SETS = {
    "febrl_dataset1": LabelledFile("febrl_dataset1.csv", PEOPLE, "rec_id", number_of),
    "febrl_dataset3": LabelledFile("febrl_dataset3.csv", PEOPLE, "rec_id", number_of),
    "chicago_sites": LabelledFile("chicago_early_childhood_sites.csv", SITES, "True Id", region="US"),
    "patstat_company_names": LabelledFile(
        "patstat_company_names.csv", {"company_name_raw": Comparator.COMPANY}, "gold_company_id"
    ),
}


def judge(gold: Sequence[Hashable], groups: Sequence[Sequence[int]]) -> dict[str, float]:
    """Pairwise and B-cubed figures of groups of positions that together cover `gold`."""
    found = {at: number for number, group in enumerate(groups) for at in group}
    both = Counter((label, found[at]) for at, label in enumerate(gold))
    true, said = Counter(gold), Counter(found.values())
    right, claimed, there = _pairs(both), _pairs(said), _pairs(true)
    precision, recall = right / claimed if claimed else 1.0, right / there if there else 1.0
    b_precision = sum(count**2 / said[group] for (_, group), count in both.items()) / len(gold)
    b_recall = sum(count**2 / true[label] for (label, _), count in both.items()) / len(gold)
    return {
        "precision": round(precision, 4),
        "recall": round(recall, 4),
        "f1": round(_f1(precision, recall), 4),
        "b_cubed_precision": round(b_precision, 4),
        "b_cubed_recall": round(b_recall, 4),
        "b_cubed_f1": round(_f1(b_precision, b_recall), 4),
    }


def _pairs(sizes: Counter[Any]) -> int:
    return sum(size * (size - 1) // 2 for size in sizes.values())


def _f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def evaluate(name: str, fields: dict[str, Comparator], records: list[Row], gold: list[Any], region: str) -> dict:
    blind = [{field: record[field] for field in fields} for record in records]
    began = time.perf_counter()
    found = find_duplicates(blind, default_rules(fields, len(blind)), region)
    seconds = time.perf_counter() - began
    return {
        "set": name,
        "records": len(records),
        **judge(gold, found.groups),
        "seconds": round(seconds, 2),
        "pairs_compared": found.pairs_compared,
        "settings": settings(found),
    }


def settings(found: Duplicates) -> dict[str, Any]:
    """What the defaults became by learning: bits per level, DIFFERENT to SAME."""
    rules = found.rules
    return {
        "review": rules.review,
        "prior": round(rules.prior, 2),
        "points": {rule.field: [round(bits, 1) for bits in rule.points] for rule in rules.fields},
    }


def synthetic(base: list[Row], size: int) -> tuple[list[Row], list[int]]:
    """People drawn column by column from a set, six in ten; and copies of them with slips in three columns."""
    chance = random.Random(SEED)
    pools = {column: [row[column] for row in base] for column in PEOPLE}
    people: list[Row] = []
    for _ in range(size * 6 // 10):
        person = {column: chance.choice(pool) for column, pool in pools.items()}
        for column in ("street_number", "date_of_birth", "soc_sec_id"):
            person[column] = "".join(
                chance.choice(string.digits) if sign.isdigit() else sign for sign in person[column]
            )
        people.append(person)
    gold = list(range(len(people)))
    while len(gold) < size:
        original = chance.randrange(size * 6 // 10)
        copy = dict(people[original])
        for column in chance.sample(list(PEOPLE), 3):
            copy[column] = slip(copy[column], chance) if chance.random() < 0.8 else ""
        people.append(copy)
        gold.append(original)
    return people, gold


def slip(text: str, chance: random.Random) -> str:
    """One letter dropped, added or changed."""
    if not text:
        return text
    at, kind = chance.randrange(len(text)), chance.randrange(3)
    letter = chance.choice(string.digits if text[at].isdigit() else string.ascii_lowercase)
    return text[:at] + ("", letter + text[at], letter)[kind] + text[at + 1 :]


def part_of(gold: str) -> str:
    """Records are divided by whom they belong to. Mistakes were looked at in the developed half of the sites only."""
    return "checked" if hashlib.md5(gold.encode()).digest()[0] % 2 else "developed"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="the folder of the sets")
    parser.add_argument("--parts", action="store_true", help="also each half of a set, divided by entity")
    parser.add_argument("--size", type=int, default=100_000, help="records of the timed synthetic set; 0 leaves it out")
    asked = parser.parse_args()
    gc.disable()  # what a run makes it keeps to its end; looking for garbage took a quarter of the time
    folder = next((inner for inner in (asked.data / "dedupe", asked.data) if inner.is_dir()), None)
    paths = {name: path_of(folder, labelled.file) for name, labelled in SETS.items()} if folder else {}
    if not any(paths.values()):
        wanted = ", ".join(labelled.file for labelled in SETS.values())
        parser.exit(1, f"no data set is in {asked.data} ({wanted})\n")
    try:
        for name, path in paths.items():
            lines = of_set(name, path, asked.parts) if path else [{"set": name, "missing": SETS[name].file}]
            for line in lines:
                print(json.dumps(line), flush=True)
        if asked.size and (base := paths["febrl_dataset3"]):
            people, numbers = synthetic(SETS["febrl_dataset3"].rows(base), asked.size)
            print(json.dumps(evaluate(f"synthetic_{asked.size}", PEOPLE, people, numbers, "")), flush=True)
    except Unfit as why:
        parser.exit(1, f"{why}\n")


def of_set(name: str, path: Path, parts: bool) -> Iterator[dict[str, Any]]:
    labelled = SETS[name]
    records = labelled.rows(path)
    gold = [labelled.gold(record[labelled.gold_column]) for record in records]
    for part in ("", "developed", "checked") if parts else ("",):
        chosen = [at for at, label in enumerate(gold) if not part or part_of(label) == part]
        records_of, gold_of = [records[at] for at in chosen], [gold[at] for at in chosen]
        title = f"{name}:{part}" if part else name
        yield evaluate(title, labelled.fields, records_of, gold_of, labelled.region)


if __name__ == "__main__":
    main()
