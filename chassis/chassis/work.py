"""Work: one request, one event or one saga step. It loads records, takes what the rules return, and writes it all at
once when the edge commits.

Handlers and reactions see only this. Whether a commit is one statement or a transaction, they cannot tell.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg
import msgspec
from google.protobuf.message import Message

from chassis import convert, custom_values, lists, reach, statements, telemetry
from chassis.audit import INSERT as INSERT_ENTRY
from chassis.audit import Audit, entry
from chassis.database import Database, Query
from chassis.errors import ExternalIdTaken, InvalidFields, RecordExists, RecordNotFound, StaleEtag
from chassis.events import Event, message_class, payload_of
from chassis.identity import Caller, Reach
from chassis.lists import Page as Page
from chassis.records import Mapper, names
from chassis.settings import package
from chassis.values import ExternalId, Record, business_time, id_of, is_uuid, new_id, utc_now
from chassis.writing import Kept, LostRace, Writing, external_ids

if TYPE_CHECKING:
    from chassis.calendars import Calendars
    from chassis.custom_fields import CustomFields
    from chassis.feed import Feed
    from chassis.members import Member, Members
    from chassis.rpc_client import Neighbours

R = TypeVar("R", bound=Record)
MOST_FOUND = 1000


class RequestTaken(Exception):
    """The request id was answered already; the edge looks up what."""


@dataclass(frozen=True)
class Context:
    """What every unit of work of a service shares."""

    service: str
    database: Database
    members: "Members"
    mappers: Mapping[type[Record], Mapper]
    page_token_key: bytes
    privacy_key: bytes
    neighbours: "Neighbours"
    audit: Audit
    calendars: "Calendars"
    custom_fields: "CustomFields"
    told: Callable[[], None]  # to be called after a commit with which events went out, so that they leave at once
    feed: "Feed"
    company_zone: str = "UTC"
    company_country: str = ""


@dataclass(frozen=True)
class RequestId:
    """A caller's promise that a repeated call is the same call."""

    caller: str
    method: str
    id: str
    digest: bytes


class Work:
    """One unit of work. `now` is its one moment; `reach` how far the caller's permission goes."""

    def __init__(
        self,
        context: Context,
        caller: Caller,
        *,
        reach: Reach = Reach.ALL,
        operation: str = "",
        request_id: RequestId | None = None,
        event: Event | None = None,
        connection: asyncpg.Connection | None = None,
        started: datetime | None = None,
        hidden: frozenset[str] = frozenset(),
    ) -> None:
        self.context, self.caller, self.reach = context, caller, reach
        self.operation, self.request_id, self._event = operation, request_id, event
        self.hidden = hidden  # fields the caller does not see, and so does not filter by
        self.connection = connection
        self.now = utc_now()
        self.started = started or self.now
        self.taken = 0  # records that leave as a file
        self.saga_id = ""
        self.saga_subject = ""
        self._kept: dict[tuple[type[Record], str], Kept] = {}
        self._events: list[Any] = []
        self._statements: list[tuple[str, tuple[Any, ...]]] = []
        self._made_on_demand: set[str] = set()
        self.retry_conflicts = False

    @property
    def members(self) -> "Members":
        return self.context.members

    @property
    def calendars(self) -> "Calendars":
        return self.context.calendars

    @property
    def event(self) -> Event:
        """What a reaction reacts to. There is none in a request or a saga step."""
        assert self._event is not None
        return self._event

    # ---- reading

    async def get(self, kind: type[R], name: str, etag: str = "") -> R:
        """The record of that name; RecordNotFound also if the caller may not see it. With `etag`: StaleEtag if it
        changed since."""
        record = await self.find_one(kind, id=id_of(name)) if self._names(kind, name) else None
        if record is not None and not self.sees(record):
            self.context.audit.refused(self.caller, self.operation, name, "INVISIBLE")
            record = None
        if record is None:
            raise RecordNotFound(name=name)
        if etag and etag != str(record.version):
            raise StaleEtag(name=name)
        return record

    def sees(self, record: Record) -> bool:
        """Whether the caller's permission reaches this record."""
        return reach.within(self.caller, self.reach, self._mapper(type(record)), record)

    def may_read(self, record: Record) -> bool:
        """Whether the caller may name this record in another one, whatever else he may do."""
        return reach.readable(self.caller, self._mapper(type(record)), record)

    def sight(self) -> Mapping[str, Any]:
        """This call's reach as the parameters of a named query, see `database.IN_REACH`."""
        return reach.sight(self.caller, self.reach)

    async def find_one(self, kind: type[R], /, **equal: Any) -> R | None:
        """The record whose columns equal these values, whoever may see it; None if there is none."""
        found = await self.find(kind, **equal)
        return found[0] if found else None

    async def find(self, kind: type[R], /, **equal: Any) -> list[R]:
        """At most 1,000 records whose columns equal these values; a list means any of its values. What is no UUID
        equals none: names come from callers."""
        mapper = self._mapper(kind)
        for name, value in equal.items():
            if mapper.casts[name] == "UUID" and isinstance(value, str) and not is_uuid(value):
                return []
        tests = [
            f"{name} = any(${number}::{mapper.casts[name]}[])"
            if isinstance(value, list)
            else f"{name} = ${number}::{mapper.casts[name]}"
            for number, (name, value) in enumerate(equal.items(), 1)
        ]
        sql = (
            f"SELECT {names(mapper.columns)} FROM {mapper.table.name}"
            f" WHERE {' AND '.join(tests)} ORDER BY id LIMIT {MOST_FOUND}"
        )
        return self.keep(kind, await self.context.database.fetch(sql, list(equal.values()), self.connection))

    async def by_external_ids(self, kind: type[R], keys: Iterable[ExternalId]) -> dict[ExternalId, R]:
        """The records of these external ids, whoever may see them."""
        wanted = list(dict.fromkeys(keys))
        if not wanted:
            return {}
        sql = (
            "SELECT e.system, e.kind, e.key, e.record_id FROM external_id e"
            " JOIN unnest($2::text[], $3::text[], $4::text[]) AS w(system, kind, key) USING (system, kind, key)"
            " WHERE e.collection = $1::text"
        )
        columns = [[key.system for key in wanted], [key.kind for key in wanted], [key.id for key in wanted]]
        rows = await self.context.database.fetch(sql, [kind.collection, *columns], self.connection)
        ids = {ExternalId(system=row["system"], kind=row["kind"], id=row["key"]): row["record_id"] for row in rows}
        records = {record.id: record for record in await self.find(kind, id=list(set(ids.values())))} if ids else {}
        return {key: records[found] for key, found in ids.items() if found in records}

    async def rows(self, query: Query, **parameters: Any) -> list[asyncpg.Record]:
        """The rows of a named query."""
        return await self.context.database.fetch(query.sql, query.arguments(parameters), self.connection, 2.0)

    async def page(self, kind: type[R], request: Any, among: lists.Among | None = None) -> Page[R]:
        """The page a List request asks for: its filter, within the caller's reach, newest first; `among` some."""
        return await lists.page(self, kind, request, among)

    def business_time(self, request: Message, name: str) -> datetime:
        """A time field of the request: when it happened in business, default now, at most a day ahead."""
        given = convert.moment(getattr(request, name), name) if request.HasField(name) else None
        return business_time(given, self.now, name)

    async def responsible(self, name: str, field_path: str, *, anybody: bool = False) -> "Member":
        """The active person or system of that name, to whom a record shall be given; InvalidFields if there is none, or
        if the record would leave the caller's reach. With `anybody` it may: handing over is what the call is for."""
        from chassis.members import Member

        if name == self.caller.actor:
            return Member(name, name, "", self.caller.team, (), True)
        member = await self.members.named(name)
        if member is None or not member.active or member.account:
            raise InvalidFields((field_path, f"{name} is not an active person or system"))
        if not anybody and not self.caller.sees(self.reach, member.name, member.team):
            raise InvalidFields((field_path, f"{name} is beyond your reach"))
        return member

    async def next_number(self, sequence: str) -> int:
        """The next of a series that people say aloud. Numbers may be skipped, never used twice."""
        rows = await self.context.database.fetch(f"SELECT nextval('{sequence}') AS number", [], self.connection)
        return int(rows[0]["number"])

    # ---- writing

    def add(self, record: R, *, whole: bool = False) -> R:
        """A new record, stored at commit. RecordExists if its id is taken; InvalidFields for values of company-defined
        fields that their definitions do not allow. With `whole`, somebody is asked for those that are required."""
        custom_values.settle(record, {}, self.context.custom_fields.of(record.collection), whole=whole)
        self._kept[type(record), record.id] = Kept(record, self._mapper(type(record)), None)
        return record

    async def get_or_add(self, default: R, etag: str = "") -> R:
        """The stored record with the id of `default`, else `default` itself as a new one."""
        found = await self.find_one(type(default), id=default.id)
        if etag and etag != str(found.version if found else 0):
            raise StaleEtag(name=default.name)
        if found is None:
            self._made_on_demand.add(self._mapper(type(default)).table.name)
        return found or self.add(default)

    def update(
        self,
        record: R,
        message: Message,
        mask: Sequence[str],
        field_path: str,
        tidy: Callable[[R], None] | None = None,
    ) -> list[str]:
        """Sets the fields of an Update request, then brings the record into its one spelling with `tidy`; returns
        the names of the fields that differ afterwards."""
        before = copy(record)
        changed = convert.apply_mask(record, message, mask or convert.populated(message), f"{field_path}.")
        if tidy:
            tidy(record)
        if "custom" in changed:
            definitions = self.context.custom_fields.of(record.collection)
            custom_values.settle(record, before.custom, definitions)  # type: ignore[attr-defined]
        return [name for name in changed if getattr(record, name) != getattr(before, name)]

    def emit(self, event: Any) -> None:
        """An event to go out with this commit: a dataclass named like its message, its first field the record."""
        self._events.append(event)

    @property
    def tells(self) -> bool:
        """Whether events go out with this commit."""
        return bool(self._events)

    async def execute(self, sql: str, *arguments: Any) -> None:
        """One more statement for this commit; runs there, in order, before records are written."""
        self._statements.append((sql, arguments))

    async def audit(self, kind: str, subject: str, details: Mapping[str, Any]) -> None:
        """An audit entry that is written with this commit."""
        await self.execute(INSERT_ENTRY, *entry(kind, self.caller, self.operation, subject, details))

    def start_saga(self, kind: str, subject: str, journey_id: str, data: Any) -> None:
        """A saga that begins with this commit. The process runs it at once; if that process dies, another one soon."""
        self.saga_id, self.saga_subject = new_id(), subject
        encoded = msgspec.json.encode(data).decode()
        values = (self.saga_id, kind, subject, journey_id or None, self.caller.actor, telemetry.traceparent(), encoded)
        self._statements.append((statements.INSERT_SAGA, values))

    async def set_timer(self, kind: str, key: str, due: datetime, data: Any = None) -> None:
        """Something to be done at `due`, see `chassis.timers`. The one of this kind and key that there is moves."""
        encoded = msgspec.json.encode(data or {}).decode()
        await self.execute(statements.SET_TIMER, kind, key, due, encoded, telemetry.traceparent())

    async def cancel_timer(self, kind: str, key: str) -> None:
        """Takes a timer back. One that is running goes first; its effect is there."""
        await self.execute(statements.CANCEL_TIMER, kind, key)

    def prepare(self) -> None:
        """Gives changed records their new version, so that the answer can be made before the commit."""
        for kept in self._changed():
            kept.record.version += 1
            kept.record.update_time = self.now
            kept.record.create_time = kept.record.create_time or self.now

    async def commit(self, answer: bytes | None = None) -> None:
        """Writes everything. LostRace if a record changed since it was loaded, RequestTaken if the request id was
        answered already; then nothing is written."""
        changed = self._changed()
        events = [self._outbox_row(event) for event in self._events]
        # A call that changes nothing is remembered, too: repeated later, it shall not change what others did since.
        if not changed and not events and not self._statements and not self.request_id:
            return
        request = self._request_row(changed, answer)
        writing = Writing(changed, events, self._statements, request)
        try:
            if self.connection is not None:
                await writing.on(self.connection)
            else:
                await writing.of_its_own(self.context.database)
        except asyncpg.UniqueViolationError as taken:
            raise self._taken(taken, changed) from taken
        except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError) as lost:
            raise LostRace() from lost
        except (asyncpg.DataError, asyncpg.CharacterNotInRepertoireError) as unfit:
            raise InvalidFields(("", f"a value cannot be stored: {unfit}")) from unfit

    def _changed(self) -> list[Kept]:
        return [kept for kept in self._kept.values() if kept.changed]

    def _outbox_row(self, event: Any) -> list[Any]:
        record: Record = getattr(event, fields(event)[0].name)
        type_name = f"crm.{package(self.context.service)}.v1.{type(event).__name__}"
        journey = getattr(record, "journey_id", "") or (self._event.journey_id if self._event else "")
        telemetry.mark(journey=journey, record=record.name)
        values = {
            "id": new_id(),
            "type": type_name,
            "subject": record.name,
            "version": record.version,
            "journey_id": journey or None,
            "actor": self.caller.actor,
            "event_time": event.event_time,
            "record_time": self.now,
            "traceparent": telemetry.traceparent(),
            "causation_id": self._event.id if self._event else "",
            "origin": self.caller.name,
            "operation": self.operation,
            "elapsed_us": int((utc_now() - self.started).total_seconds() * 1_000_000),
            "payload": payload_of(convert.to_message(event, message_class(type_name))),
            "source": self.caller.source,
        }
        return statements.row_of(statements.OUTBOX, values)

    def _request_row(self, changed: list[Kept], answer: bytes | None) -> list[Any] | None:
        if self.request_id is None:
            return None
        subject = self.saga_subject or (changed[0].record.name if changed else "")
        values = {
            "caller": self.request_id.caller,
            "method": self.request_id.method,
            "id": self.request_id.id,
            "digest": self.request_id.digest,
            "answer": None if self.saga_id else answer,
            "subject": subject,
            "create_time": self.now,
        }
        return statements.row_of(statements.REQUEST, values)

    def _taken(self, error: asyncpg.UniqueViolationError, changed: list[Kept]) -> Exception:
        """What a unique violation means, by the table it happened in."""
        if error.table_name == "request":
            return RequestTaken()
        if self.retry_conflicts or self._event or error.table_name in self._made_on_demand:
            return LostRace()  # somebody made it a moment before us: look again
        name = changed[0].record.name if changed else ""
        if error.table_name == "external_id":
            return ExternalIdTaken(detail=error.detail or "")
        return RecordExists(name=name)

    # ---- keeping

    def _mapper(self, kind: type[Record]) -> Mapper:
        return self.context.mappers[kind]

    def _names(self, kind: type[Record], name: str) -> bool:
        """Whether `name` can be the name of a record of this kind."""
        key = name.removeprefix(f"{kind.collection}/")
        return key != name and (self._mapper(kind).casts["id"] != "UUID" or is_uuid(key))

    def keep(self, kind: type[R], rows: Iterable[asyncpg.Record]) -> list[R]:
        """Rows as records; one loaded twice stays the same object."""
        mapper, records = self._mapper(kind), []
        for row in rows:
            key = (kind, str(row["id"]))
            if key not in self._kept:
                record = mapper.load(row)
                self._kept[key] = Kept(record, mapper, mapper.dump(record), external_ids(record))
            records.append(self._kept[key].record)
        return records  # type: ignore[return-value]
