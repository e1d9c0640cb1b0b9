"""The counts an import must reproduce, taken from the CSVs alone and with nothing of the importer."""

import csv
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path


@dataclass(frozen=True)
class Origin:
    """What one origin brought."""

    leads: int
    customers: int
    revenue: Decimal


@dataclass(frozen=True)
class PlainCount:
    """The whole folder in numbers; `origins` by their own text, a blank one as `blank`."""

    origins: dict[str, Origin]
    leads: int
    customers: int
    orders: int
    estimated: int
    revenue: Decimal
    complaints: int


def plain_count(folder: Path) -> PlainCount:
    """Counts the folder."""
    leads, deals = _rows(folder, "olist_marketing_qualified_leads"), _rows(folder, "olist_closed_deals")
    items, reviews = _rows(folder, "order_items"), _rows(folder, "order_reviews")
    origin_of = {lead["mql_id"]: lead["origin"] or "blank" for lead in leads}
    seller_origin = {deal["seller_id"]: origin_of[deal["mql_id"]] for deal in deals}
    ours = [item for item in items if item["seller_id"] in seller_origin]
    orders = {(item["order_id"], item["seller_id"]) for item in ours}
    order_ids = {order_id for order_id, _ in orders}
    revenue: Counter[str] = Counter()
    for item in ours:
        revenue[seller_origin[item["seller_id"]]] += Decimal(item["price"])  # type: ignore[assignment]
    by_origin, won = Counter(origin_of.values()), Counter(seller_origin.values())
    bad = {
        (review["order_id"], review["review_creation_date"][:10])
        for review in reviews
        if int(review["review_score"]) <= 2 and review["order_id"] in order_ids
    }
    return PlainCount(
        origins={name: Origin(count, won[name], Decimal(revenue[name])) for name, count in by_origin.items()},
        leads=len(leads),
        customers=len(deals),
        orders=len(orders),
        estimated=len(order_ids - {row["order_id"] for row in _rows(folder, "orders")}),
        revenue=sum((Decimal(item["price"]) for item in ours), Decimal(0)),
        complaints=len(bad),
    )


def _rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"{name}.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))
