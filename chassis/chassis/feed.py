"""The feed: what this service said, read once per process from its own log and told to everybody who watches.

The log is the outbox in the order of its positions. However many watch, one reader looks for what is new; whoever is
further back (somebody who resumes, or reads slowly) reads the log itself until it has caught up.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from chassis.database import Database
from chassis.errors import Aborted
from chassis.events import message_class, stream, types_of
from chassis.seals import EVENT
from chassis.telemetry import log

POLL_SECONDS = 0.25  # another replica may have published; what this one publishes is told at once
BATCH = 200  # events read at once
KEPT = 10  # batches: who is further back than these reads the log itself
READ_SECONDS = 5.0

# Of each event: the record before and as it is now, and whether this version, or a later one, was told before. Events
# of one record are found by the chain of seals, which is kept by subject.
_OTHERS = (
    "FROM audit_seal s JOIN outbox o ON o.id = s.id"
    f" WHERE s.subject = b.subject AND s.kind = '{EVENT}' AND o.type = any($3::text[])"
)
READ = (
    "SELECT b.id, b.type, b.subject, b.payload, b.position, b.erasure IS NOT NULL AS redacted,"
    " p.type AS before_type, p.payload AS before, n.type AS latest_type, n.payload AS latest,"
    f" EXISTS (SELECT {_OTHERS} AND o.version >= b.version AND o.position < b.position) AS told"
    " FROM (SELECT id, type, subject, version, payload, position, erasure FROM outbox WHERE position > $1::bigint"
    " ORDER BY position LIMIT $2::bigint) b"
    " LEFT JOIN LATERAL"
    f" (SELECT o.type, o.payload {_OTHERS} AND o.version < b.version ORDER BY o.version DESC LIMIT 1) p ON true"
    " LEFT JOIN LATERAL"
    f" (SELECT o.type, o.payload {_OTHERS} AND o.version > b.version ORDER BY o.version DESC LIMIT 1) n ON true"
    " WHERE b.type = any($3::text[]) ORDER BY b.position"
)
NEXT = "SELECT id, position FROM outbox WHERE position > $1::bigint ORDER BY position LIMIT $2::bigint"
END = (
    "SELECT m.created, o.id, o.position FROM relay_mark m LEFT JOIN LATERAL (SELECT id, position FROM outbox"
    " WHERE position IS NOT NULL ORDER BY position DESC LIMIT 1) o ON true WHERE m.stream = $1::text"
)
THERE = (
    "SELECT m.created, m.last_position, (SELECT o.id FROM outbox o WHERE o.position = $2::bigint LIMIT 1) AS id"
    " FROM relay_mark m WHERE m.stream = $1::text"
)


class WatchOutdated(Aborted):
    """This watch cannot be continued without losing something: the token is of another log, or your rights or your team
    changed since. List the records again, and watch from now on."""


@dataclass(frozen=True)
class Mark:
    """A place in the log: behind the event `event` at `position`, of the stream that was made at `created`."""

    position: int = 0
    event: str = str(UUID(int=0))
    created: str = ""

    def __str__(self) -> str:
        return f"{self.position} {self.event} {self.created}"

    @classmethod
    def parse(cls, text: str) -> "Mark":
        position, event, created = text.split(" ", 2)
        return cls(int(position), event, created)


@dataclass(frozen=True)
class Entry:
    """One event about a record: what it was before, what it became, and what it is now."""

    mark: Mark
    subject: str
    _is: tuple[str, bytes]  # types and payloads of events
    _was: tuple[str, bytes] | None
    _became: tuple[str, bytes] | None

    @cached_property
    def record(self) -> Any:
        return record_of(*self._is)

    @cached_property
    def before(self) -> Any | None:
        """None if it was made by this event."""
        return record_of(*self._was) if self._was else None

    @cached_property
    def latest(self) -> Any:
        return record_of(*self._became) if self._became else self.record


@dataclass(frozen=True)
class Batch:
    """What the log says between two marks."""

    after: Mark
    last: Mark
    entries: tuple[Entry, ...] = ()

    def behind(self, mark: Mark) -> "Batch":
        return Batch(mark, self.last, tuple(one for one in self.entries if one.mark.position > mark.position))


class Feed:
    """Runs inside the service process for as long as somebody watches. `kinds` are the messages of the records that can
    be watched: events about one of them are told."""

    def __init__(self, service: str, database: Database, kinds: Collection[str]) -> None:
        self._stream, self._database = stream(service), database
        self._types = sorted(types_about(service, kinds))
        self._recent: deque[Batch] = deque(maxlen=KEPT)
        self._last = Mark()
        self._generation = 0  # of the log: grows when positions may have been given anew
        self._news, self._wanted, self._wakeup = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.watchers = 0
        self.reads = 0  # of the one reader, and of those who catch up
        self.closing = False

    def wake(self) -> None:
        """Something was published by this process."""
        self._wakeup.set()

    def close(self) -> None:
        """Every watch shall end."""
        self.closing = True
        self._tell()

    async def open(self, after: Mark | None) -> "Watching":
        """Somebody watches from a mark on, or from now. WatchOutdated if the log does not have that mark any more."""
        if after is not None:
            await self._check(after)
        end = await self._end()
        if not self.watchers:
            self._recent.clear()
            self._last = end
        self.watchers += 1
        self._wanted.set()
        return Watching(self, after or end, self._generation)

    async def run(self) -> None:
        """Reads until cancelled; waits while the database is away."""
        while True:
            if not self.watchers:
                self._wanted.clear()
                await self._wanted.wait()
            self._wakeup.clear()
            try:
                found = await self._look()
            except Exception as away:
                log.warning("nobody is told what is new: %s", away or type(away).__name__)
                found = False
            if not found:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wakeup.wait(), POLL_SECONDS)

    async def _look(self) -> bool:
        """Whether there was something new; everybody is told."""
        try:
            batch = await self._read(self._last)
            if batch.last == self._last:
                return False
            self._recent.append(batch)
            self._last = batch.last
        except WatchOutdated:
            self._last = await self._end()
            self._recent.clear()
            self._generation += 1
        self._tell()
        return True

    async def after(self, mark: Mark, generation: int, seconds: float) -> Batch:
        """What follows a mark. Waits for it at most so many seconds; empty if there was nothing."""
        if generation != self._generation:
            raise WatchOutdated()
        news = self._news
        for batch in self._recent:
            if batch.after.position <= mark.position < batch.last.position:
                return batch.behind(mark)
        if mark != self._last:
            found = await self._read(mark)
            if found.last != mark:
                return found
        if not self.closing:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), seconds)
        return Batch(mark, mark)

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def _read(self, after: Mark) -> Batch:
        self.reads += 1
        created = await self._check(after)
        new = await self._database.fetch(NEXT, [after.position, BATCH])
        if not new:
            return Batch(after, after)
        behind = Mark(new[-1]["position"], str(new[-1]["id"]), created)
        rows = await self._database.fetch(READ, [after.position, BATCH, self._types], None, READ_SECONDS)
        entries = [
            _entry(row, created)
            for row in rows
            # Of what was erased only what it is now is told once more, not each of its former states.
            if row["position"] <= behind.position and not row["told"] and not (row["redacted"] and row["latest"])
        ]
        return Batch(after, behind, tuple(entries))

    async def _end(self) -> Mark:
        rows = await self._database.fetch(END, [self._stream])
        if not rows or rows[0]["position"] is None:
            return Mark()
        return Mark(rows[0]["position"], str(rows[0]["id"]), str(rows[0]["created"]))

    async def _check(self, mark: Mark) -> str:
        """When the stream was made. WatchOutdated unless the log still has everything up to this mark where it was; an
        event that was redacted since has a new place, and left a gap."""
        rows = await self._database.fetch(THERE, [self._stream, mark.position])
        if not mark.position:
            return str(rows[0]["created"]) if rows else ""
        there = rows[0]["id"] if rows else None
        if (
            not rows
            or str(rows[0]["created"]) != mark.created
            or rows[0]["last_position"] < mark.position
            or (there is not None and str(there) != mark.event)
        ):
            raise WatchOutdated()
        return mark.created


class Watching:
    """One watcher's place in the feed."""

    def __init__(self, feed: Feed, mark: Mark, generation: int) -> None:
        self._feed, self.mark, self._generation = feed, mark, generation

    async def next(self, seconds: float) -> Batch | None:
        """What came, perhaps nothing within so many seconds; None if the watch shall end."""
        if self._feed.closing:
            return None
        batch = await self._feed.after(self.mark, self._generation, seconds)
        self.mark = batch.last
        return batch

    def close(self) -> None:
        self._feed.watchers -= 1


def watched(servicers: Iterable[Any]) -> set[str]:
    """The messages of the records that the methods with many answers tell of."""
    return {
        item.message_type.full_name
        for servicer in servicers
        for method in servicer.descriptor.methods
        if method.server_streaming
        for item in method.output_type.fields
        if item.message_type is not None
    }


def types_about(service: str, kinds: Collection[str]) -> set[str]:
    """The types of a service's events whose record is one of these kinds."""
    return {
        name
        for name in (types_of(service) if kinds else ())
        if (first := message_class(name).DESCRIPTOR.fields[0].message_type) and first.full_name in kinds
    }


def record_of(type_name: str, payload: bytes) -> Any:
    """The record that an event tells of: its first field."""
    event = message_class(type_name).FromString(payload)
    return getattr(event, event.DESCRIPTOR.fields[0].name)


def _entry(row: Any, created: str) -> Entry:
    return Entry(
        Mark(row["position"], str(row["id"]), created),
        row["subject"],
        (row["type"], row["payload"]),
        (row["before_type"], row["before"]) if row["before"] is not None else None,
        (row["latest_type"], row["latest"]) if row["latest"] is not None else None,
    )
