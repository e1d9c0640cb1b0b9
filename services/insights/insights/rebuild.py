"""The rebuild: everything once more from the outboxes of all services, beside the live data, and compared with it.

One connection of its own holds temporary tables named like the live ones. They come first in its search path, so the
statement that writes the live tables writes these, and not a line of the projection exists twice.
"""

import asyncio
import hashlib
from collections import defaultdict
from dataclasses import replace
from typing import Any

import asyncpg
from chassis.errors import Aborted, ResourceExhausted
from chassis.events import Event, decode, types_of
from chassis.records import names
from chassis.settings import SERVICES, upstream
from chassis.telemetry import log
from chassis.work import Context
from crm.chassis.v1 import chassis_pb2
from crm.insights.v1 import insights_pb2
from sqlalchemy import Table

from chassis import figures, spine
from insights import lead_facts
from insights.projection import effect
from insights.tables import COUNTED, customers, freshness, records, timeline

READ_EVENTS = "crm.chassis.v1.EventLogService/ReadEvents"
AT_ONCE = 1000  # events a call and a transaction
OVERLAP = 1000  # positions read again each round: a batch published by another replica may have committed late
REST_SECONDS = 20.0  # how long the live data may take to catch up with what was read
ROUND_SECONDS = 0.2

COMPARED = (customers, records, timeline, *lead_facts.TABLES)
SHADOWED = (spine.inbox, *COMPARED, freshness)  # freshness says when events came, which is never twice the same
UNCOMPARED = frozenset({"epoch"})  # of the messages that came; an outbox only knows its database's present one

TAKE_IN = (
    "INSERT INTO inbox (event_id, receive_time) SELECT id, now() FROM unnest($1::uuid[]) AS taken(id)"
    " ON CONFLICT DO NOTHING RETURNING event_id"
)
ONLY_IN = (
    "SELECT count(*) FROM {0}.inbox one WHERE NOT EXISTS (SELECT FROM {1}.inbox two WHERE two.event_id = one.event_id)"
)
NOT_APPLIED = ONLY_IN.format("pg_temp", "public")  # read from an outbox, but the live data does not have it yet
UNREAD = (  # the live data has it, but no outbox that was read
    "SELECT one.event_id FROM public.inbox one"
    " WHERE NOT EXISTS (SELECT FROM pg_temp.inbox two WHERE two.event_id = one.event_id)"
)


class SourcesRestless(Aborted):
    """The sources did not come to rest in time, or events are missing for good; see the dead letters."""


async def rebuild(context: Context, *, repair: bool) -> insights_pb2.RebuildInsightsResponse:
    """Both digests, and with `repair` the live data replaced if they differ. SourcesRestless if live data and
    outboxes do not hold the same events within 20 seconds. With `repair` the live data may lack some, and what no
    outbox has any more, since its database was restored to an earlier moment, is forgotten."""
    async with context.database.session() as connection:
        copy = Copy(context, connection)
        await copy.begin()
        loop = asyncio.get_running_loop()
        until = loop.time() + REST_SECONDS
        while True:
            await copy.read()
            late = loop.time() > until
            answer = await copy.compare(may_differ=repair and late)
            if answer is not None:
                break
            if late:
                raise SourcesRestless(skipped=", ".join(copy.skipped) or "none")
            await asyncio.sleep(ROUND_SECONDS)
        if repair and (answer.differing_tables or answer.forgotten_events):
            await copy.replace()
        return answer


class Copy:
    """The second building of everything, in temporary tables."""

    def __init__(self, context: Context, connection: asyncpg.Connection) -> None:
        self._context, self._connection = context, connection
        self._at_once = AT_ONCE
        others = [service for service in SERVICES if service != context.service]
        self._positions = {service: 0 for service in others if upstream(service)}
        self._lost: set[Any] = set()  # events that the live data took in and no outbox has
        self.skipped = [service for service in others if service not in self._positions]

    async def begin(self) -> None:
        if self.skipped:
            log.warning("not part of this installation, so not read: %s", ", ".join(self.skipped))
        for table in SHADOWED:
            await self._connection.execute(f"CREATE TEMP TABLE {table.name} (LIKE public.{table.name} INCLUDING ALL)")

    async def read(self) -> None:
        """Applies what the outboxes hold and we have not applied yet. What only a later release knows goes by."""
        for service, last in self._positions.items():
            after = max(0, last - OVERLAP)
            while read := await self._ask(service, after):
                await self._apply([_decoded(one) for one in read if one.headers["ce-type"] in types_of(service)])
                after = read[-1].position
            self._positions[service] = max(last, after)

    async def _ask(self, service: str, after: int) -> list[chassis_pb2.Event]:
        """The next events of a service, none at the end; fewer at once from when an answer was too large."""
        while True:
            request = chassis_pb2.ReadEventsRequest(after=after, limit=self._at_once)
            try:
                answer = await self._context.neighbours.call(
                    service, READ_EVENTS, request, chassis_pb2.ReadEventsResponse
                )
            except ResourceExhausted:
                if self._at_once == 1:
                    raise
                self._at_once //= 10
                continue
            return list(answer.events)

    async def _apply(self, events: list[Event]) -> None:
        async with self._connection.transaction():
            taken = await self._connection.fetch(TAKE_IN, [event.id for event in events])
            fresh = {str(row["event_id"]) for row in taken}
            batches: defaultdict[str, list[Any]] = defaultdict(list)
            for event in events:
                known = event.id not in fresh
                if not known or event.erasure:
                    sql, *arguments = effect(replace(event, again=known))
                    batches[sql].append(arguments)
            for sql, rows in batches.items():
                await self._connection.executemany(sql, rows)

    async def compare(self, *, may_differ: bool) -> insights_pb2.RebuildInsightsResponse | None:
        """Both digests of one moment; None while the live data and this copy do not hold the same events."""
        async with self._connection.transaction(isolation="repeatable_read"):
            unread = {row["event_id"] for row in await self._connection.fetch(UNREAD)}
            # A service that was not asked has not lost what it told.
            if unread and (not may_differ or self.skipped):
                return None
            if not may_differ and await self._connection.fetchval(NOT_APPLIED):
                return None
            self._lost = unread
            live = {table.name: await self._digest("public", table) for table in COMPARED}
            built = {table.name: await self._digest("pg_temp", table) for table in COMPARED}
            live["figures"] = await self._hashed(figures.KEPT)
            built["figures"] = await self._hashed(figures.recounted(COUNTED))
            return insights_pb2.RebuildInsightsResponse(
                live_digest=_digest_of(live),
                rebuilt_digest=_digest_of(built),
                events=await self._connection.fetchval("SELECT count(*) FROM pg_temp.inbox"),
                differing_tables=[name for name in live if live[name] != built[name]],
                forgotten_events=len(unread),
            )

    async def _digest(self, schema: str, table: Table) -> str:
        """Of the rows in the order of their keys."""
        columns = ", ".join(name for name in table.columns.keys() if name not in UNCOMPARED)  # noqa: SIM118
        keys = ", ".join(table.primary_key.columns.keys())
        return await self._hashed(f"SELECT ROW({columns})::text AS row FROM {schema}.{table.name} ORDER BY {keys}")

    async def _hashed(self, sql: str) -> str:
        """SHA-256 over rows as Postgres writes them."""
        digest = hashlib.sha256()
        async for row in self._connection.cursor(sql, prefetch=AT_ONCE):
            digest.update(row["row"].encode() + b"\n")
        return digest.hexdigest()

    async def replace(self) -> None:
        """Replaces the live data by this copy. The lock on the inbox keeps every reaction out meanwhile: each begins
        there, so none is half done."""
        async with self._connection.transaction():
            await self._connection.execute("LOCK TABLE public.inbox IN EXCLUSIVE MODE")
            unread = {row["event_id"] for row in await self._connection.fetch(UNREAD)}
            if unread - self._lost:
                raise SourcesRestless()
            for table in COMPARED:
                await self._connection.execute(f"DELETE FROM public.{table.name}")
                await self._connection.execute(_copied(table))
            for sql in figures.replaced(COUNTED):
                await self._connection.execute(sql)
            await self._connection.execute(f"{_copied(spine.inbox)} ON CONFLICT DO NOTHING")
            await self._connection.execute("DELETE FROM public.inbox WHERE event_id = any($1::uuid[])", list(unread))


def _copied(table: Table) -> str:
    columns = names(table.columns.keys())
    return f"INSERT INTO public.{table.name} ({columns}) SELECT {columns} FROM pg_temp.{table.name}"


def _decoded(event: chassis_pb2.Event) -> Event:
    return decode(dict(event.headers), event.payload, event.position)


def _digest_of(tables: dict[str, str]) -> str:
    return hashlib.sha256("".join(f"{name} {digest}\n" for name, digest in tables.items()).encode()).hexdigest()
