"""When everything is healed: waiting until nothing is under way, and comparing insights with a rebuild."""

import asyncio
import sys
import time
from collections.abc import Collection
from pathlib import Path

import asyncpg
from chassis.settings import SERVICES
from failures.chaos.stage import Stage, connect_nats
from failures.checker import Evidence, Findings, check

WAITING = (
    "SELECT (SELECT count(*) FROM outbox WHERE position IS NULL)"
    " + (SELECT count(*) FROM saga WHERE due_time IS NOT NULL)"
)


async def at_rest(stage: Stage, seconds: float) -> None:
    """Returns when twice in a row no outbox, saga, stream or reaction has anything left; gives up after `seconds`:
    the checker says what is left."""
    await stage.ready()
    end, quiet = time.monotonic() + seconds, 0
    client = await connect_nats(stage.nats_url)
    connections = {service: await asyncpg.connect(stage.database_url(service)) for service in stage.options.services}
    try:
        while quiet < 2 and time.monotonic() < end:
            left = sum([await connection.fetchval(WAITING) for connection in connections.values()])
            for service in stage.options.services:
                for durable in await client.jetstream().consumers_info(f"crm-{service}"):
                    left += (durable.num_pending or 0) + (durable.num_ack_pending or 0)
            quiet = 0 if left else quiet + 1
            await asyncio.sleep(0.5)
    finally:
        await client.close()
        for connection in connections.values():
            await connection.close()


async def findings(stage: Stage, journal: Path, named: Collection[str] = ()) -> Findings:
    """What the checker finds of a suite at rest, and whether insights is what a rebuild makes. `named`: records that
    reconciliation named after a restore; the rebuild mends insights first then."""
    databases = {service: stage.database_url(service) for service in SERVICES}
    found = await check(Evidence(journal, databases, stage.nats_url, frozenset(named)))
    found.differing += await insights_equal(stage, repair=bool(named))
    return found


async def insights_equal(stage: Stage, repair: bool) -> list[str]:
    """What differs between insights and a rebuild from all outboxes. After a restore an operator lets the rebuild mend
    it first."""
    if repair:
        await _rebuild(stage, "--repair")
    status, said = await _rebuild(stage, "--compare")
    return [] if status == 0 else [f"insights differs from a rebuild: {said.strip()}"]


async def _rebuild(stage: Stage, how: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "crmctl", "--data-dir", str(stage.folder.path), "insights", "rebuild", how]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()
