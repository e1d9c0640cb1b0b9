"""Reports lag behind what they report; a run ends when they do not."""

import asyncio
from collections.abc import Mapping

from crmctl.connection import Refused
from crmctl.suite import Suite, pause

_WITHIN_TRIES = 120  # With pauses of up to half a second: a minute.
_LONGEST_PAUSE_SECONDS = 0.5


async def caught_up(suite: Suite, written: Mapping[str, str]) -> bool:
    """Wait until insights has heard of what was written last: service → timestamp. False if it takes too long."""
    for attempt in range(1, _WITHIN_TRIES + 1):
        try:
            heard = (await suite.get("/v1/reports/channels"))["freshness"]
        except Refused:
            return False  # There is no insights here, or it is away; its reports will come when it does.
        if all(service in heard and heard[service]["eventTime"] >= last for service, last in written.items()):
            return True
        await asyncio.sleep(min(pause(attempt), _LONGEST_PAUSE_SECONDS))
    return False
