"""Columns of a file as fields of a lead, before anything is sent."""

import csv
from pathlib import Path

import pytest
from crmctl.lead_files.columns import Columns, Key, WrongCell, own_fields
from crmctl.lead_files.rows import Row
from crmctl.lead_files.run import Refusals
from crmctl.lead_files.source import CsvFile
from crmctl.problem import Problem
from hypothesis import given
from hypothesis import strategies as st

BY_ROW = Key("csv")


def read(cells: dict[str, str], mapped: dict[str, str] | None = None, key: Key = BY_ROW) -> dict:
    return Columns(cells, mapped or {}, key).lead(cells)


def test_columns_are_called_as_the_contract_or_people_call_them():
    lead = read({"Display Name": " Ана ", "E-mail": "ana@example.com", "company": "云南公司", "phone": ""})
    assert {name: lead[name] for name in lead if name != "external_ids"} == {
        "display_name": "Ана",
        "email": "ana@example.com",
        "company": "云南公司",
    }


def test_a_mapped_column_is_its_field_a_label_or_nothing():
    cells = {"Nome": "João", "Porte": "grande", "Obs": "x"}
    lead = read(cells, {"Nome": "display_name", "Porte": "label:size", "Obs": "-"})
    assert (lead["display_name"], lead["labels"]) == ("João", {"size": "grande"})
    assert "note" not in lead


def test_a_companys_own_fields_are_read_by_their_types():
    own = {"tier": "ENUM", "budget": "NUMBER", "seats": "INTEGER", "vip": "BOOL", "tags": "MULTI_ENUM", "day": "DATE"}
    cells = {"Name": "Ана", "custom.tier": "злато", "Бюджет": "1.5", "custom.seats": "12", "custom.vip": "True"}
    cells |= {"custom.tags": "a; b", "custom.day": "2026-01-31"}
    mapped = {"Name": "display_name", "Бюджет": "custom.budget"}
    assert Columns(cells, mapped, BY_ROW, own).lead(cells)["custom"] == {
        "tier": "злато", "budget": 1.5, "seats": 12, "vip": True, "tags": ["a", "b"], "day": "2026-01-31",
    }  # fmt: skip
    empty = dict.fromkeys(cells, "") | {"Name": "Ана"}
    assert "custom" not in Columns(cells, mapped, BY_ROW, own).lead(empty)
    assert own_fields(cells, mapped)
    assert not own_fields(["display_name"], {})
    with pytest.raises(Problem, match="no field 'budgte' of leads; it has: tier"):
        Columns(["display_name", "custom.budgte"], {}, BY_ROW, {"tier": "ENUM"})
    for column, cell in (("custom.seats", "1.5"), ("custom.vip", "yes"), ("Бюджет", "much"), ("Бюджет", "NaN")):
        with pytest.raises(WrongCell, match=column):
            Columns(cells, mapped, BY_ROW, own).lead(cells | {column: cell})


def test_what_is_true_or_false_is_read_as_an_export_says_it():
    columns = Columns(["display_name", "do_not_call"], {}, BY_ROW)
    read = [
        columns.lead({"display_name": "Ана", "do_not_call": cell}).get("do_not_call") for cell in ("false", "TRUE", "")
    ]
    assert read == [False, True, None]
    with pytest.raises(WrongCell, match="do_not_call: 'perhaps' is neither"):
        columns.lead({"display_name": "Ана", "do_not_call": "perhaps"})


def test_a_column_that_is_no_field_is_refused_with_the_way_out():
    with pytest.raises(Problem, match=r"'Porte' is no field.*--map 'Porte=-'"):
        Columns(["display_name", "Porte"], {}, BY_ROW)


@pytest.mark.parametrize(
    ("header", "mapped", "key", "said"),
    [
        (["display_name", "display_name"], {}, BY_ROW, "stands there twice"),
        (["display_name"], {"Nome": "note"}, BY_ROW, "no column 'Nome'"),
        (["display_name"], {}, Key("erp", "number"), "no column 'number'"),
        (["email"], {}, BY_ROW, "No column is the lead's display_name"),
        (["display_name", "x"], {"x": "state"}, BY_ROW, "'x' is no field"),
    ],
)
def test_what_cannot_be_read_is_told_before_anything_is_sent(header, mapped, key, said):
    with pytest.raises(Problem, match=said):
        Columns(header, mapped, key)


def test_what_an_export_has_and_an_import_does_not_take_is_passed_over():
    lead = read({"name": "leads/1", "etag": "3", "display_name": "A", "state": "NEW", "create_time": "x"})
    assert set(lead) == {"display_name", "external_ids"}


def test_a_cell_that_an_export_guarded_is_read_without_its_apostrophe():
    assert read({"display_name": "'=1+1", "phone": "'+49 30 1"})["display_name"] == "=1+1"
    assert read({"display_name": "'tis"})["display_name"] == "'tis"


def test_a_key_is_the_other_systems_and_its_column_no_field():
    lead = read({"display_name": "A", "number": " 7 "}, key=Key("erp", "number"))
    assert lead["external_ids"] == [{"system": "erp", "id": "7"}]
    with pytest.raises(WrongCell, match="number: is empty"):
        read({"display_name": "A", "number": " "}, key=Key("erp", "number"))


@given(st.dictionaries(st.sampled_from(["display_name", "email", "note"]), st.text(max_size=5), min_size=3))
def test_without_a_key_a_row_is_known_by_what_it_says(cells):
    again = cells | {"error_line": "7", "error_reason": "corrected"}
    assert read(cells)["external_ids"] == read(again)["external_ids"]
    other = cells | {"note": cells["note"] + "."}
    assert read(cells)["external_ids"] != read(other)["external_ids"]


def test_times_numbers_and_parts_are_read_or_refused():
    lead = read({"display_name": "A", "contact_time": "2026-03-01", "labels": '{"size": "large"}'})
    assert (lead["contact_time"], lead["labels"]) == ("2026-03-01T00:00:00Z", {"size": "large"})
    with pytest.raises(WrongCell, match="labels: is no JSON"):
        read({"display_name": "A", "labels": "{"})


def written(folder: Path, content: bytes) -> Path:
    path = folder / "leads.csv"
    path.write_bytes(content)
    return path


def test_a_row_knows_its_line_and_one_of_another_length_its_fault(tmp_path):
    source = CsvFile(written(tmp_path, '\ufeffdisplay_name,note\r\nA,"x\ny"\r\n\r\nB\r\n'.encode()))
    first, second = source.rows()
    assert (source.header, first) == (["display_name", "note"], Row(2, {"display_name": "A", "note": "x\ny"}))
    assert second == (Row(5, {"display_name": "B"}), "has 1 cells, and there are 2 columns")


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "is empty"), ("display_name\nÁ\n".encode("latin-1"), "not UTF-8"), (b'display_name\n"A', "is no CSV")],
)
def test_a_file_that_is_no_csv_is_told_with_its_place(tmp_path, content, said):
    with pytest.raises(Problem, match=said):
        list(CsvFile(written(tmp_path, content)).rows())


def test_refused_rows_can_be_imported_as_they_are(tmp_path):
    path = tmp_path / "errors.csv"
    refusals = Refusals(path, ["display_name", "note"])
    refusals.add(Row(7, {"display_name": "Ана", "note": "a,b"}), "=wrong")
    refusals.close()
    with path.open(encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row == {"display_name": "Ана", "note": "a,b", "error_line": "7", "error_reason": "'=wrong"}
    assert Columns(row, {}, BY_ROW).lead(row)["note"] == "a,b"
    Refusals(path, ["display_name"])
    assert not path.exists(), "what an earlier run refused"
