"""The consumer: pulls the events of one producer and acknowledges each after its effect is committed.

What fails is delivered again with growing delays, then becomes a dead letter; the stream goes on. When it begins, and
after each connection, it first asks whether the stream still brings everything this database lacks (catch_up).
"""

import asyncio
from collections.abc import Callable

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from chassis import telemetry
from chassis.catch_up import CatchUp
from chassis.errors import CrmError, DatabaseAway
from chassis.events import Event, JunkEvent, decode, stream
from chassis.inbox import Inbox, span
from chassis.telemetry import log
from chassis.work import Context

BATCH = 200
RUN = 25  # events that share a transaction
PULL_SECONDS = 5.0
MOST_DELIVERIES = 6
BACKOFF_SECONDS = (0.2, 1, 3, 10, 30)
IN_PROGRESS_SECONDS = 3.0
AWAY_SECONDS = 0.5  # between two looks for a database that is away


class Stopping(Exception):
    """The process drains: what is not applied yet is for the next one."""


class Consumer:
    """Pulls one producer's stream through a durable named after this service."""

    def __init__(
        self, inbox: Inbox, context: Context, producer: str, client: Client, committed: Callable[[], None]
    ) -> None:
        """`committed` is called after each batch: its reactions may have written events."""
        self._inbox, self._service, self._producer = inbox, context.service, producer
        self._committed = committed
        self._jetstream: JetStreamContext = client.jetstream()
        self._catch_up = CatchUp(inbox, context, producer, self._jetstream)
        self._stopping = False
        self.applied = 0

    async def run(self) -> None:
        """Pulls until stopped; waits and goes on when NATS is away or the durable is not made yet."""
        subscription = None
        while not self._stopping:
            try:
                if subscription is None:
                    await self._catch_up.run()
                    subscription = await self._jetstream.pull_subscribe_bind(
                        durable=self._service, stream=stream(self._producer)
                    )
                batch = await subscription.fetch(BATCH, timeout=PULL_SECONDS)
            except (nats.errors.TimeoutError, TimeoutError):
                continue
            except (nats.errors.Error, nats.js.errors.Error, OSError, CrmError) as away:
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
            await self._inbox.apply_together(events)
        except Exception as failed:
            log.info("a run of %d events is taken one by one: %s", len(run), failed or type(failed).__name__)
            return False
        for message in run:
            await message.ack()
        self.applied += len(run)
        return True

    async def _one(self, message: Msg) -> None:
        try:
            event = decode(dict(message.headers or {}), message.data, message.metadata.sequence.stream)
        except JunkEvent as junk:
            await self._bury(message, junk, telemetry.trace_id())
            return
        with span(event):
            try:
                await self._applied_or_stopped(event)
                await message.ack()
                self.applied += 1
                return
            except Stopping:
                await message.nak()
                return
            except Exception as failed:
                error, trace_id = failed, telemetry.trace_id()
        log.error("event %s %s failed", event.type, event.id, exc_info=error)
        deliveries = message.metadata.num_delivered or 1
        if deliveries >= MOST_DELIVERIES:
            await self._bury(message, error, trace_id)
        else:
            await message.nak(delay=BACKOFF_SECONDS[min(deliveries, len(BACKOFF_SECONDS)) - 1])

    async def _applied_or_stopped(self, event: Event) -> None:
        """A database that is away is not the event's fault: it waits here, and no delivery counts against it."""
        while not self._stopping:
            try:
                await self._inbox.apply(event)
                return
            except DatabaseAway:
                await asyncio.sleep(AWAY_SECONDS)
        raise Stopping()

    async def _bury(self, message: Msg, error: Exception, trace_id: str) -> None:
        """A dead letter; the stream goes on."""
        position, deliveries = message.metadata.sequence.stream, message.metadata.num_delivered or 1
        values = {"ce-type": message.subject} | dict(message.headers or {})
        try:
            await self._inbox.bury(values, message.data, deliveries, error, trace_id)
            await self._inbox.mark(self._producer, position)
        except Exception as away:
            log.error("a dead letter could not be kept; it is delivered again", exc_info=away)
            await message.nak(delay=5)
            return
        await message.term()
