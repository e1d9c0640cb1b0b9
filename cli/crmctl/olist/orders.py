"""Orders as an ERP reports them: known by their number, recorded once."""

from datetime import datetime
from typing import Any

from crmctl.olist.clock import timestamp
from crmctl.olist.known import Known, Record
from crmctl.olist.shop import Order
from crmctl.olist.tally import Tally
from crmctl.olist.values import SYSTEM, external_id, money
from crmctl.suite import Suite


async def record(suite: Suite, order: Order, known: Known, tally: Tally) -> Record:
    """The order as the suite has it. Raises Refused if another order has its number."""
    body = _order(order)
    there = known.orders.get(order.number)
    if there and _says(there, body):
        tally.count("orders", "unchanged")
        return there
    made = await suite.post("/v1/orders", body)
    tally.count("orders", "created")
    return made


def _order(order: Order) -> dict[str, Any]:
    return {
        "accountExternalId": external_id("seller", order.seller_id),
        "system": SYSTEM,
        "orderNumber": order.number,
        "orderTime": timestamp(order.time),
        "orderTimeEstimated": order.time_estimated,
        "lines": [{"product": product, "quantity": 1, "amount": money(price)} for product, price in order.lines],
        "amount": money(order.amount),
        "erpState": order.state,
    }


def _says(there: Record, body: dict[str, Any]) -> bool:
    """Whether the recorded order has this content. Asking the suite would do; not asking takes no time."""
    same = all(there[field] == body[field] for field in ("orderTimeEstimated", "lines", "amount", "erpState"))
    return same and datetime.fromisoformat(there["orderTime"]) == datetime.fromisoformat(body["orderTime"])
