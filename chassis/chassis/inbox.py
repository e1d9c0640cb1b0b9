"""The inbox: applies events of other services, each once, whoever brings them.

The inbox row is written in the reaction's own transaction, so an event that comes twice has one effect. What fails
every time becomes a dead letter.
"""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import asyncpg
import msgspec

from chassis import telemetry
from chassis.errors import DatabaseAway, DeadlineExceeded
from chassis.events import Event, Keep, Reaction, Statement, types_of
from chassis.identity import service_caller
from chassis.values import is_uuid, new_id
from chassis.work import Context, Work
from chassis.writing import LostRace

RACES = 5  # tries before a lost race counts as a failed delivery
# A reaction is a few statements. One that hangs would keep its stream, and the turn of all others, for ever.
APPLY_SECONDS = 10.0

TAKE_IN = (
    "INSERT INTO inbox (event_id, receive_time) SELECT id, now() FROM unnest($1::uuid[]) AS arrived(id)"
    " ON CONFLICT DO NOTHING RETURNING event_id::text"
)
NEWER = (
    "INSERT INTO inbox_latest (reaction, subject, epoch, version)"
    " SELECT * FROM unnest($1::text[], $2::text[], $3::uuid[], $4::bigint[]) AS told ORDER BY 1, 2"
    " ON CONFLICT (reaction, subject) DO UPDATE SET epoch = excluded.epoch, version = excluded.version"
    " WHERE excluded.epoch > inbox_latest.epoch"
    " OR (excluded.epoch = inbox_latest.epoch AND excluded.version > inbox_latest.version) RETURNING reaction, subject"
)
# How far a producer's stream was applied, and in which epoch of this database.
MARK = (
    "INSERT INTO inbox_mark (producer, epoch, position) VALUES ($1::text, $2::uuid, $3::bigint)"
    " ON CONFLICT (producer) DO UPDATE SET epoch = excluded.epoch, position = excluded.position"
)
UNHEARD = "DELETE FROM heard WHERE producer = $1::text AND type = any($2::text[])"
BURY = (
    "INSERT INTO dead_letter (event_id, type, subject, headers, payload, error, trace_id, deliveries, create_time)"
    " VALUES ($1::uuid, $2::text, $3::text, $4::jsonb, $5::bytea, $6::text, $7::text, $8::integer, now())"
    " ON CONFLICT (event_id) DO "
)
AGAIN = (
    "UPDATE SET error = excluded.error, trace_id = excluded.trace_id, deliveries = excluded.deliveries"
    " WHERE dead_letter.settle_time IS NULL"
)
LETTERS = "SELECT count(*) AS letters FROM (SELECT 1 FROM dead_letter WHERE settle_time IS NULL LIMIT 10000) rows"
EXHUME = "DELETE FROM dead_letter WHERE event_id = $1::uuid AND settle_time IS NULL"


class ReactionTooLate(DeadlineExceeded):
    """The reactions to an event did not end in time; nothing of them was kept."""


class Inbox:
    """Applies events to this service, whoever brings them: the stream, a replay, a rebuild."""

    def __init__(self, context: Context, reactions: Sequence[Reaction]) -> None:
        self._context, self.reactions = context, list(reactions)
        # Streams take turns: two transactions that touch the same rows in another order would lock each other up,
        # and a process has but one thread to spend.
        self.turn = asyncio.Lock()

    def reacting(self, type_name: str) -> list[Reaction]:
        return [reaction for reaction in self.reactions if not reaction.types or type_name in reaction.types]

    def heard(self, producer: str) -> set[str]:
        """The event types of a producer that this release knows and reacts to."""
        return {name for name in types_of(producer) if self.reacting(name)}

    async def pass_over(self, producer: str, types: Iterable[str]) -> None:
        """Notes that events of these types go by. Whichever release listens to them reads them from the producer."""
        await self._context.database.fetch(UNHEARD, [producer, sorted(set(types))])

    async def apply(self, event: Event) -> bool:
        """Runs the reactions to one event in one transaction; False if it had been applied before. The caller opens its
        span, whose trace a dead letter names."""
        for attempt in range(RACES):
            try:
                return bool(await self.apply_together([event]))
            except LostRace:
                if attempt == RACES - 1:
                    raise
                await asyncio.sleep(0.01 * 2**attempt)
        return False

    async def apply_together(self, events: Sequence[Event]) -> int:
        """A run of one producer's events in one transaction, which shares the cost of its commit; how many were new.
        If anything fails, or takes longer than APPLY_SECONDS, nothing was done."""
        async with self.turn:
            try:
                async with asyncio.timeout(APPLY_SECONDS):
                    return await self._transaction(events)
            except TimeoutError as late:
                if await self._context.database.answers():
                    raise ReactionTooLate(seconds=APPLY_SECONDS) from late
                raise DatabaseAway() from late

    async def _transaction(self, events: Sequence[Event]) -> int:
        async with self._context.database.transaction() as connection:
            fresh = await self._take_in(connection, events)
            known = {event.id for event in fresh}
            redacted = [replace(event, again=True) for event in events if event.erasure and event.id not in known]
            run = [*fresh, *redacted]
            newest = await self._newest(connection, run)
            concerned = await self._concerned(connection, run)
            notes, tells = Notes(connection), False
            for event in run:
                with span(event) if len(events) > 1 else nullcontext():
                    tells |= await self._react(event, newest, concerned, notes)
            await notes.write()
            last = max(events, key=lambda event: event.position)
            if last.position:
                await self.mark(last.service, last.position, connection)
        if tells:
            self._context.told()
        return len(fresh)

    async def mark(self, producer: str, position: int, on: asyncpg.Connection | None = None) -> None:
        """Keeps how far the stream of `producer` was applied here."""
        database = self._context.database
        await database.fetch(MARK, [producer, database.epoch, position], on)

    async def bury(
        self,
        values: dict[str, str],
        payload: bytes,
        deliveries: int,
        error: Exception,
        trace_id: str,
        *,
        ahead: bool = False,
    ) -> bool:
        """Keeps what cannot be applied, with the reason. `values` are the message's headers. A letter that is there is
        brought up to date unless it is settled; False, and nothing is touched, if this one is written `ahead`."""
        values = {storable(name): storable(value) for name, value in values.items()}
        event_id = values.get("ce-id", "")
        row = [
            event_id if is_uuid(event_id) else new_id(),
            values.get("ce-type", ""),
            values.get("ce-subject", ""),
            msgspec.json.encode(values).decode(),
            payload,
            storable(f"{type(error).__name__}: {error}")[:2000],
            trace_id,
            deliveries,
        ]
        sql = BURY + ("NOTHING" if ahead else AGAIN) + " RETURNING 1"
        return bool(await self._context.database.fetch(sql, row))

    async def dead_letters(self) -> int:
        """How many wait for a decision, counted up to 10,000."""
        return int((await self._context.database.fetch(LETTERS, []))[0]["letters"])

    async def exhume(self, event_id: str) -> None:
        """Removes the letter of an event that was applied after all."""
        await self._context.database.fetch(EXHUME, [event_id])

    async def _take_in(self, connection: asyncpg.Connection, events: Sequence[Event]) -> list[Event]:
        """Marks events as received; returns those that had not been, each once, in order."""
        rows = await connection.fetch(TAKE_IN, [event.id for event in events])
        fresh = {row["event_id"] for row in rows}
        return list({event.id: event for event in events if event.id in fresh}.values())

    async def _newest(self, connection: asyncpg.Connection, run: Sequence[Event]) -> set[tuple[str, str]]:
        """Of reactions that keep the latest: with which event (by reaction and event id) each is to run. Those of the
        run that another one outdates are passed over, like those that come after a newer one."""
        told: dict[tuple[str, str], Event] = {}
        for event in run:
            for reaction in self._due(event):
                key = reaction.name, event.subject
                if reaction.keep is Keep.LATEST and (key not in told or event.outdates(told[key])):
                    told[key] = event
        if not told:
            return set()
        names, subjects = zip(*told, strict=True)
        epochs, versions = [event.epoch for event in told.values()], [event.version for event in told.values()]
        rows = await connection.fetch(NEWER, names, subjects, epochs, versions)
        return {(reaction, told[reaction, subject].id) for reaction, subject in rows}

    async def _concerned(self, connection: asyncpg.Connection, run: Sequence[Event]) -> set[tuple[str, str]]:
        """Of reactions that choose their subjects: with which of the run's (by reaction and subject) each is to run."""
        chosen: dict[Reaction, set[str]] = {}
        for event in run:
            for reaction in self._due(event):
                if reaction.among:
                    chosen.setdefault(reaction, set()).add(event.subject)
        return {
            (reaction.name, row[0])
            for reaction, subjects in chosen.items()
            for row in await connection.fetch(reaction.among, sorted(subjects))
        }

    def _due(self, event: Event) -> list[Reaction]:
        return [reaction for reaction in self.reacting(event.type) if reaction.rewrites or not event.again]

    async def _react(
        self, event: Event, newest: set[tuple[str, str]], concerned: set[tuple[str, str]], notes: "Notes"
    ) -> bool:
        """Whether events were told."""
        tells = False
        for reaction in self._due(event):
            if reaction.keep is Keep.LATEST and (reaction.name, event.id) not in newest:
                continue
            if reaction.among and (reaction.name, event.subject) not in concerned:
                continue
            if reaction.notes:
                notes.take(reaction.run(event.message, event))
                continue
            await notes.write()  # what it reads was told before
            caller = service_caller(self._context.service)
            work = Work(self._context, caller, operation=reaction.name, event=event, connection=notes.connection)
            await reaction.run(event.message, work)
            work.prepare()
            await work.commit()
            tells |= work.tells
        return tells


class Notes:
    """Statements that reactions said, not written yet."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection
        self._taken: dict[str, list[tuple[Any, ...]]] = {}

    def take(self, statement: Statement | None) -> None:
        if statement is not None:
            sql, *arguments = statement
            self._taken.setdefault(sql, []).append(tuple(arguments))

    async def write(self) -> None:
        """Those of the same text go to the server together: a round trip for all instead of one for each."""
        taken, self._taken = self._taken, {}
        for sql, rows in taken.items():
            if len(rows) == 1:
                await self.connection.fetch(sql, *rows[0])
            else:
                await self.connection.executemany(sql, rows)


def storable(text: str) -> str:
    """Text as Postgres keeps it: junk must not be a reason for not keeping junk."""
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()


def span(event: Event) -> telemetry.span:
    """A reaction's span: a trace of its own, linked to the one that led to it."""
    return telemetry.span(
        f"react {event.type}",
        telemetry.SpanKind.CONSUMER,
        traceparent="",
        linked=event.traceparent,
        **{telemetry.EVENT_ID: event.id, telemetry.JOURNEY: event.journey_id, telemetry.RECORD: event.subject},
    )
