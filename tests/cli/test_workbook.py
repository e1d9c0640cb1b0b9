"""XLSX files as people see them, and those that are none or too much."""

import zipfile
from datetime import date, datetime
from pathlib import Path

import openpyxl
import pytest
from crmctl.lead_files import workbook
from crmctl.lead_files.rows import Row
from crmctl.lead_files.source import CsvFile, opened
from crmctl.lead_files.workbook import Workbook, number
from crmctl.problem import Problem
from hypothesis import given
from hypothesis import strategies as st


def saved(path: Path, *rows: list, formats: dict[str, str] | None = None) -> Path:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for cell, form in (formats or {}).items():
        book.active[cell].number_format = form
    book.save(path)
    return path


def test_cells_are_what_people_see(tmp_path):
    row = ["Ана", 359888123456, 359888123456.0, 0.1, True, date(2024, 1, 5), datetime(2024, 1, 5, 10, 22), 42, None]  # noqa: DTZ001
    header = ["name", "phone", "float", "part", "yes", "day", "moment", "code", "empty"]
    path = saved(tmp_path / "leads.xlsx", header, row, formats={"H2": "00000"})
    (found,) = opened(path).rows()
    assert found == Row(2, dict(zip(header, [
        "Ана", "359888123456", "359888123456", "0.1", "TRUE", "2024-01-05", "2024-01-05T10:22:00Z", "00042", "",
    ], strict=True)))  # fmt: skip


@given(st.integers(-(10**15), 10**15))
def test_a_whole_number_keeps_all_its_digits(value):
    assert int(number(value, "General")) == value
    assert number(float(value), "0") == str(value)


def test_a_formula_is_never_evaluated(tmp_path):
    """openpyxl stores none of the values that Excel would have; so there is nothing to be seen."""
    path = saved(tmp_path / "leads.xlsx", ["name", "sum"], ["Ана", "=1+1"], ["李娜", '=WEBSERVICE("http://x")'])
    assert [row.cells["sum"] for row in opened(path).rows()] == ["", ""]


def test_what_a_spreadsheet_could_not_work_out_is_refused_with_its_row(tmp_path):
    path = saved(tmp_path / "leads.xlsx", ["name", "x"], ["Ана", "#N/A"], [], ["李娜", "y", "beyond"], ["João", "z"])
    found = list(opened(path).rows())
    assert [(one[0].line, one[1]) for one in found[:2]] == [
        (2, "x: is #N/A"),
        (4, "has cells beyond its 2 columns"),
    ]
    assert (found[2].line, found[2].cells["name"]) == (5, "João")


def test_a_file_is_what_it_is_whatever_it_is_called(tmp_path):
    csv = tmp_path / "leads.xlsx"
    csv.write_text("name\nАна\n")
    assert isinstance(opened(csv), CsvFile)
    assert isinstance(opened(saved(tmp_path / "leads.csv.xlsx", ["name"], ["Ана"])), Workbook)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([[]], "is empty"),
        ([["a", None, "b"]], "column 2 has no name"),
        ([[f"c{number}" for number in range(501)]], "more than 500 columns"),
    ],
)
def test_a_sheet_whose_columns_have_no_names_is_refused(tmp_path, rows, said):
    with pytest.raises(Problem, match=said):
        opened(saved(tmp_path / "leads.xlsx", *rows))


def test_an_archive_that_is_no_workbook_or_is_damaged_is_refused(tmp_path):
    whole = saved(tmp_path / "whole.xlsx", ["name"], *[[f"Ана {number}"] for number in range(500)]).read_bytes()
    for name, content in {"cut": whole[: len(whole) // 2], "head": b"PK\x03\x04 nothing"}.items():
        path = tmp_path / f"{name}.xlsx"
        path.write_bytes(content)
        with pytest.raises(Problem):
            list(opened(path).rows())
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("a.txt", "x")
    with pytest.raises(Problem, match="no workbook"):
        opened(other)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    path = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/sharedStrings.xml", b"0" * 20_000_000)
    assert path.stat().st_size < 30_000
    monkeypatch.setattr(workbook, "MOST_TEXTS", 10_000_000)
    with pytest.raises(Problem, match="unpacks to more"):
        opened(path)
    monkeypatch.setattr(workbook, "MOST_BYTES", 100)
    with pytest.raises(Problem, match="is larger than"):
        opened(path)
