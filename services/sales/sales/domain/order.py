"""Orders: what customers ordered, as the ERP reports it. Facts of another system: recorded once, never changed."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from chassis.errors import AlreadyExists, InvalidFields
from chassis.values import CustomerRecord, Money


class OrderRecordedDifferently(AlreadyExists):
    "This order number was recorded already, with other content."


@dataclass(frozen=True, kw_only=True)
class OrderLine:
    """A line of an order; without `amount` its worth was not told."""

    product: str = ""
    quantity: int = 0
    amount: Money | None = None


@dataclass(kw_only=True)
class Order(CustomerRecord):
    """An order of an account. `amount` is without freight and tax."""

    collection: ClassVar[str] = "orders"

    system: str
    order_number: str
    amount: Money
    account: str = ""
    order_time: datetime | None = None
    order_time_estimated: bool = False
    lines: list[OrderLine] = field(default_factory=list)
    erp_state: str = ""
    opportunity: str = ""
    channel: str = ""

    def check_lines(self) -> None:
        """Lines have the order's currency, and if all tell their worth it adds up. InvalidFields if not."""
        amounts = [line.amount for line in self.lines]
        for number, amount in enumerate(amounts):
            if amount and amount.currency != self.amount.currency:
                said = f"is in {amount.currency}, the order in {self.amount.currency}"
                raise InvalidFields((f"order.lines[{number}].amount", said))
        if not amounts or None in amounts:
            return
        total = sum((amount.amount for amount in amounts if amount), Decimal())
        if total != self.amount.amount:
            raise InvalidFields(("order.amount", f"is {self.amount.amount}, but its lines add up to {total}"))

    def check_same(self, told: "Order") -> None:
        """Whether `told` is this order again; OrderRecordedDifferently names what differs. Without a time, a report
        says nothing about the time."""
        names = ["account", "order_time_estimated", "lines", "amount", "erp_state"]
        names += ["order_time"] if told.order_time else []
        different = [name for name in names if getattr(self, name) != getattr(told, name)]
        if set(self.external_ids) != set(told.external_ids):
            different.append("external_ids")
        if different:
            raise OrderRecordedDifferently(order=self.name, different=", ".join(different))


@dataclass(frozen=True, kw_only=True)
class OrderRecorded:
    order: Order
    event_time: datetime
