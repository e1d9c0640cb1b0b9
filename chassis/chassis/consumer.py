"""The consumer: pulls the events of one producer and acknowledges each after its effect is committed.

What fails is delivered again with growing delays, then becomes a dead letter; the stream goes on. So does what kills
the process: its dead letter is written before the last try. When it begins, and after each connection, it first asks
whether the stream still brings everything this database lacks (catch_up).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import ConsumerInfo

from chassis import telemetry
from chassis.catch_up import CatchUp
from chassis.errors import CrmError, DatabaseAway
from chassis.events import Event, JunkEvent, decode, is_event, stream
from chassis.inbox import Inbox, span
from chassis.telemetry import log
from chassis.values import is_uuid
from chassis.work import Context

BATCH = 200
RUN = 25  # events that share a transaction
PULL_SECONDS = 5.0
MOST_DELIVERIES = 6
BACKOFF_SECONDS = (0.2, 1, 3, 10, 30)
IN_PROGRESS_SECONDS = 3.0
HEAR_SECONDS = 60.0
MOST_ASKED = 1000
AWAY_SECONDS = 0.5  # between two looks for a database that is away

T = TypeVar("T")


class Stopping(Exception):
    """The process drains: what is not applied yet is for the next one."""


class NeverEnded(Exception):
    """The last try was begun, and nothing says how it ended."""


class Consumer:
    """Pulls one producer's stream through a durable named after this service."""

    def __init__(self, inbox: Inbox, context: Context, producer: str, client: Client) -> None:
        self._inbox, self._service, self.producer = inbox, context.service, producer
        self._jetstream: JetStreamContext = client.jetstream()
        self._heard = inbox.heard(producer)
        self._catch_up = CatchUp(inbox, context, producer, self._jetstream)
        self._stopping = False
        self._heard_until = 0.0
        self.applied = self.failed = 0  # events, and tries that failed
        self._asked: dict[str, int] = {}  # `since` → the stream's last position then

    async def run(self) -> None:
        """Pulls until stopped; waits and goes on when NATS is away or the durable is not made yet."""
        subscription = None
        while not self._stopping:
            try:
                if subscription is None:
                    await self._catch_up.run()
                    subscription = await self._jetstream.pull_subscribe_bind(
                        durable=self._service, stream=stream(self.producer)
                    )
                    self._heard_until = time.monotonic() + HEAR_SECONDS
                elif time.monotonic() > self._heard_until:
                    # An older replica may have passed over what this one listens to.
                    await self._catch_up.hear()
                    self._heard_until = time.monotonic() + HEAR_SECONDS
                batch = await subscription.fetch(BATCH, timeout=PULL_SECONDS)
            except (nats.errors.TimeoutError, TimeoutError):
                continue
            except (nats.errors.Error, nats.js.errors.Error, OSError, CrmError) as away:
                log.warning("no events from %s: %s", self.producer, away)
                subscription = None
                await asyncio.sleep(1)
                continue
            try:
                await self._apply_batch(batch)
            except (nats.errors.Error, OSError) as away:
                log.warning("a batch of %s could not be acknowledged; it comes again: %s", self.producer, away)

    async def in_flight(self, since: str) -> int:
        """How many events may still be applied here of those that were published before the first question with this
        `since`. 1 stands for an unknown number. However many come after, the answer is 0 at last."""
        try:
            kept = await self._jetstream.stream_info(stream(self.producer))
            durable = await self._jetstream.consumer_info(stream(self.producer), self._service)
        except (nats.errors.Error, nats.js.errors.Error, OSError):
            return 1
        if len(self._asked) >= MOST_ASKED:
            self._asked.clear()
        wanted = self._asked.setdefault(since, kept.state.last_seq)
        done = durable.ack_floor.stream_seq if durable.ack_floor else 0
        return _not_taken_in(durable) if done < wanted else 0

    async def waiting(self) -> int:
        """How many events this service has yet to take in, whichever replica does. Raises what NATS raises."""
        return _not_taken_in(await self._jetstream.consumer_info(stream(self.producer), self._service))

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
            return
        heard = [message for message in run if not self._unheard(message)]
        if heard and not await self._together(heard):
            for message in heard:
                await self._one(message)
        if len(heard) < len(run):
            await self._pass_over([message for message in run if self._unheard(message)])

    def _unheard(self, message: Msg) -> bool:
        """An event of a later release, or one that only a later release of this service reacts to."""
        headers = message.headers or {}
        whole = is_event(message.subject, self.producer) and is_uuid(headers.get("ce-id", ""))
        return whole and headers.get("ce-type") == message.subject and message.subject not in self._heard

    async def _pass_over(self, messages: list[Msg]) -> None:
        """Left alone, not lost: the producer keeps them, and this database knows that it has not heard them."""
        try:
            await self._inbox.pass_over(self.producer, {message.subject for message in messages})
        except DatabaseAway:
            for message in messages:
                await message.nak(delay=AWAY_SECONDS)
            return
        for message in messages:
            await message.ack()

    async def _together(self, run: list[Msg]) -> bool:
        """A run of events in one transaction, which shares the cost of its commit. If anything in it fails, nothing
        was done: False, and each is taken by itself."""
        if len(run) == 1 or any(_deliveries(message) > 1 for message in run):
            return False  # one of those that come again may have ended the process: no others go down with it
        try:
            events = [_event(message) for message in run]
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
            event = _event(message)
        except JunkEvent as junk:
            await self._bury(message, junk, telemetry.trace_id())
            return
        last = _deliveries(message) >= MOST_DELIVERIES
        with span(event):
            try:
                if last and not await self._patiently(self._bury_ahead, message):
                    await self._finish(message)  # the last try was made before
                    return
                await self._patiently(self._inbox.apply, event)
                if last:
                    await self._patiently(self._inbox.exhume, event.id)
                await message.ack()
                self.applied += 1
                return
            except Stopping:
                await message.nak()
                return
            except Exception as failed:
                error, trace_id = failed, telemetry.trace_id()
        self.failed += 1
        log.error("event %s %s failed", event.type, event.id, exc_info=error)
        if last:
            await self._bury(message, error, trace_id)
        else:
            await message.nak(delay=BACKOFF_SECONDS[min(_deliveries(message), len(BACKOFF_SECONDS)) - 1])

    async def _patiently(self, act: Callable[[Any], Awaitable[T]], subject: Any) -> T:
        """A database that is away is not the event's fault: it waits here, and no delivery counts against it."""
        while not self._stopping:
            try:
                return await act(subject)
            except DatabaseAway:
                await asyncio.sleep(AWAY_SECONDS)
        raise Stopping()

    async def _bury_ahead(self, message: Msg) -> bool:
        """Writes the dead letter before the last try, which may end the process. False if there is one already."""
        error = NeverEnded("the last try began and did not end: it runs now, or its process died")
        return await self._inbox.bury(_headers(message), message.data, _deliveries(message), error, "", ahead=True)

    async def _bury(self, message: Msg, error: Exception, trace_id: str) -> None:
        """A dead letter; the stream goes on."""
        try:
            await self._inbox.bury(_headers(message), message.data, _deliveries(message), error, trace_id)
        except Exception as away:
            log.error("a dead letter could not be kept; it is delivered again", exc_info=away)
            await message.nak(delay=5)
            return
        log.error("an event on %s is a dead letter: %s", message.subject, error)
        await self._finish(message)

    async def _finish(self, message: Msg) -> None:
        """Done with: neither delivered again nor read again by a process that catches up when it begins."""
        try:
            await self._inbox.mark(self.producer, message.metadata.sequence.stream)
        except DatabaseAway:
            await message.nak(delay=5)
            return
        await message.term()


def _not_taken_in(durable: ConsumerInfo) -> int:
    return (durable.num_pending or 0) + (durable.num_ack_pending or 0)


def _deliveries(message: Msg) -> int:
    return message.metadata.num_delivered or 1


def _headers(message: Msg) -> dict[str, str]:
    """The headers of a message; the subject stands in for a type that is missing."""
    return {"ce-type": message.subject} | dict(message.headers or {})


def _event(message: Msg) -> Event:
    """The event of a message. Who may publish on a subject is guarded by NATS, so a type must not claim another."""
    values = dict(message.headers or {})
    if values.get("ce-type", message.subject) != message.subject:
        raise JunkEvent(f"not an event of the suite: on {message.subject} stands a {values['ce-type']}")
    return decode(values, message.data, message.metadata.sequence.stream)
