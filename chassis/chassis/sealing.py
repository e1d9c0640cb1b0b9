"""Sealing: published events and audit entries are added to the chain, one writer at a time, so that there is one chain
and no gap in it. The relay seals the events it has published, `Sealing` audit entries, whether or not NATS is there."""

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg

from chassis.database import Database
from chassis.seals import ENTRY, EVENT, FIRST, content_digest, metadata_digest, seal
from chassis.spine import AUDIT_ENTRY, OUTBOX, audit_seal
from chassis.telemetry import log

BATCH = 500
EVERY_SECONDS = 1.0
# Of all replicas of a service, one at a time publishes or seals.
TURN_LOCK = 7226002
WAIT_FOR_TURN = f"SELECT pg_advisory_xact_lock({TURN_LOCK})"

HEAD = (
    "SELECT head.number, head.seal, ARRAY(SELECT id::text FROM audit_seal WHERE id = any($1::uuid[])) AS known"
    " FROM (SELECT 1) one LEFT JOIN LATERAL"
    " (SELECT number, seal FROM audit_seal ORDER BY number DESC LIMIT 1) head ON true"
)
COLUMNS = [column.name for column in audit_seal.columns if column.name != "seal_time"]
ADD = (
    f"INSERT INTO audit_seal ({', '.join(COLUMNS)}, seal_time) SELECT *, now() FROM unnest($1::bigint[], $2::uuid[],"
    " $3::text[], $4::text[], $5::text[], $6::bytea[], $7::bytea[], $8::bytea[])"
)
# A day is more than any transaction lasts: what is older is sealed, or waits for the look at all of it when a relay
# begins.
ENTRIES = (
    f"SELECT {AUDIT_ENTRY} FROM audit_entry e WHERE ($2::boolean OR record_time > now() - interval '1 day')"
    " AND NOT EXISTS (SELECT FROM audit_seal s WHERE s.id = e.id) ORDER BY id LIMIT $1::bigint"
)
EVENTS = (
    f"SELECT {OUTBOX} FROM outbox o WHERE position IS NOT NULL"
    " AND NOT EXISTS (SELECT FROM audit_seal s WHERE s.id = o.id) ORDER BY position LIMIT $1::bigint"
)


class Sealing:
    """Audit entries join the chain about once in a second."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._whole = True  # what an earlier process left unsealed

    async def run(self) -> None:
        """Seals until cancelled; entries wait while the database is away."""
        while True:
            more = False
            try:
                more = await self._batch()
            except Exception as away:
                log.warning("audit entries are not sealed yet: %s", away or type(away).__name__)
            if not more:
                await asyncio.sleep(EVERY_SECONDS)

    async def _batch(self) -> bool:
        """Whether there may be more."""
        async with self._database.transaction() as connection:
            await connection.execute(WAIT_FOR_TURN)
            more = await seal_entries(connection, whole=self._whole) >= BATCH
        self._whole = self._whole and more
        return more


async def seal_rows(connection: asyncpg.Connection, kind: str, rows: Sequence[Any]) -> None:
    """Adds those rows that are not in the chain yet, in their order."""
    head = await connection.fetchrow(HEAD, [row["id"] for row in rows])
    number, previous, known = head["number"] or 0, head["seal"] or FIRST, set(head["known"])
    links = []
    for row in rows:
        row_id = str(row["id"])
        if row_id in known:
            continue
        number += 1
        metadata, content = metadata_digest(kind, row), content_digest(kind, row)
        previous = seal(previous, number, kind, row_id, metadata, content)
        links.append((number, row_id, kind, row["subject"], row["actor"], metadata, content, previous))
    if links:
        await connection.execute(ADD, *map(list, zip(*links, strict=True)))


async def seal_entries(connection: asyncpg.Connection, *, whole: bool) -> int:
    """Adds audit entries; with `whole` also those that an earlier process left, and events from before there was a
    chain. Answers how many it looked at: a full batch means there may be more."""
    events = await connection.fetch(EVENTS, BATCH) if whole else []
    entries = await connection.fetch(ENTRIES, BATCH, whole)
    for kind, rows in ((EVENT, events), (ENTRY, entries)):
        if rows:
            await seal_rows(connection, kind, rows)
    return max(len(events), len(entries))
