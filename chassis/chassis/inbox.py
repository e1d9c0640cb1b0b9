"""The consumer: takes events of other services, runs each reaction once, and gives up on what never works.

The inbox row is written in the reaction's own transaction and the message acknowledged only after its commit, so an
event delivered twice has one effect. What fails every delivery becomes a dead letter; the stream goes on.
"""

import asyncio
from collections.abc import Callable, Sequence

import asyncpg
import msgspec
import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from chassis import telemetry
from chassis.database import Database
from chassis.errors import DatabaseAway
from chassis.events import Event, JunkEvent, Keep, Reaction, decode, stream
from chassis.identity import service_caller
from chassis.telemetry import log
from chassis.values import is_uuid, new_id
from chassis.work import Context, Work
from chassis.writing import LostRace

BATCH = 200
RUN = 25  # events that share a transaction
PULL_SECONDS = 5.0
MOST_DELIVERIES = 6
BACKOFF_SECONDS = (0.2, 1, 3, 10, 30)
RACES = 5  # tries before a lost race counts as a failed delivery
IN_PROGRESS_SECONDS = 10.0

TAKE_IN = (
    "INSERT INTO inbox (event_id, receive_time) SELECT id, now() FROM unnest($1::uuid[]) AS arrived(id)"
    " ON CONFLICT DO NOTHING RETURNING event_id::text"
)
NEWER = (
    "INSERT INTO inbox_latest (reaction, subject, epoch, version) VALUES ($1::text, $2::text, $3::uuid, $4::bigint)"
    " ON CONFLICT (reaction, subject) DO UPDATE SET epoch = excluded.epoch, version = excluded.version"
    " WHERE excluded.epoch > inbox_latest.epoch"
    " OR (excluded.epoch = inbox_latest.epoch AND excluded.version > inbox_latest.version) RETURNING 1"
)
BURY = (
    "INSERT INTO dead_letter (event_id, type, subject, headers, payload, error, trace_id, deliveries, create_time)"
    " VALUES ($1::uuid, $2::text, $3::text, $4::jsonb, $5::bytea, $6::text, $7::text, $8::integer, now())"
    " ON CONFLICT (event_id) DO UPDATE SET error = excluded.error, deliveries = excluded.deliveries"
)


class Inbox:
    """Applies events to this service, whoever brings them: the stream, a replay, a rebuild."""

    def __init__(self, context: Context, reactions: Sequence[Reaction]) -> None:
        self._context, self.reactions = context, list(reactions)
        # Streams take turns: two transactions that touch the same rows in another order would lock each other up,
        # and a process has but one thread to spend.
        self.turn = asyncio.Lock()

    def reacting(self, type_name: str) -> list[Reaction]:
        return [reaction for reaction in self.reactions if not reaction.types or type_name in reaction.types]

    async def apply(self, event: Event) -> bool:
        """Runs the reactions to one event in one transaction; False if it had been applied before."""
        for attempt in range(RACES):
            try:
                async with self.turn, self._context.database.transaction() as connection:
                    return await self.apply_on(connection, event)
            except LostRace:
                if attempt == RACES - 1:
                    raise
                await asyncio.sleep(0.01 * 2**attempt)
        return False

    async def apply_on(self, connection: asyncpg.Connection, event: Event) -> bool:
        """The same on a connection whose transaction the caller holds."""
        fresh = await self.take_in(connection, [event])
        for one in fresh:
            await self.react(connection, one)
        return bool(fresh)

    async def take_in(self, connection: asyncpg.Connection, events: list[Event]) -> list[Event]:
        """Marks events as received; returns those that had not been, each once, in order."""
        rows = await connection.fetch(TAKE_IN, [event.id for event in events])
        fresh = {row["event_id"] for row in rows}
        return list({event.id: event for event in events if event.id in fresh}.values())

    async def react(self, connection: asyncpg.Connection, event: Event) -> None:
        caller = service_caller(self._context.service)
        for reaction in self.reacting(event.type):
            if reaction.keep is Keep.LATEST and not await connection.fetchval(
                NEWER, reaction.name, event.subject, event.epoch, event.version
            ):
                continue
            work = Work(self._context, caller, operation=reaction.name, event=event, connection=connection)
            await reaction.run(event.message, work)
            work.prepare()
            await work.commit()


class Consumer:
    """Pulls one producer's stream through a durable named after this service."""

    def __init__(
        self,
        inbox: Inbox,
        service: str,
        producer: str,
        database: Database,
        client: Client,
        committed: Callable[[], None],
    ) -> None:
        """`committed` is called after each batch: its reactions may have written events."""
        self._inbox, self._service, self._producer, self._database = inbox, service, producer, database
        self._committed = committed
        self._jetstream: JetStreamContext = client.jetstream()
        self._stopping = False
        self.applied = 0

    async def run(self) -> None:
        """Pulls until stopped; waits and goes on when NATS is away or the durable is not made yet."""
        subscription = None
        while not self._stopping:
            try:
                if subscription is None:
                    subscription = await self._jetstream.pull_subscribe_bind(
                        durable=self._service, stream=stream(self._producer)
                    )
                batch = await subscription.fetch(BATCH, timeout=PULL_SECONDS)
            except (nats.errors.TimeoutError, TimeoutError):
                continue
            except (nats.errors.Error, nats.js.errors.Error, OSError) as away:
                log.warning("no events from %s: %s", self._producer, away)
                subscription = None
                await asyncio.sleep(1)
                continue
            try:
                await self._apply_batch(batch)
            except (nats.errors.Error, OSError) as away:
                log.warning("a batch of %s could not be acknowledged; it comes again: %s", self._producer, away)
            self._committed()

    def stop(self) -> None:
        self._stopping = True

    async def _apply_batch(self, batch: list[Msg]) -> None:
        """In the order of the stream, in runs that share a transaction."""
        still_at_it = asyncio.create_task(self._keep_alive(batch))
        try:
            for start in range(0, len(batch), RUN):
                await self._run(batch[start : start + RUN])
        finally:
            still_at_it.cancel()

    async def _keep_alive(self, batch: list[Msg]) -> None:
        """Tells the server that a slow batch is being worked on, so that it is not delivered again."""
        while True:
            await asyncio.sleep(IN_PROGRESS_SECONDS)
            for message in batch:
                if not message.is_acked:
                    await message.in_progress()

    async def _run(self, run: list[Msg]) -> None:
        if self._stopping:
            for message in run:
                await message.nak()
        elif not await self._together(run):
            for message in run:
                await self._one(message)

    async def _together(self, run: list[Msg]) -> bool:
        """A run of events in one transaction, which shares the cost of its commit. If anything in it fails, nothing
        was done: False, and each is taken by itself."""
        if len(run) == 1:
            return False
        try:
            events = [decode(dict(m.headers or {}), m.data, m.metadata.sequence.stream) for m in run]
            async with self._inbox.turn, self._database.transaction() as connection:
                for event in await self._inbox.take_in(connection, events):
                    with _span(event):
                        await self._inbox.react(connection, event)
        except Exception as failed:
            log.info("a run of %d events is taken one by one: %s", len(run), failed or type(failed).__name__)
            return False
        for message in run:
            await message.ack()
        self.applied += len(run)
        return True

    async def _one(self, message: Msg) -> None:
        deliveries = message.metadata.num_delivered or 1
        values = dict(message.headers or {})
        error: Exception
        try:
            event = decode(values, message.data, message.metadata.sequence.stream)
        except JunkEvent as junk:
            await self._bury(message, values, deliveries, junk, telemetry.trace_id())
            return
        with _span(event):
            try:
                await self._inbox.apply(event)
                await message.ack()
                self.applied += 1
                return
            except DatabaseAway:
                await message.nak(delay=1)  # not the event's fault: no delivery is counted against it for good
                return
            except Exception as failed:
                error = failed
            log.error("event %s %s failed", event.type, event.id, exc_info=error)
            if deliveries >= MOST_DELIVERIES:
                await self._bury(message, values, deliveries, error, telemetry.trace_id())
            else:
                await message.nak(delay=BACKOFF_SECONDS[min(deliveries, len(BACKOFF_SECONDS)) - 1])

    async def _bury(
        self, message: Msg, values: dict[str, str], deliveries: int, error: Exception, trace_id: str
    ) -> None:
        """Keeps what cannot be applied, with the reason, and lets the stream go on."""
        event_id = values.get("ce-id", "")
        row = [
            event_id if is_uuid(event_id) else new_id(),
            values.get("ce-type", message.subject),
            values.get("ce-subject", ""),
            msgspec.json.encode(values).decode(),
            message.data,
            f"{type(error).__name__}: {error}"[:2000],
            trace_id,
            deliveries,
        ]
        try:
            await self._database.fetch(BURY, row)
        except Exception as away:
            log.error("a dead letter could not be kept; it is delivered again", exc_info=away)
            await message.nak(delay=5)
            return
        await message.term()


def _span(event: Event) -> telemetry.span:
    """A reaction's span: a trace of its own, linked to the one that led to it."""
    return telemetry.span(
        f"react {event.type}",
        telemetry.SpanKind.CONSUMER,
        traceparent="",
        linked=event.traceparent,
        **{telemetry.EVENT_ID: event.id, telemetry.JOURNEY: event.journey_id, telemetry.RECORD: event.subject},
    )
