"""How fast a service catches up: insights stands still while leads are brought, then it is let go. And a relay: NATS
stands still meanwhile."""

import asyncio
import os
import signal
import time
from dataclasses import asdict, dataclass
from typing import Any

from bench.load import generate
from bench.measure import request
from bench.operations import IMPORTED, bring
from bench.stand import UNPUBLISHED, Stand

LEADS = 10_000  # each tells one event or two
CONSUMER, RELAY, BROKER = "insights", "leads", "nats-server"
IMPORT_SECONDS = 60.0
OTHERS_SECONDS, CATCH_UP_SECONDS = 3600.0, 7200.0  # a million events and more, on a slow machine


@dataclass
class CaughtUp:
    """So many events waited and were applied, or published, at `rate` a second; `cpu`: milliseconds of processor an
    event took."""

    consumer: str
    events: int
    rate: float
    cpu: dict[str, float]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


async def catch_up(stand: Stand, leads: int = LEADS) -> CaughtUp:
    """Nothing else happens meanwhile: the others have had their share before it begins."""
    await stand.rest()
    pid = stand.pids[CONSUMER]
    os.kill(pid, signal.SIGSTOP)
    try:
        for start in range(0, leads, LEADS):
            await _import(stand, min(LEADS, leads - start))
        async with asyncio.timeout(OTHERS_SECONDS):
            while await stand.on_the_way(besides=CONSUMER):
                await asyncio.sleep(0.05)
        waiting, cpu = await stand.on_the_way(), stand.cpu()
    finally:
        os.kill(pid, signal.SIGCONT)
    began = time.monotonic()
    await stand.rest(CATCH_UP_SECONDS)
    return _caught_up(stand, CONSUMER, waiting, time.monotonic() - began, cpu)


async def publish(stand: Stand, leads: int = LEADS) -> CaughtUp:
    """The relay publishes while everybody takes in what it does, as after an outage of NATS."""
    await stand.rest()
    pid, outbox = stand.pids[BROKER], stand.databases[RELAY]
    os.kill(pid, signal.SIGSTOP)
    try:
        for start in range(0, leads, LEADS):
            await _import(stand, min(LEADS, leads - start))
        waiting, cpu = await outbox.fetchval("SELECT count(*) FROM outbox WHERE position IS NULL"), stand.cpu()
    finally:
        os.kill(pid, signal.SIGCONT)
    began = time.monotonic()
    async with asyncio.timeout(CATCH_UP_SECONDS):
        while await outbox.fetchval(UNPUBLISHED):
            await asyncio.sleep(0.05)
    return _caught_up(stand, f"the relay of {RELAY}", waiting, time.monotonic() - began, cpu)


def _caught_up(stand: Stand, who: str, events: int, seconds: float, before: dict[str, float]) -> CaughtUp:
    spent = {name: (value - before.get(name, value)) * 1000 / events for name, value in stand.cpu().items()}
    return CaughtUp(who, events, events / seconds, {name: value for name, value in spent.items() if value > 0.01})


async def _import(stand: Stand, leads: int) -> None:
    stand.renew()
    count = max(leads // IMPORTED, 1)
    calls = (await bring(stand, 100 * count))[:count]
    plan = {"port": stand.http_port, "connections": 1, "seconds": IMPORT_SECONDS, "once": True, "rate": 0}
    await generate("http_load", plan | {"requests": [request(stand, call) for call in calls]})
