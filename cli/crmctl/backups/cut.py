"""A consistent cut through the databases of all services, wherever they are: one moment, seen in each of them.

Whoever changes something that another service may learn of writes an outbox row in the same transaction. So while all
outboxes are locked, no such change is committed anywhere, and a snapshot taken of each database meanwhile shows the
same moment: an effect is in none of them unless its cause is in one. The lock lasts for some milliseconds; the
snapshots stay and are dumped afterwards, at ease. The whole argument: docs/decisions/0008-backup.md.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg
from chassis.migrate import LOCK as MIGRATION

from crmctl.backups.databases import connected
from crmctl.problem import Problem

# Tries, each with how long it may wait for the transactions that are writing: whoever comes after us waits as long.
_WAIT_MILLISECONDS = (100, 200, 400, 800, 1600, *(3000,) * 10)
_BETWEEN_SECONDS = 0.5

_BEGIN = "ROLLBACK; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
# Of the parent alone: every row goes through it, and its partitions may be in the hands of a vacuum for minutes. The
# server lets go by itself if we are stopped or cut off while we hold it.
_HOLD = (
    "BEGIN; SET LOCAL lock_timeout = {}; SET LOCAL idle_in_transaction_session_timeout = '5s';"
    " LOCK TABLE ONLY public.outbox IN SHARE MODE"
)
_NO_LIMITS = ("statement_timeout", "idle_in_transaction_session_timeout", "transaction_timeout")


@dataclass(frozen=True)
class Snapshot:
    """One database at the moment of the cut: `connection` sees it, and `id` lets others see it while it is open."""

    connection: asyncpg.Connection
    id: str


@dataclass(frozen=True)
class Cut:
    """`time` is when nobody could write; `pause_seconds` how long writers may have waited, in `tries` tries."""

    time: datetime
    pause_seconds: float
    tries: int
    snapshots: dict[str, Snapshot]


@asynccontextmanager
async def cut(databases: Mapping[str, str]) -> AsyncIterator[Cut]:
    """The snapshots of all databases (URLs of their owners), until the block ends. Raises Problem."""
    async with AsyncExitStack() as stack:
        lockers, seers = {}, {}
        for service, url in databases.items():
            lockers[service] = await stack.enter_async_context(connected(service, url))
            seers[service] = await stack.enter_async_context(connected(service, url))
        await _keep_migrations_out(seers)
        for tried, milliseconds in enumerate(_WAIT_MILLISECONDS):
            if tried:
                await asyncio.sleep(_BETWEEN_SECONDS * random.uniform(0.5, 1.5))
            taken = await _taken(lockers, seers, milliseconds)
            if taken is not None:
                break
        else:
            raise Problem("The services always have a long write under way: no common moment was found. Try again.")
        moment, pause, ids = taken
        yield Cut(moment, pause, tried + 1, {service: Snapshot(seers[service], ids[service]) for service in seers})


async def _taken(
    lockers: Mapping[str, asyncpg.Connection], seers: Mapping[str, asyncpg.Connection], milliseconds: int
) -> tuple[datetime, float, dict[str, str]] | None:
    """The moment, the seconds for which writers may have waited, and the ids of the snapshots; None if the locks were
    not to be had, or not all held to the end."""
    for connection in seers.values():
        await connection.execute(_BEGIN)  # sees nothing yet: the snapshot is taken by the first query
    began = time.monotonic()
    try:
        if not await _held(lockers, milliseconds):
            return None
        moment, ids = datetime.now(UTC), await _seen(seers)
    finally:
        released = await _released(lockers)
    return (moment, time.monotonic() - began, ids) if released else None


async def _keep_migrations_out(seers: Mapping[str, asyncpg.Connection]) -> None:
    """A migration in between would change tables that are being dumped."""
    for service, connection in seers.items():
        for limit in _NO_LIMITS:
            with contextlib.suppress(asyncpg.UndefinedObjectError):  # older servers know fewer
                await connection.execute(f"SET {limit} = 0")
        if not await connection.fetchval("SELECT pg_try_advisory_lock_shared($1)", MIGRATION):
            raise Problem(f"The schema of {service} is being migrated: try again when that is done.")


async def _held(lockers: Mapping[str, asyncpg.Connection], milliseconds: int) -> bool:
    """Whether all outboxes are locked. All at once, so that the longest wait is the pause and not their sum."""
    locks = (connection.execute(_HOLD.format(milliseconds)) for connection in lockers.values())
    results = await asyncio.gather(*locks, return_exceptions=True)
    for service, failed in zip(lockers, results, strict=True):
        if isinstance(failed, asyncpg.LockNotAvailableError):
            return False
        if isinstance(failed, asyncpg.UndefinedTableError):
            raise Problem(f"The database of {service} has no outbox: run the migrations (python -m chassis.migrate).")
        if isinstance(failed, BaseException):
            raise Problem(f"The outbox of {service} cannot be locked: {failed}") from failed
    return True


async def _seen(seers: Mapping[str, asyncpg.Connection]) -> dict[str, str]:
    """The ids of the snapshots, taken now."""
    exports = (connection.fetchval("SELECT pg_export_snapshot()") for connection in seers.values())
    return dict(zip(seers, await asyncio.gather(*exports), strict=True))


async def _released(lockers: Mapping[str, asyncpg.Connection]) -> bool:
    """Whether each lock was still ours to give back."""
    releases = (connection.execute("ROLLBACK") for connection in lockers.values())
    results = await asyncio.gather(*releases, return_exceptions=True)
    return not any(isinstance(result, BaseException) for result in results)
