"""Catching up: what the stream will not bring any more is read from the producer itself.

The stream brings everything but in three cases. This database was restored to an earlier moment: the durable remembers
what was acknowledged for what is gone. Or this service is new, and the beginning of the stream has expired. Both show
before the first pull: the durable, or the stream's first message, is further than the mark kept here. Or this release
listens to a type of event that an earlier one did not know, or did not react to, and passed over.
"""

import asyncio
from collections.abc import Sequence

from crm.chassis.v1 import chassis_pb2
from nats.js import JetStreamContext

from chassis import telemetry
from chassis.errors import DatabaseAway
from chassis.events import JunkEvent, decode, stream
from chassis.inbox import Inbox, span
from chassis.outbox import told
from chassis.settings import upstream
from chassis.telemetry import log
from chassis.work import Context

BATCH = 500
RUN = 25  # events that share a transaction
TRIES = 4  # of an event that fails
BACKOFF_SECONDS = 0.2
READ_SECONDS = 20.0
READ = "crm.chassis.v1.EventLogService/ReadEvents"
HEARD = "SELECT type FROM heard WHERE producer = $1::text"
HEAR = "INSERT INTO heard (producer, type) SELECT $1::text, unnest($2::text[]) ON CONFLICT DO NOTHING"
MARKED = "SELECT epoch, position FROM inbox_mark WHERE producer = $1::text"


class CatchUp:
    """Closes the gap between what is applied here and what one producer's stream still brings."""

    def __init__(self, inbox: Inbox, context: Context, producer: str, jetstream: JetStreamContext) -> None:
        self._inbox, self._context, self._producer, self._jetstream = inbox, context, producer, jetstream
        self._is_us = producer == context.service  # a service may listen to itself
        self._can_be_asked = self._is_us or bool(upstream(producer))

    async def run(self) -> None:
        """Returns when nothing is missing. Raises the error tree if the producer cannot be asked: try again later."""
        marked = await self._marked()
        await self._close_gap(marked)
        # Without a mark there was no earlier release: everything was read just now, or the stream brings it.
        await self.hear(history=marked > 0)

    async def hear(self, *, history: bool = True) -> None:
        """Begins to listen to the types that are not heard yet; with `history` the producer is asked for what it said
        of them before. What was applied already is not applied again."""
        rows = await self._context.database.fetch(HEARD, [self._producer])
        new = self._inbox.heard(self._producer) - {row["type"] for row in rows}
        if not new or not self._can_be_asked:
            return
        marked = await self._marked()
        after = await self._read_of(new, 0) if history else 0
        await self._context.database.fetch(HEAR, [self._producer, sorted(new)])
        if history:
            await self._read_of(new, after)  # what an older replica passed over before it could note that
            await self._inbox.mark(self._producer, marked)  # the old events marked a place far back

    async def _read_of(self, types: set[str], after: int) -> int:
        """Applies what the producer said of these types after a position; answers the position it ended at."""
        while read := await self._read(after):
            wanted = [one for one in read if one.headers["ce-type"] in types]
            for start in range(0, len(wanted), RUN):
                await self._apply(wanted[start : start + RUN])
            after = read[-1].position
        return after

    async def _close_gap(self, marked: int) -> None:
        brings_after = await self._brings_after()
        if marked >= brings_after or not self._can_be_asked:
            return
        log.warning("reading what %s said between %d and %d from itself", self._producer, marked, brings_after)
        while marked < brings_after:
            read = await self._read(marked)
            if not read:
                break
            known = self._inbox.heard(self._producer)
            heard = [one for one in read if one.headers["ce-type"] in known]
            if len(heard) < len(read):
                await self._inbox.pass_over(self._producer, {one.headers["ce-type"] for one in read} - known)
            for start in range(0, len(heard), RUN):
                await self._apply(heard[start : start + RUN])
            marked = read[-1].position
        await self._inbox.mark(self._producer, max(marked, brings_after))

    async def _marked(self) -> int:
        """The position up to which this database has everything. A restored one (a new epoch) begins anew: what it has
        is in its inbox."""
        rows = await self._context.database.fetch(MARKED, [self._producer])
        same = bool(rows) and str(rows[0]["epoch"]) == self._context.database.epoch
        return int(rows[0]["position"]) if same else 0

    async def _brings_after(self) -> int:
        """The position after which the stream brings everything."""
        durable = await self._jetstream.consumer_info(stream(self._producer), self._context.service)
        kept = await self._jetstream.stream_info(stream(self._producer))
        acknowledged = durable.ack_floor.stream_seq if durable.ack_floor else 0
        return max(acknowledged, kept.state.first_seq - 1)

    async def _read(self, after: int) -> list[chassis_pb2.Event]:
        if self._is_us:
            return await told(self._producer, self._context.database, after, BATCH)
        request = chassis_pb2.ReadEventsRequest(after=after, limit=BATCH)
        answer = await self._context.neighbours.call(
            self._producer, READ, request, chassis_pb2.ReadEventsResponse, deadline_seconds=READ_SECONDS
        )
        return list(answer.events)

    async def _apply(self, run: Sequence[chassis_pb2.Event]) -> None:
        try:
            events = [decode(dict(one.headers), one.payload, one.position) for one in run]
            await self._inbox.apply_together(events)
        except Exception as failed:
            log.info("a run of %d events is taken one by one: %s", len(run), failed or type(failed).__name__)
            for one in run:
                await self._one(one)

    async def _one(self, one: chassis_pb2.Event) -> None:
        """Nobody delivers these again: what fails each time becomes a dead letter here."""
        values = dict(one.headers)
        try:
            event = decode(values, one.payload, one.position)
        except JunkEvent as junk:
            await self._inbox.bury(values, one.payload, 1, junk, telemetry.trace_id())
            return
        for attempt in range(TRIES):
            with span(event):
                try:
                    await self._inbox.apply(event)
                    return
                except DatabaseAway:
                    raise
                except Exception as error:
                    failed, trace_id = error, telemetry.trace_id()
            await asyncio.sleep(BACKOFF_SECONDS * 4**attempt)
        await self._inbox.bury(values, one.payload, TRIES, failed, trace_id)
