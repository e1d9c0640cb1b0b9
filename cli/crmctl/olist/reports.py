"""Reports lag behind what they report; a run ends when they do not."""

import asyncio
from collections import Counter
from typing import Any

from crmctl.connection import Refused
from crmctl.suite import Suite

_PAUSE_SECONDS = 0.3
_WITHIN_TRIES = 200  # A minute.


async def caught_up(suite: Suite, leads: Counter[str], customers: Counter[str]) -> bool:
    """Wait until the channel report knows this many of each channel and has come to rest; False if it takes too long.

    Leads and customers of one batch are stored at one moment, so freshness alone does not tell whether all were heard.
    """
    positions: dict[str, Any] = {}
    for _ in range(_WITHIN_TRIES):
        try:
            report = await suite.get("/v1/reports/channels")
        except Refused:
            return False  # There is no insights here, or it is away; its reports will come when it does.
        before, positions = positions, {name: mark["position"] for name, mark in report["freshness"].items()}
        told = {one["channel"]: one for one in report["channels"]}
        if before == positions and _all(told, leads, "leads") and _all(told, customers, "customers"):
            return True
        await asyncio.sleep(_PAUSE_SECONDS)
    return False


def _all(told: dict[str, dict[str, Any]], wanted: Counter[str], field: str) -> bool:
    return all(channel in told and told[channel][field] >= count for channel, count in wanted.items())
