"""Audit entries: what happened and is no event, above all what was refused.

Refusals are written in the background and in bounds: a storm of them neither slows the service nor fills the disk, and
what was not kept one by one is counted.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

import msgspec

from chassis import telemetry
from chassis.database import Database
from chassis.identity import Caller
from chassis.telemetry import log
from chassis.values import new_id, utc_now

MOST_WAITING = 1_000
MOST_PER_MINUTE = 60  # refusals of one caller that are kept one by one
FLUSH_SECONDS = 1.0

COLUMNS = "id, kind, actor, origin, operation, subject, source, traceparent, record_time, details"
INSERT = (
    f"INSERT INTO audit_entry ({COLUMNS}) VALUES ($1::uuid, $2::text, $3::text, $4::text, $5::text, $6::text, $7::text,"
    " $8::text, $9::timestamptz, $10::jsonb)"
)


def entry(kind: str, caller: Caller, operation: str, subject: str, details: Mapping[str, Any]) -> tuple[Any, ...]:
    """The row of an audit entry, for INSERT."""
    encoded = msgspec.json.encode(details).decode()
    who = (caller.actor[:200], caller.name[:200])
    return (new_id(), kind, *who, operation, subject[:200], caller.source, telemetry.traceparent(), utc_now(), encoded)


class Audit:
    """Takes refusals from the edge and writes them in the background."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[tuple[Any, ...]] = deque()
        self._kept: Counter[str] = Counter()  # per caller in the running minute
        self._passed_over: Counter[str] = Counter()
        self._minute = 0.0

    def refused(self, caller: Caller, operation: str, subject: str, reason: str, **more: str) -> None:
        """A call that its caller may not make, or about what he may not see."""
        now = asyncio.get_running_loop().time()
        if now - self._minute > 60:
            self._kept.clear()
            self._minute = now
        if len(self._waiting) >= MOST_WAITING or self._kept[caller.actor] >= MOST_PER_MINUTE:
            self._passed_over[caller.actor if len(self._passed_over) < MOST_WAITING else ""] += 1
            return
        self._kept[caller.actor] += 1
        self._waiting.append(entry("DENIED", caller, operation, subject, {"reason": reason, **more}))

    def note(self, kind: str, caller: Caller, operation: str, details: Mapping[str, Any]) -> None:
        """Something to be known later, for whose sake no call waits. Rare, so it is kept however many refusals wait."""
        self._waiting.append(entry(kind, caller, operation, "", details))

    async def run(self) -> None:
        """Writes what waits, every second."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Writes what waits; it stays if the database is away."""
        rows = list(self._waiting)
        counted, self._passed_over = self._passed_over, Counter()
        for actor, count in counted.items():
            caller = Caller(name=actor, actor=actor)
            rows.append(entry("NOT_RECORDED", caller, "", "", {"refusals": count}))
        if not rows:
            return
        try:
            async with self._database.transaction() as connection:
                await connection.executemany(INSERT, rows)
        except Exception as away:
            log.warning("audit entries wait: %s", away or type(away).__name__)
            self._passed_over += counted
            return
        for _ in range(len(rows) - len(counted)):
            self._waiting.popleft()
