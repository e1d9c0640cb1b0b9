"""Timers: something to be done at a moment, whatever happens until then.

A timer is a row, set or taken back in the transaction of the change that wants it. Whoever finds it due runs it, and
deletes it in the transaction of its effect: so the effect is once, survives every restart, and is done by one of many
replicas. Its moment is absolute and the database's clock says when it has come: nothing drifts.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from chassis import telemetry
from chassis.identity import service_caller
from chassis.telemetry import log
from chassis.work import Context, Work
from chassis.writing import LostRace

POLL_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 300.0
RACES = 5  # tries at once before a lost race counts as a failure
FIRE_SECONDS = 10.0  # one that hangs would keep all that are due after it

CLAIM = (
    "DELETE FROM timer WHERE (kind, key) = (SELECT kind, key FROM timer WHERE kind = any($1::text[])"
    " AND next_time <= now() ORDER BY next_time LIMIT 1 FOR UPDATE SKIP LOCKED)"
    " RETURNING kind, key, due_time, data, traceparent, attempts"
)
POSTPONE = (
    "UPDATE timer SET attempts = attempts + 1, error = $4::text,"
    " next_time = now() + make_interval(secs => $5::double precision)"
    " WHERE kind = $1::text AND key = $2::text AND due_time = $3::timestamptz"
)
OVERDUE = (
    "SELECT count(*) AS timers FROM (SELECT 1 FROM timer WHERE next_time < now() - interval '1 minute' LIMIT 10000) r"
)


@dataclass(frozen=True)
class Due:
    """A timer whose moment has come: what it is about, when it was due (not when it was noticed), what was left."""

    key: str
    due_time: datetime
    data: dict[str, Any]


@dataclass(frozen=True)
class Timer:
    """A kind of timer: `async fire(due, work)` looks whether there is still something to do, and does it. There is
    one timer of a kind per key; setting it again moves it. It may set itself again, from `due.due_time` on."""

    kind: str
    fire: Callable[[Due, Work], Awaitable[None]]


class Timers:
    """Runs what is due, in order, until stopped."""

    def __init__(self, context: Context, kinds: Sequence[Timer]) -> None:
        self._context = context
        self._kinds = {kind.kind: kind for kind in kinds}
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        while self._kinds and not self._stopping.is_set():
            try:
                if await self.fire_next():
                    continue
            except Exception as away:
                log.warning("timers wait: %s", away or type(away).__name__)
            try:
                await asyncio.wait_for(self._stopping.wait(), POLL_SECONDS)
            except TimeoutError:
                continue

    def stop(self) -> None:
        """No more are begun; one under way ends or is rolled back, and is found due by the next process."""
        self._stopping.set()

    async def fire_next(self) -> bool:
        """Runs the one that is due longest; whether there was one."""
        claimed: list[asyncpg.Record] = []
        for attempt in range(RACES):
            try:
                async with asyncio.timeout(FIRE_SECONDS):
                    await self._fire(claimed)
                break
            except LostRace as lost:
                await self._failed(claimed, lost, last=attempt == RACES - 1)
            except Exception as failed:
                await self._failed(claimed, failed, last=True)
                break
        return bool(claimed)

    async def _fire(self, claimed: list[asyncpg.Record]) -> None:
        """The claim and its effect in one transaction. `claimed` tells the caller which it was if that fails."""
        claimed.clear()
        async with self._context.database.transaction() as connection:
            claimed += await connection.fetch(CLAIM, list(self._kinds))
            if not claimed:
                return
            row = claimed[0]
            span = telemetry.span(f"timer {row['kind']}", traceparent="", linked=row["traceparent"])
            with span:
                caller = service_caller(self._context.service)
                work = Work(self._context, caller, operation=f"timer {row['kind']}", connection=connection)
                due = Due(row["key"], row["due_time"], msgspec.json.decode(row["data"]))
                await self._kinds[row["kind"]].fire(due, work)
                work.prepare()
                await work.commit()
        if work.tells:
            self._context.told()

    async def _failed(self, claimed: list[asyncpg.Record], error: Exception, *, last: bool) -> None:
        """Puts off one that cannot be done now, so that those behind it can."""
        if not claimed or not last:
            return
        row, said = claimed[0], f"{type(error).__name__}: {error}"[:2000]
        log.error("timer %s of %s failed", row["kind"], row["key"], exc_info=error)
        wait = min(0.5 * 2 ** min(row["attempts"], 12), LONGEST_BACKOFF_SECONDS)
        await self._context.database.fetch(POSTPONE, [row["kind"], row["key"], row["due_time"], said, wait])

    async def overdue(self) -> int:
        """How many should have been done a minute ago, counted up to 10,000."""
        return int((await self._context.database.fetch(OVERDUE, []))[0]["timers"])
