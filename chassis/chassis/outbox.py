"""The relay: publishes what the outbox holds, each row at least once, in the order of ids as far as commits allow.

A row is marked with its stream position only after JetStream acknowledged it. The relay remembers which stream it
published to and how far: if NATS came back with an empty folder, or an older one, it publishes again what is missing.
"""

import asyncio
import contextlib
from collections.abc import Callable

import nats.errors
import nats.js.errors
from crm.chassis.v1 import chassis_pb2
from nats.aio.client import Client
from nats.js import JetStreamContext

from chassis.database import Database
from chassis.errors import DatabaseAway
from chassis.events import headers, stream
from chassis.sealing import TURN_LOCK, seal_rows
from chassis.seals import EVENT
from chassis.spine import OUTBOX
from chassis.stream_removal import LOOK_FOR_STRAYS, Removals
from chassis.telemetry import log

BATCH = 500
POLL_SECONDS = 1.0
# Between two batches. An event that comes while nothing else happens is not held up by it; under load, a few more go
# together, here and in each transaction of those who listen.
PAUSE_SECONDS = 0.005
ACK_SECONDS = 5.0
TURN_SECONDS = 0.01  # after another had the turn; it may have looked before our rows were committed
REMOVE_SECONDS = 0.5  # how often it is looked for messages to be removed
CHECK_SECONDS = 5.0  # how often the stream is asked whether it is still the one we know

TRY_TURN = f"SELECT pg_try_advisory_xact_lock({TURN_LOCK})"
TAKE = f"SELECT {OUTBOX} FROM outbox WHERE position IS NULL ORDER BY id LIMIT $1::bigint FOR UPDATE SKIP LOCKED"
MARK = (
    "UPDATE outbox SET position = published.position"
    " FROM unnest($1::uuid[], $2::bigint[]) AS published(id, position) WHERE outbox.id = published.id"
)
KNOWN = "SELECT created, last_position FROM relay_mark WHERE stream = $1::text"
REMEMBER = (
    "INSERT INTO relay_mark (stream, created, last_position) VALUES ($1::text, $2::text, $3::bigint)"
    " ON CONFLICT (stream) DO UPDATE SET created = excluded.created,"
    " last_position = CASE WHEN relay_mark.created = excluded.created"
    " THEN greatest(relay_mark.last_position, excluded.last_position) ELSE excluded.last_position END"
    # A stream only goes up. A first number that was given before means that it lost its end.
    " WHERE relay_mark.created <> excluded.created OR $4::bigint > relay_mark.last_position RETURNING 1"
)
AT = "SELECT id::text FROM outbox WHERE position = $1::bigint"
FORGET = "UPDATE outbox SET position = NULL WHERE position > $1::bigint"
RESET_MARK = "UPDATE relay_mark SET created = $2::text, last_position = $3::bigint WHERE stream = $1::text"
WAITING = "SELECT count(*) AS waiting FROM (SELECT 1 FROM outbox WHERE position IS NULL LIMIT 10000) rows"
OLDEST = (
    "SELECT extract(epoch FROM now() - record_time)::float8 AS age FROM outbox"
    " WHERE position IS NULL ORDER BY id LIMIT 1"
)
READ = f"SELECT {OUTBOX} FROM outbox WHERE position > $1::bigint ORDER BY position LIMIT $2::bigint"


async def told(service: str, database: Database, after: int, limit: int) -> list[chassis_pb2.Event]:
    """What this service published after a position, in order."""
    return [
        chassis_pb2.Event(
            position=row["position"], headers=headers(row, service, database.epoch), payload=row["payload"]
        )
        for row in await database.fetch(READ, [after, limit])
    ]


class StreamRolledBack(Exception):
    """The stream lost its end since we published to it."""


AWAY = (OSError, TimeoutError, nats.errors.Error, DatabaseAway, StreamRolledBack)


class Relay:
    """Runs inside the service process. `wake()` after each commit; polling is only the fallback."""

    def __init__(
        self, service: str, database: Database, client: Client, published: Callable[[], None] = lambda: None
    ) -> None:
        """`published` is called when something was."""
        self._service, self._database, self._client, self._told = service, database, client, published
        self._jetstream: JetStreamContext = client.jetstream(timeout=ACK_SECONDS, publish_async_max_pending=BATCH * 2)
        self._removals, self._removed_until = Removals(service, database, self._jetstream), 0.0
        self._wakeup = asyncio.Event()
        self._stream_known_until = 0.0
        self._created = ""
        self._renumbered = False
        self._stopping = False
        self.looked = self.published = 0  # how often for events, and how many were published

    def wake(self) -> None:
        self._wakeup.set()

    async def run(self) -> None:
        """Publishes until stopped; waits and goes on when the database or NATS is away."""
        while not self._stopping:
            self.looked += 1
            try:
                moved = await self._publish_batch()
                if moved is None:
                    await asyncio.sleep(TURN_SECONDS)
                    continue
                await self._remove_erased()
            except asyncio.CancelledError:
                raise
            except Exception as away:
                expected = isinstance(away, AWAY)
                log.warning("relay waits: %s", away or type(away).__name__, exc_info=None if expected else away)
                self._stream_known_until = 0.0
                moved = 0
                await asyncio.sleep(0.2)
            if moved < BATCH and not self._stopping:
                await asyncio.sleep(PAUSE_SECONDS)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wakeup.wait(), POLL_SECONDS)
                self._wakeup.clear()

    async def stop(self) -> None:
        """Lets the running batch finish."""
        self._stopping = True
        self._wakeup.set()

    async def waiting(self) -> int:
        """How many rows are not published yet, counted up to 10,000."""
        return int((await self._database.fetch(WAITING, []))[0]["waiting"])

    async def oldest_seconds(self) -> float:
        """How long the first of them has waited; 0 if none does."""
        rows = await self._database.fetch(OLDEST, [])
        return float(rows[0]["age"]) if rows else 0.0

    async def _publish_batch(self) -> int | None:
        """How many were published; None if another process has the turn."""
        await self._recognise_stream()
        async with self._database.transaction() as connection:
            # One relay of a service publishes at a time: positions become visible in their order, so that a reader
            # who asks for what comes after a position misses nothing.
            if not await connection.fetchval(TRY_TURN):
                return None
            rows = await connection.fetch(TAKE, BATCH)
            if not rows:
                return 0
            pending = [
                await self._jetstream.publish_async(
                    row["type"], row["payload"], headers=headers(row, self._service, self._database.epoch)
                )
                for row in rows
            ]
            acks = await asyncio.wait_for(asyncio.gather(*pending), ACK_SECONDS)
            await connection.execute(MARK, [row["id"] for row in rows], [ack.seq for ack in acks])
            # What the stream has already, since an earlier try was not heard to succeed, keeps the number of that try.
            new = [ack.seq for ack in acks if not ack.duplicate]
            if new and not await connection.fetchval(
                REMEMBER, stream(self._service), self._created, max(ack.seq for ack in acks), min(new)
            ):
                self._renumbered = True
                raise StreamRolledBack(f"the stream gave number {min(new)} a second time")
            await seal_rows(connection, EVENT, rows)
        self.published += len(rows)
        self._told()
        return len(rows)

    async def _remove_erased(self) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._removed_until:
            await self._removals.work_off()
            self._removed_until = now + REMOVE_SECONDS

    async def _recognise_stream(self) -> None:
        """Notices a stream that is new or lost its end, and makes those rows unpublished again."""
        now = asyncio.get_running_loop().time()
        if now < self._stream_known_until:
            return
        info = await self._jetstream.stream_info(stream(self._service))
        created, last = str(info.created), info.state.last_seq
        known = await self._database.fetch(KNOWN, [stream(self._service)])
        shorter = bool(known) and (known[0]["last_position"] > last or self._renumbered)
        if known and (known[0]["created"] != created or shorter):
            same = known[0]["created"] == created
            kept = await self._last_kept(last) if same else 0
            log.warning("the stream is %s; publishing again", f"as it was at {kept}" if same else "a new one")
            async with self._database.transaction() as connection:
                await connection.execute(FORGET, kept)
                await connection.execute(RESET_MARK, stream(self._service), created, kept)
                await connection.execute(LOOK_FOR_STRAYS)  # messages that were removed since are back
            self._renumbered = False
        self._created = created
        self._stream_known_until = now + CHECK_SECONDS

    async def _last_kept(self, last: int) -> int:
        """The last position at which the stream still has the event that we published there. What came behind it since
        may bear numbers that lost events had: the outbox and the stream are compared from the end."""
        step = 1
        while last > 0:
            row = await self._database.fetch(AT, [last])
            if row and row[0]["id"] == await self._event_at(last):
                return last
            last, step = last - step, step * 2
        return 0

    async def _event_at(self, position: int) -> str:
        """The id of the stream's message at a position; empty if there is none."""
        try:
            message = await self._jetstream.get_msg(stream(self._service), position)
        except nats.js.errors.NotFoundError:
            return ""
        return (message.headers or {}).get("ce-id", "")
