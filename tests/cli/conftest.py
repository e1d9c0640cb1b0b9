"""Folders of CSV files for the import: Olist's own where it is at hand, and small ones made here."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from crmctl.olist.files import COLUMNS

Rows = dict[str, list[dict[str, str]]]

# A folder in which everything fits: two leads, one of them won, an order of two items, a bad review.
SMALL: Rows = {
    "olist_marketing_qualified_leads.csv": [
        {"mql_id": "m1", "first_contact_date": "2018-01-22", "landing_page_id": "p1", "origin": "email"},
        {"mql_id": "m2", "first_contact_date": "2017-10-15", "landing_page_id": "p1", "origin": ""},
    ],
    "olist_closed_deals.csv": [
        {
            "mql_id": "m1", "seller_id": "s1", "sdr_id": "r1", "sr_id": "r2", "won_date": "2018-02-26 19:58:54",
            "declared_monthly_revenue": "0.0",
        },
    ],
    "order_items.csv": [
        {
            "order_id": "o1", "order_item_id": number, "product_id": "a", "seller_id": "s1",
            "shipping_limit_date": "2018-07-06 14:10:00", "price": price,
        }
        for number, price in (("1", "53.99"), ("2", "10"))
    ],
    "orders.csv": [
        {"order_id": "o1", "order_status": "canceled", "order_purchase_timestamp": "2018-07-01 10:00:00"},
    ],
    "order_reviews.csv": [
        {
            "order_id": "o1", "review_score": "1", "review_comment_title": "Ruim",
            "review_comment_message": "Não chegou,\nnunca", "review_creation_date": "2018-07-20 00:00:00",
        },
    ],
}  # fmt: skip


@pytest.fixture
def folder_of(tmp_path: Path) -> Callable[..., Path]:
    """Writes a folder: the small one, with files replaced; `None` leaves a file out."""

    def write(**replaced: list[dict[str, str]] | None) -> Path:
        folder = tmp_path / "csv"
        folder.mkdir()
        for file, rows in (SMALL | {f"{name}.csv": rows for name, rows in replaced.items()}).items():
            if rows is not None:
                with (folder / file).open("w", encoding="utf-8", newline="") as out:
                    writer = csv.DictWriter(out, COLUMNS[file], restval="")
                    writer.writeheader()
                    writer.writerows(rows)
        return folder

    return write


def changed(file: str, row: int = 0, **cells: str) -> list[dict[str, str]]:
    """The small folder's rows of a file, with cells of one row changed."""
    rows = [dict(one) for one in SMALL[f"{file}.csv"]]
    rows[row] |= cells
    return rows
