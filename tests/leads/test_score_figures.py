"""The predictive score on real leads, as `make eval-score` measures it. Skipped where the data is not."""

import json
import os
from pathlib import Path

import pytest
from closed_leads import closed_leads
from evaluation.score import DATA, evaluate, main, read

FOLDER = Path(os.environ.get("CRM_DATA", DATA))


def measured(name: str) -> dict:
    if read(FOLDER, name) is None:
        pytest.skip(f"the real leads of {name} are not in {FOLDER}; CRM_DATA names the folder of data sets")
    found = evaluate(name, FOLDER)
    assert found is not None
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_real_leads_of_a_school_are_ordered_and_their_chances_come_true():
    """The floors are what was reached, less the noise of a few thousand leads; docs/guarantees.md says more."""
    found = measured("xeducation_leads")
    assert found["auc"] >= 0.87
    assert found["brier"] <= 0.138
    assert found["ece"] <= 0.03


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_real_leads_of_a_marketplace_are_ordered_by_what_was_known_at_first_contact():
    found = measured("olist")
    assert found["auc"] >= 0.70
    assert found["ece"] <= 0.03


def write_olist(folder: Path, number: int, seed: int) -> None:
    records, won, _ = closed_leads(number, seed)
    folder.mkdir()
    with open(folder / "olist_marketing_qualified_leads.csv", "w", encoding="utf-8") as file:
        file.write("mql_id,first_contact_date,landing_page_id,origin\n")
        for place, record in enumerate(records):
            file.write(f"m{place},{record['first_contact']},{record['page']},{record['origin']}\n")
    with open(folder / "olist_closed_deals.csv", "w", encoding="utf-8") as file:
        file.write("mql_id,won_date\n" + "".join(f"m{place},2026-09-01\n" for place in range(number) if won[place]))


def test_one_folder_is_judged_by_a_model_of_another(tmp_path, capsys, monkeypatch):
    write_olist(tmp_path / "a", 400, 1)
    write_olist(tmp_path / "b", 300, 2)
    monkeypatch.setattr("sys.argv", ["score", "--data", str(tmp_path / "a"), "--test", str(tmp_path / "b")])
    main()
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert (found["set"], found["n"], found["trained_on"]) == ("olist", 300, 400)
    assert 0.6 < found["auc"] < 0.95
    assert found["brier"] < 0.25


def refusal(monkeypatch, capsys, *asked: object) -> str:
    """What is said in place of figures."""
    monkeypatch.setattr("sys.argv", ["score", *map(str, asked)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    told = capsys.readouterr()
    assert told.out == ""
    return told.err


def test_a_folder_that_is_not_there_or_empty_is_said_to_be_so(tmp_path, monkeypatch, capsys):
    write_olist(tmp_path / "a", 100, 1)
    (tmp_path / "b").mkdir()
    assert refusal(monkeypatch, capsys, "--data", tmp_path / "gone") == f"{tmp_path / 'gone'} is no folder\n"
    assert "gone is no folder" in refusal(monkeypatch, capsys, "--data", tmp_path / "a", "--test", tmp_path / "gone")
    assert f"no data set is in {tmp_path / 'b'} (" in refusal(monkeypatch, capsys, "--data", tmp_path / "b")
    both = refusal(monkeypatch, capsys, "--data", tmp_path / "a", "--test", tmp_path / "b")
    assert f"{tmp_path / 'a'} and also in {tmp_path / 'b'}" in both


def test_a_column_that_is_missing_is_named_with_those_that_are_there(tmp_path, monkeypatch, capsys):
    (tmp_path / "leads.csv").write_text("Lead Number,Won\n1,1\n")
    told = refusal(monkeypatch, capsys, "--data", tmp_path)
    assert told.endswith("leads.csv has no column Converted; its columns are Lead Number, Won\n")
    (tmp_path / "leads.csv").write_text("Lead Number,Converted\n1,yes\n")
    assert "Converted is 'yes' in a row, neither 0 nor 1" in refusal(monkeypatch, capsys, "--data", tmp_path)


def test_leads_that_are_too_few_or_all_lost_are_not_judged(tmp_path, monkeypatch, capsys):
    for count, outcome in ((40, "won"), (100, "0")):
        lines = [f"{place},{place % 2 if outcome == 'won' else 0}" for place in range(count)]
        (tmp_path / "leads.csv").write_text("\n".join(["Lead Number,Converted", *lines, ""]))
        assert "closed leads, " in refusal(monkeypatch, capsys, "--data", tmp_path)
