"""Erasing a person in one service: every table that may hold them, in bounded batches, each one transaction.

Rows are looked at if they name one of the person's ties (their records, accounts, journeys). What is about the person
alone is blanked, other texts are rid of their marks. A record that changes says so by its Updated event, which brings
the redacted copy to whoever keeps one. Called again, it goes on; when nothing is left it changes nothing.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from typing import Any

import asyncpg
import msgspec
from google.protobuf import descriptor_pool
from google.protobuf.message import DecodeError, Message
from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import JSONB

from chassis import convert, spine, statements
from chassis.audit import INSERT as INSERT_ENTRY
from chassis.audit import entry
from chassis.errors import Aborted
from chassis.events import message_class
from chassis.identity import Caller
from chassis.operations import FORGET_RESULTS
from chassis.personal import Eraser, Kind, kinds
from chassis.persons import GONE, Person
from chassis.records import names, sql_type
from chassis.spine import ERASED
from chassis.stream_removal import STRAYS
from chassis.ties import Ties, named_in
from chassis.values import Record
from chassis.work import Context, Work
from chassis.writing import LostRace

BATCH = 200
MOST_TOUCHED = 1000
RACES = 5
OPERATION = "erasure"

BEGIN = "INSERT INTO erasure (id, begin_time) VALUES ($1::uuid, now()) ON CONFLICT DO NOTHING RETURNING 1"
TOTALS = f"SELECT {names(ERASED)} FROM erasure WHERE id = $1::uuid"
RUNNING = "SELECT kind, subject FROM saga WHERE due_time IS NOT NULL AND subject = any($1::text[]) LIMIT 1"
LAST_NOTE = (
    "SELECT details FROM audit_entry WHERE kind = 'ERASED' AND subject = $1::text AND details ? 'totals'"
    " ORDER BY id DESC LIMIT 1"
)
ERASE_EVENT = "SELECT erase_event($1::uuid, $2::bytea, $3::uuid)"
ERASE_ENTRY = "SELECT erase_entry($1::uuid, $2::jsonb, $3::uuid)"
REMOVE = (
    "INSERT INTO stream_removal (event_id, position, erasure) VALUES ($1::uuid, $2::bigint, $3::uuid)"
    " ON CONFLICT DO NOTHING"
)
FORGET_MEMBER = (
    f"UPDATE member SET display_name = '{GONE}', subject = name, active = false WHERE name = any($1::text[])"
    f" AND (display_name, subject, active) IS DISTINCT FROM ('{GONE}', name, false) RETURNING 1"
)
FORGET_KEYS = "DELETE FROM external_id WHERE collection = $1::text AND record_id = $2::text"
# What an erasure passes over: it has ways of its own for these, or they hold nothing that anybody wrote.
NOT_COPIES = {"outbox", "audit_entry", "audit_seal", "request", "dead_letter", "saga", "epoch", "relay_mark"}
NOT_COPIES |= {"inbox", "inbox_latest", "inbox_mark", "heard", "external_id", "member", "team", "erasure"}
NOT_COPIES |= {"calendar", "absence", "timer", "operation", "operation_part", "custom_field", "custom_value", "label"}
NOT_COPIES |= {"stream_removal", "figures", "figure_changes"}  # figures follow the records that they count


class PersonBusy(Aborted):
    """A saga about this person is under way; the erasure goes on when it has ended."""


class Undone(Exception):
    """Only counted: the batch is rolled back."""


async def _no_files(_: Record, __: Work) -> int:
    return 0


async def _nothing_more(_: Person, __: Work) -> int:
    return 0


async def _no_removals(_: Context) -> int:
    return 0


@dataclass(frozen=True)
class Forgetting:
    """What a service does besides. `record`: documents made of a record that changed, how many; `person`: in the
    erasure's own transaction, how many rows; `files`: removes what was given up, how many could not be removed yet."""

    record: Callable[[Any, Work], Awaitable[int]] = _no_files
    person: Callable[[Person, Work], Awaitable[int]] = _nothing_more
    files: Callable[[Context], Awaitable[int]] = _no_removals


class Erasing:
    """One erasure in one service."""

    def __init__(
        self,
        context: Context,
        caller: Caller,
        erasure: str,
        person: Person,
        forgetting: Forgetting,
        *,
        undone: bool = False,
    ) -> None:
        """With `undone` every batch is rolled back: `counts` and `touched` say what an erasure would do."""
        self._context, self._database, self._caller = context, context.database, caller
        self._erasure, self._person, self._forgetting = erasure, person, forgetting
        self._eraser = Eraser(context.privacy_key, person, context.custom_fields.impersonal)
        self._undone = undone
        self.counts = dict.fromkeys(ERASED, 0)  # of this run
        self.touched: list[str] = []  # records of others
        self._kinds = kinds(context.service, context.mappers)
        self._ties = Ties(person)

    async def run(self) -> int:
        """How many places changed."""
        if not self._undone:
            await self._begin()
        if not self._undone and (busy := await self._database.fetch(RUNNING, [self._person.records])):
            raise PersonBusy(saga=busy[0]["kind"], about=busy[0]["subject"])
        if not self._ties:
            return 0
        changed = 0 if self._undone else await self._in_one_go()
        changed += await self._member()
        for kind in self._kinds:
            one = self._tell_records if kind.updated else self._quiet_records
            changed += await one(kind)
        changed += await self._each(spine.request, "rows", self._answer)
        changed += await self._each(spine.dead_letter, "rows", self._letter)
        changed += await self._each(spine.saga, "rows", self._saga)
        for table in self._copies():
            changed += await self._each(table, "rows", self._copy(table))
        changed += await self._each(spine.audit_entry, "entries", self._entry)
        changed += await self._rows(FORGET_RESULTS, "files")
        events = await self._each(spine.outbox, "events", self._event)
        if events and not self._undone:
            await self._database.fetch(REMOVE, [self._erasure, STRAYS, self._erasure])
        return changed + events

    async def totals(self) -> dict[str, int]:
        rows = await self._database.fetch(TOTALS, [self._erasure])
        return {name: rows[0][name] for name in ERASED} if rows else {}

    async def settled(self, totals: dict[str, int]) -> None:
        """Nothing was left: the audit trail gets the totals, once for each time something had been erased."""
        subject = f"erasures/{self._erasure}"
        async with self._database.transaction() as connection:
            last = await connection.fetchval(LAST_NOTE, subject)
            if last is None or msgspec.json.decode(last).get("totals") != totals:
                await self.note(connection, totals=totals)

    async def note(self, connection: asyncpg.Connection, **details: Any) -> None:
        """An audit entry that names the erasure and nobody."""
        subject = f"erasures/{self._erasure}"
        row = entry("ERASED", self._caller, OPERATION, subject, {"erasure": self._erasure, **details})
        await connection.execute(INSERT_ENTRY, *row)

    async def _begin(self) -> None:
        """The audit trail knows of the erasure before anything is gone."""
        async with self._database.transaction() as connection:
            if await connection.fetchval(BEGIN, self._erasure):
                await self.note(connection, began=True)

    # ---- records

    async def _tell_records(self, kind: Kind) -> int:
        """Records whose service tells of every change."""
        after: list[Any] = []
        changed = 0
        while True:
            for attempt in range(RACES):
                try:
                    async with self._transaction() as connection:
                        rows = await self._batch(connection, kind.mapper.table, after)
                        changed += await self._change(kind, [str(row["id"]) for row in rows], connection)
                    break
                except LostRace:
                    if attempt == RACES - 1:
                        raise
            if len(rows) < BATCH:
                return changed
            after = [rows[-1]["id"]]

    async def _change(self, kind: Kind, ids: list[str], connection: asyncpg.Connection) -> int:
        assert kind.updated is not None
        assert kind.message is not None
        work = Work(self._context, self._caller, operation=OPERATION, connection=connection)
        changed = files = 0
        for record in await work.find(kind.record, id=ids) if ids else ():
            told = [name for name in self._eraser.record(record, kind) if name in kind.message.fields_by_name]
            if told:
                files += 0 if self._undone else await self._forgetting.record(record, work)
                self._touch(record)
                work.emit(_updated(kind.updated, record, told, work))
                changed += 1
        work.prepare()
        await work.commit()
        await self._count(connection, "records", changed)
        await self._count(connection, "files", files)
        return changed

    async def _quiet_records(self, kind: Kind) -> int:
        """Facts that are told once, and copies: changed as they stand."""
        mapper = kind.mapper

        async def change(row: asyncpg.Record, connection: asyncpg.Connection) -> bool:
            record = mapper.load(row)
            told = self._eraser.record(record, kind)
            if told:
                self._touch(record)
                await connection.execute(statements.update_record(mapper), *mapper.dump(record), record.version)
            if "external_ids" in told:
                await connection.execute(FORGET_KEYS, record.collection, record.id)
            return bool(told)

        return await self._each(mapper.table, "records", change)

    async def _in_one_go(self) -> int:
        """What the service itself has to do, with its events, in one transaction: first, so that they are shut out."""
        async with self._database.transaction() as connection:
            work = Work(self._context, self._caller, operation=OPERATION, connection=connection)
            changed = await self._forgetting.person(self._person, work)
            work.prepare()
            await work.commit()
            await self._count(connection, "rows", changed)
        return changed

    # ---- the tables that every service has

    async def _member(self) -> int:
        """The copy of directory's user. Its events would do the same, but bring nothing to a copy of yesterday."""
        changed = await self._rows(FORGET_MEMBER, "rows", self._person.records)
        self._context.members.forget()
        return changed

    async def _rows(self, sql: str, counter: str, *arguments: Any) -> int:
        """One statement, which returns the rows that it changed."""
        async with self._transaction() as connection:
            changed = len(await connection.fetch(sql, *arguments))
            await self._count(connection, counter, changed)
        return changed

    async def _event(self, row: asyncpg.Record, connection: asyncpg.Connection) -> bool:
        redacted = self._redacted(row["type"], row["payload"])
        if redacted is None or redacted == row["payload"]:
            return False
        await connection.execute(ERASE_EVENT, row["id"], redacted, self._erasure)
        if row["position"] is not None:
            await connection.execute(REMOVE, row["id"], row["position"], self._erasure)
            await self._count(connection, "messages", 1)
        return True

    async def _entry(self, row: asyncpg.Record, connection: asyncpg.Connection) -> bool:
        details = self._json(row["details"])
        if details is None:
            return False
        await connection.execute(ERASE_ENTRY, row["id"], details, self._erasure)
        return True

    async def _answer(self, row: asyncpg.Record, connection: asyncpg.Connection) -> bool:
        """The kept answer of a call, so that the call repeated is answered without the person."""
        service, _, name = row["method"].partition("/")
        output = descriptor_pool.Default().FindServiceByName(service).methods_by_name[name].output_type
        message = convert.message_class(output).FromString(row["answer"] or b"")
        if not self._eraser.message(message):
            return False
        answer = message.SerializeToString(deterministic=True)
        await _set(connection, spine.request, row, {"answer": answer})
        return True

    async def _letter(self, row: asyncpg.Record, connection: asyncpg.Connection) -> bool:
        values: dict[str, Any] = {name: self._eraser.text(row[name]) for name in ("error", "discard_reason")}
        values["headers"] = self._json(row["headers"]) or row["headers"]
        redacted = self._redacted(row["type"], row["payload"])
        values["payload"] = b"" if redacted is None else redacted  # what cannot be read cannot be redacted
        return await _set(connection, spine.dead_letter, row, values)

    async def _saga(self, row: asyncpg.Record, connection: asyncpg.Connection) -> bool:
        """Of a saga about the person nothing is needed once it has ended."""
        own = row["subject"] in self._person.records
        data = ("{}" if own else self._json(row["data"])) or row["data"]
        return await _set(connection, spine.saga, row, {"data": data, "error": self._eraser.text(row["error"])})

    def _redacted(self, type_name: str, payload: bytes) -> bytes | None:
        """An event's payload without the person; None if it cannot be read."""
        try:
            message: Message = message_class(type_name).FromString(payload)
        except (KeyError, AttributeError, DecodeError):
            return None
        return message.SerializeToString(deterministic=True) if self._eraser.message(message) else payload

    def _json(self, stored: str) -> str | None:
        """JSON without the person; None if that is no change."""
        value = msgspec.json.decode(stored)
        changed = self._eraser.value(value)
        return None if changed == value else msgspec.json.encode(changed).decode()

    # ---- copies: tables that are no records

    def _copies(self) -> list[Table]:
        metadata = {id(kind.mapper.table.metadata): kind.mapper.table.metadata for kind in self._kinds}
        tables = [table for found in (*metadata.values(), spine.SPINE) for table in found.tables.values()]
        mine = {kind.mapper.table.name for kind in self._kinds}
        return [table for table in tables if table.name not in mine | NOT_COPIES]

    def _copy(self, table: Table) -> Callable[[asyncpg.Record, asyncpg.Connection], Awaitable[bool]]:
        texts = [column for column in table.columns if sql_type(column) in ("TEXT", "JSONB") and not column.primary_key]

        async def change(row: asyncpg.Record, connection: asyncpg.Connection) -> bool:
            if {row.get("name"), row.get("subject"), row.get("order_name")} & set(self._person.retained):
                return False
            values = {}
            for column in texts:
                stored = row[column.name]
                if stored is not None:
                    is_json = isinstance(column.type, JSONB)
                    values[column.name] = (self._json(stored) or stored) if is_json else self._eraser.text(stored)
            return await _set(connection, table, row, values)

        return change

    # ---- batches

    async def _each(
        self, table: Table, counter: str, change: Callable[[asyncpg.Record, asyncpg.Connection], Awaitable[bool]]
    ) -> int:
        """Every row of a table that names a tie, locked and changed; how many changed."""
        after: list[Any] = []
        changed = 0
        while True:
            async with self._transaction() as connection:
                rows = await self._batch(connection, table, after)
                now = [await change(row, connection) for row in rows]
                await self._count(connection, counter, sum(now))
            changed += sum(now)
            if len(rows) < BATCH:
                return changed
            after = [rows[-1][column.name] for column in table.primary_key.columns]

    async def _batch(self, connection: asyncpg.Connection, table: Table, after: list[Any]) -> list[asyncpg.Record]:
        keys = [f'"{column.name}"' for column in table.primary_key.columns]
        casts = [sql_type(column) for column in table.primary_key.columns]
        behind = ", ".join(f"${number}::{cast}" for number, cast in enumerate(casts, 3))
        later = f" AND ({', '.join(keys)}) > ({behind})" if after else ""
        sql = (
            f"SELECT {names(table.columns.keys())} FROM {table.name} WHERE {named_in(table)}{later}"
            f" ORDER BY {', '.join(keys)} LIMIT {BATCH}"
        )
        if table is not spine.audit_entry:  # written once; whoever may not change it may not lock it
            sql += " FOR UPDATE"
        return list(await connection.fetch(sql, *self._ties.arguments, *after))

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[asyncpg.Connection]:
        """One batch."""
        try:
            async with self._database.transaction() as connection:
                yield connection
                if self._undone:
                    raise Undone()
        except Undone:
            return

    def _touch(self, record: Record) -> None:
        if record.name not in self._person.records and len(self.touched) < MOST_TOUCHED:
            self.touched.append(record.name)

    async def _count(self, connection: asyncpg.Connection, counter: str, number: int) -> None:
        self.counts[counter] += number
        if number:
            sql = f"UPDATE erasure SET {counter} = {counter} + $2::integer WHERE id = $1::uuid"
            await connection.execute(sql, self._erasure, number)


async def _set(connection: asyncpg.Connection, table: Table, row: asyncpg.Record, values: dict[str, Any]) -> bool:
    """Changes the columns of a row that differ; whether any did."""
    different = {name: value for name, value in values.items() if value != row[name]}
    if not different:
        return False
    keys = [column.name for column in table.primary_key.columns]
    columns = table.columns
    sets = ", ".join(f'"{name}" = ${at}::{sql_type(columns[name])}' for at, name in enumerate(different, 1))
    first = len(different) + 1
    where = " AND ".join(f'"{name}" = ${at}::{sql_type(columns[name])}' for at, name in enumerate(keys, first))
    await connection.execute(
        f"UPDATE {table.name} SET {sets} WHERE {where}", *different.values(), *(row[name] for name in keys)
    )
    return True


def _updated(event: Callable[..., Any], record: Record, changed: list[str], work: Work) -> Any:
    first, *more = (item.name for item in fields(event))  # type: ignore[arg-type]
    facts = {"fields": changed} if "fields" in more else {}
    return event(**{first: record, "event_time": work.now}, **facts)
