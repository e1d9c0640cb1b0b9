"""What the shop's rows mean: orders that won sellers were given, and bad reviews of those orders."""

from collections import defaultdict
from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from crmctl.olist.clock import ZONE, time_of
from crmctl.olist.files import ITEMS, ORDERS, REVIEWS, Row, Table, Wrong
from crmctl.olist.rejected import Rejected
from crmctl.olist.values import amount_of, id_of

WORST_SCORES = (1, 2)  # A review with one of these is a complaint.
_MOST_LINES = 1000
_LONGEST_STATE = 63


@dataclass(frozen=True)
class Order:
    """What one seller has to deliver of an order. `rows` are all rows that say so; `lines` are (product, price)."""

    rows: list[Row]
    order_id: str
    seller_id: str
    number: str
    time: datetime
    time_estimated: bool
    lines: list[tuple[str, Decimal]]
    state: str

    @property
    def amount(self) -> Decimal:
        """What the items cost, without freight."""
        return sum((price for _, price in self.lines), Decimal(0))


@dataclass(frozen=True)
class Complaint:
    """A review with a bad score. `key` tells it from others: some have no review id."""

    row: Row
    key: str
    order_id: str
    score: int
    time: datetime
    text: str


def orders_of(tables: dict[str, Table], sellers: Container[str], rejected: Rejected, now: datetime) -> list[Order]:
    """One order per order id and won seller. Items of other sellers are not ours and are left out."""
    if ITEMS not in tables:
        return []
    heads = _heads(tables, rejected)
    ours: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in tables[ITEMS].rows:
        if row["seller_id"] in sellers:
            ours[row["order_id"], row["seller_id"]].append(row)
    numbered: set[str] = set()
    found = []
    for (order_id, seller), items in ours.items():
        # The ERP's number is the order's; where a second won seller has a part in it, that part is named after both.
        number = f"{order_id}/{seller}" if order_id in numbered else order_id
        numbered.add(order_id)
        head = heads.get(order_id)
        rows = [*items, head] if head else items
        try:
            if head is not None and head in rejected:
                raise Wrong("its row in orders.csv was refused")
            found.append(_order(rows, items, head, number, now))
        except Wrong as wrong:
            # An order can be recorded once only, so all of it waits for the correction of one item.
            rejected.add_all(rows, f"order {order_id}: {wrong}")
    return found


def complaints_of(
    tables: dict[str, Table], known: Container[str], rejected: Rejected, now: datetime
) -> list[Complaint]:
    """Reviews with a score of at most 2 of the orders `known`; of orders that are not ours they are left out."""
    if REVIEWS not in tables:
        return []
    items = tables[ITEMS].rows if ITEMS in tables else []
    refused = {row["order_id"] for row in items if row in rejected}
    found: dict[str, Complaint] = {}
    for row in tables[REVIEWS].rows:
        try:
            if _score(row) not in WORST_SCORES:
                continue
            if row["order_id"] in refused:
                raise Wrong(f"its order {row['order_id']} was refused")
            if row["order_id"] not in known:
                continue
            complaint = _complaint(row, now)
            if complaint.key in found:
                raise Wrong(f"order and day are those of the review on line {found[complaint.key].row.line}")
            found[complaint.key] = complaint
        except Wrong as wrong:
            rejected.add(row, str(wrong))
    return list(found.values())


def _heads(tables: dict[str, Table], rejected: Rejected) -> dict[str, Row]:
    """The rows of orders.csv by order id; a second row of an order is rejected."""
    heads: dict[str, Row] = {}
    for row in tables[ORDERS].rows if ORDERS in tables else []:
        first = heads.setdefault(row["order_id"], row)
        if first is not row:
            rejected.add(row, f"order_id {row['order_id']} stands on line {first.line} too")
    return heads


def _order(rows: list[Row], items: list[Row], head: Row | None, number: str, now: datetime) -> Order:
    if len(items) > _MOST_LINES:
        raise Wrong(f"has {len(items)} items, more than {_MOST_LINES}")
    numbers: dict[str, Row] = {}
    for row in items:
        first = numbers.setdefault(id_of(row, "order_item_id"), row)
        if first is not row:
            raise Wrong(f"item {row['order_item_id']} stands on lines {first.line} and {row.line}")
    bought = head is not None and bool(head["order_purchase_timestamp"])
    if bought:
        assert head is not None
        time = time_of(head, "order_purchase_timestamp", now)
    else:
        time = min(time_of(row, "shipping_limit_date", now) for row in items)
    return Order(
        rows=rows,
        order_id=id_of(items[0], "order_id"),
        seller_id=items[0]["seller_id"],
        number=number,
        time=time,
        time_estimated=not bought,
        lines=[(id_of(row, "product_id"), amount_of(row, "price")) for row in items],
        state=head["order_status"][:_LONGEST_STATE] if head else "",
    )


def _score(row: Row) -> int:
    if row["review_score"] not in ("1", "2", "3", "4", "5"):
        raise Wrong(f"review_score {row['review_score'][:40]!r} is not 1 to 5")
    return int(row["review_score"])


def _complaint(row: Row, now: datetime) -> Complaint:
    time = time_of(row, "review_creation_date", now)
    # Title and message are kept as they are, in the customer's own Portuguese.
    said = [row[part] for part in ("review_comment_title", "review_comment_message") if row[part]]
    order_id = id_of(row, "order_id")
    return Complaint(
        row=row,
        key=f"{order_id}@{time.astimezone(ZONE).date().isoformat()}",
        order_id=order_id,
        score=_score(row),
        time=time,
        text="\n\n".join(said),
    )
