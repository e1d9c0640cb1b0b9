"""CSV files as rows that know where they stand (RFC 4180, UTF-8, a byte order mark is ignored)."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from crmctl.problem import Problem

LEADS = "olist_marketing_qualified_leads.csv"
DEALS = "olist_closed_deals.csv"
ITEMS = "order_items.csv"
ORDERS = "orders.csv"
REVIEWS = "order_reviews.csv"

# What we read of each file; more columns may stand there, in any order.
COLUMNS = {
    LEADS: ("mql_id", "first_contact_date", "landing_page_id", "origin"),
    DEALS: ("mql_id", "seller_id", "sdr_id", "sr_id", "won_date", "declared_monthly_revenue"),
    ITEMS: ("order_id", "order_item_id", "product_id", "seller_id", "shipping_limit_date", "price"),
    ORDERS: ("order_id", "order_status", "order_purchase_timestamp"),
    REVIEWS: ("order_id", "review_score", "review_comment_title", "review_comment_message", "review_creation_date"),
}
REQUIRED = (LEADS, DEALS)  # Without the shop's files there are leads and customers, but no orders and no cases.


class Wrong(Exception):
    """Why a row cannot be used."""


@dataclass(frozen=True, eq=False)
class Row:
    """One record of a file. `line` is where it begins, from 1; `cells` are by column."""

    file: str
    line: int
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        """The cell without blanks around it; "" if there is none."""
        return self.cells.get(column, "").strip()

    @property
    def where(self) -> str:
        """File and line, for people."""
        return f"{self.file} line {self.line}"


@dataclass(frozen=True)
class Table:
    """A file: its columns as they stand there, its rows, and the rows that are no rows, with the reason."""

    file: str
    columns: list[str]
    rows: list[Row]
    broken: list[tuple[Row, str]]


def read_folder(folder: Path) -> dict[str, Table]:
    """The files of the folder by name. Raises Problem if it, a required file or a column is missing."""
    if not folder.is_dir():
        raise Problem(f"{folder} is not a folder.")
    for file in REQUIRED:
        if not (folder / file).is_file():
            raise Problem(f"{folder} has no file {file}.")
    return {file: read_table(folder / file) for file in COLUMNS if (folder / file).is_file()}


def read_table(path: Path) -> Table:
    """One file. A row that is not CSV, not UTF-8 or of another length is `broken` and does not stop the others."""
    try:
        # Bytes that are not UTF-8 survive as surrogates, so that the row can be shown and written back as it was.
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            records = _records(csv.reader(file, strict=True))
            _, header, _ = next(records, (1, [], ""))
            columns = [name.strip() for name in header]
            missing = [name for name in COLUMNS[path.name] if name not in columns]
            if missing:
                raise Problem(f"{path} has no column {', '.join(missing)}.")
            table = Table(path.name, columns, [], [])
            for line, values, problem in records:
                row = Row(path.name, line, dict(zip(columns, values, strict=False)))
                reason = problem or _unusable(values, columns)
                if reason:
                    table.broken.append((row, reason))
                else:
                    table.rows.append(row)
            return table
    except OSError as problem:
        raise Problem(f"{path} cannot be read ({problem.strerror}).") from None


def _records(reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str], str]]:
    """(first line, values, what is wrong with the CSV) of each record that is not empty."""
    while True:
        line = reader.line_num + 1  # type: ignore[attr-defined]
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as problem:
            yield line, [], f"is not CSV: {problem}"
            continue
        if values:
            yield line, values, ""


def _unusable(values: Sequence[str], columns: Sequence[str]) -> str:
    if len(values) != len(columns):
        return f"has {len(values)} fields instead of {len(columns)}"
    for name, value in zip(columns, values, strict=True):
        if not value.isascii() and any("\udc80" <= letter <= "\udcff" for letter in value):
            return f"{name} is not UTF-8"
        if "\0" in value:
            return f"{name} contains a NUL character"
    return ""
