"""What `make eval-dedupe` says of published sets of duplicates, and that its judge can tell right from wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from evaluation.dedupe import DATA, judge, rows, synthetic

TARGETS = {
    "febrl_dataset1": {"precision": 0.99, "recall": 0.97},
    "febrl_dataset3": {"precision": 0.99, "recall": 0.97},
    "chicago_sites": {"f1": 0.93},
    "patstat_company_names": {"f1": 0.80, "b_cubed_f1": 0.85},
}


@pytest.fixture(scope="module")
def data() -> Path:
    folder = Path(os.environ["CRM_DATA"]) / "dedupe" if "CRM_DATA" in os.environ else DATA
    if not folder.exists():
        pytest.skip(f"DUPLICATES ARE NOT EVALUATED: {folder} is not there; CRM_DATA names the folder of data sets")
    return folder


@pytest.fixture(scope="module")
def said(data) -> dict[str, dict]:
    command = [sys.executable, "-m", "evaluation.dedupe", "--data", str(data), "--parts", "--size", "2000"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout.splitlines()
    return {line["set"]: line for line in map(json.loads, lines)}


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("part", ["", ":developed", ":checked"])
def test_duplicates_of_published_sets_are_found(said, name, part):
    for figure, least in TARGETS[name].items():
        assert said[name + part][figure] >= least, said[name + part]


@pytest.mark.slow
def test_perturbed_copies_are_found_and_timed(said):
    assert said["synthetic_2000"]["f1"] >= 0.99
    assert said["synthetic_2000"]["seconds"] > 0


def test_the_copies_of_the_timed_set_are_no_plain_copies(data):
    people, gold = synthetic(rows(data / "febrl_dataset3.csv"), 500)
    copies = [(people[at], people[original]) for at, original in enumerate(gold) if at != original]
    assert len(copies) == 200
    assert sum(copy == original for copy, original in copies) < 5


def test_a_perfect_grouping_has_no_fault():
    assert set(judge("aabbc", [[0, 1], [2, 3], [4]]).values()) == {1.0}


def test_what_is_missed_costs_recall_and_what_is_wrong_costs_precision():
    split = judge("aaaa", [[0, 1], [2, 3]])
    assert (split["precision"], split["recall"], split["b_cubed_recall"]) == (1.0, 0.3333, 0.5)
    lumped = judge("aabb", [[0, 1, 2, 3]])
    assert (lumped["precision"], lumped["recall"], lumped["b_cubed_precision"]) == (0.3333, 1.0, 0.5)


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (None, "no data set is in"),
        (
            "id_raw,company_name_raw",
            "patstat_company_names.csv has no column gold_company_id; its columns are id_raw, ",
        ),
        ("company_name_raw,gold_company_id", "patstat_company_names.csv has no rows"),
    ],
)
def test_what_cannot_be_judged_is_said_in_one_line(tmp_path, header, told):
    if header:
        (tmp_path / "patstat_company_names.csv").write_text(header + "\n")
    command = [sys.executable, "-m", "evaluation.dedupe", "--data", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert told in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
