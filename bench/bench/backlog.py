"""How fast a service catches up: insights stands still while leads are brought, then it is let go."""

import asyncio
import os
import signal
import time
from dataclasses import asdict, dataclass
from typing import Any

from bench.load import generate
from bench.measure import request
from bench.operations import IMPORTED, bring
from bench.stand import Stand

EVENTS = 10_000
CONSUMER = "insights"
IMPORT_SECONDS = 60.0


@dataclass
class CaughtUp:
    """So many events waited and were applied at `rate` a second; `cpu`: milliseconds of processor an event took."""

    consumer: str
    events: int
    rate: float
    cpu: dict[str, float]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


async def catch_up(stand: Stand, events: int = EVENTS) -> CaughtUp:
    """Nothing else happens meanwhile: the others have had their share before it begins."""
    await stand.rest()
    pid = stand.pids[CONSUMER]
    os.kill(pid, signal.SIGSTOP)
    try:
        calls = (await bring(stand, 100 * (events // IMPORTED)))[: events // IMPORTED]
        plan = {"port": stand.http_port, "connections": 1, "seconds": IMPORT_SECONDS, "once": True, "rate": 0}
        await generate("http_load", plan | {"requests": [request(stand, call) for call in calls]})
        async with asyncio.timeout(IMPORT_SECONDS):
            while await stand.on_the_way(besides=CONSUMER):
                await asyncio.sleep(0.05)
        waiting, cpu = await stand.on_the_way(), stand.cpu()
    finally:
        os.kill(pid, signal.SIGCONT)
    began = time.monotonic()
    await stand.rest()
    took = time.monotonic() - began
    spent = {name: (value - cpu.get(name, value)) * 1000 / waiting for name, value in stand.cpu().items()}
    return CaughtUp(CONSUMER, waiting, waiting / took, {name: value for name, value in spent.items() if value > 0.01})
