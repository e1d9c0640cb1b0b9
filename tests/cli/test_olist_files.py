"""Reading CSV: what RFC 4180 allows is read, what is wrong is told with its line."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from crmctl.olist.files import COLUMNS, LEADS, ORDERS, read_folder, read_table
from crmctl.olist.rejected import Rejected
from crmctl.problem import Problem

HEADER = b"mql_id,first_contact_date,landing_page_id,origin"


def written(folder: Path, content: bytes) -> Path:
    path = folder / LEADS
    path.write_bytes(content)
    return path


def test_quotes_line_breaks_and_other_line_ends_are_read_and_lines_counted_as_an_editor_counts(tmp_path: Path) -> None:
    table = read_table(
        written(tmp_path, HEADER + b'\r\nm1,2018-01-01,"a, ""b""",x\r\n"m\r\n2",2018-01-02,c,y\r\nm3,1,2,3')
    )
    assert [(row.line, row["mql_id"], row["landing_page_id"]) for row in table.rows] == [
        (2, "m1", 'a, "b"'),
        (3, "m\r\n2", "c"),
        (5, "m3", "2"),
    ]


def test_a_byte_order_mark_more_columns_and_another_order_do_not_matter(tmp_path: Path) -> None:
    table = read_table(
        written(tmp_path, b"\xef\xbb\xbforigin,more,landing_page_id,first_contact_date,mql_id\na,b,c,d,e\n")
    )
    assert (table.rows[0]["origin"], table.rows[0]["mql_id"]) == ("a", "e")


def test_a_row_of_another_length_and_one_that_is_not_utf8_are_broken_and_stop_nothing(tmp_path: Path) -> None:
    table = read_table(
        written(tmp_path, HEADER + b"\nm1,2018-01-01,p\nm2,2018-01-01,p,\xff\nm3,2018-01-01,p,o\xc3\xa3\n")
    )
    assert [(row.line, reason) for row, reason in table.broken] == [
        (2, "has 3 fields instead of 4"),
        (3, "origin is not UTF-8"),
    ]
    assert [row["origin"] for row in table.rows] == ["oã"]


def test_a_quote_that_is_never_closed_is_told_with_the_line_where_it_opens(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, HEADER + b'\nm1,2018-01-01,p,o\nm2,2018-01-01,"p,o\nm3,2018-01-01,p,o\n'))
    assert [row["mql_id"] for row in table.rows] == ["m1"]
    assert [(row.line, "is not CSV" in reason) for row, reason in table.broken] == [(3, True)]


def test_a_missing_column_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"has no column landing_page_id, origin\.$"):
        read_table(written(tmp_path, b"mql_id,first_contact_date\n"))


def test_a_missing_folder_or_file_of_the_funnel_is_one_sentence(tmp_path: Path, folder_of: Callable[..., Path]) -> None:
    with pytest.raises(Problem, match=r"is not a folder\.$"):
        read_folder(tmp_path / "nowhere")
    with pytest.raises(Problem, match=r"has no file olist_closed_deals\.csv\.$"):
        read_folder(folder_of(olist_closed_deals=None))


def test_the_shops_files_may_be_missing(folder_of: Callable[..., Path]) -> None:
    assert ORDERS not in read_folder(folder_of(orders=None))


def test_refused_rows_are_written_with_their_bytes_and_can_be_read_again(tmp_path: Path) -> None:
    tables = {LEADS: read_table(written(tmp_path, HEADER + b"\nm1,2018-01-01,p,\xff\nm2,2018-01-01,p,o\n"))}
    rejected = Rejected(tables)
    rejected.add(tables[LEADS].rows[0], "has no reason")
    rejected.write(tmp_path / "errors")
    raw = (tmp_path / "errors" / LEADS).read_bytes()
    assert b"m1,2018-01-01,p,\xff,2,origin is not UTF-8" in raw
    assert [row["mql_id"] for row in read_table(tmp_path / "errors" / LEADS).rows] == ["m2"]


@pytest.mark.parametrize("reason", ["=HYPERLINK(A1)", "+1", "-A1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "plain", ""])
def test_the_reason_beside_a_refused_row_is_no_formula_and_its_cells_stay_what_they_were(
    tmp_path: Path, reason: str
) -> None:
    tables = {LEADS: read_table(written(tmp_path, HEADER + b"\n=1+1,2018-01-01,p,o\n"))}
    rejected = Rejected(tables)
    rejected.add(tables[LEADS].rows[0], reason)
    rejected.write(tmp_path / "errors")
    with (tmp_path / "errors" / LEADS).open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["error_reason"].removeprefix("'") == reason
    assert not row["error_reason"].startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert row["mql_id"] == "=1+1", "it is to be imported again"


def test_the_required_files_are_written_even_empty_so_that_the_folder_can_be_imported(
    tmp_path: Path, folder_of: Callable[..., Path]
) -> None:
    tables = read_folder(folder_of())
    rejected = Rejected(tables)
    rejected.add(tables[ORDERS].rows[0], "has a reason")
    rejected.write(tmp_path / "errors")
    again = read_folder(tmp_path / "errors")
    assert {file: len(table.rows) for file, table in again.items()} == {
        "olist_marketing_qualified_leads.csv": 0,
        "olist_closed_deals.csv": 0,
        "orders.csv": 1,
    }
    with (tmp_path / "errors" / ORDERS).open() as file:
        assert next(csv.reader(file)) == [*COLUMNS[ORDERS], "error_line", "error_reason"]
