"""Reports lag behind what they report; a run ends when they do not."""

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from crmctl.connection import Refused
from crmctl.olist.values import CURRENCY
from crmctl.suite import Suite

_PAUSE_SECONDS = 0.3
_WITHIN_TRIES = 200  # A minute.


@dataclass
class Brought:
    """What one channel brought in a run. `revenue` is in Olist's currency."""

    leads: int = 0
    customers: int = 0
    revenue: Decimal = Decimal(0)

    def told_by(self, figures: dict[str, Any]) -> bool:
        """Whether the channel report shows all of it, and perhaps more. It rounds to cents."""
        told = {figures["currency"]: figures["revenue"]} | {
            one["currency"]: one["amount"] for one in figures["otherRevenue"]
        }
        return (
            figures["leads"] >= self.leads
            and figures["customers"] >= self.customers
            and Decimal(told.get(CURRENCY, 0)) >= round(self.revenue, 2)
        )


async def caught_up(suite: Suite, brought: dict[str, Brought]) -> bool:
    """Wait until the channel report tells what was brought, by channel, and has come to rest; False if it takes too
    long.

    What one batch brought is stored at one moment, and one service may be told of later than another: neither
    freshness nor rest alone tells whether all was heard.
    """
    positions: dict[str, Any] = {}
    for _ in range(_WITHIN_TRIES):
        try:
            report = await suite.get("/v1/reports/channels")
        except Refused:
            return False  # There is no insights here, or it is away; its reports will come when it does.
        before, positions = positions, {name: mark["position"] for name, mark in report["freshness"].items()}
        told = {one["channel"]: one for one in report["channels"]}
        if before == positions and all(name in told and one.told_by(told[name]) for name, one in brought.items()):
            return True
        await asyncio.sleep(_PAUSE_SECONDS)
    return False
