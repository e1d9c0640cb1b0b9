"""What an event leaves behind: an entry of the timeline, the newest snapshot of its record, a mark of freshness.

The snapshot is taken from whatever record is the event's first field, column by column under the same name; an
event type of its own needs nothing here.
"""

import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec
from chassis.convert import money
from chassis.events import Event, Statement
from chassis.records import placeholders, sql_type
from chassis.values import id_of
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from sqlalchemy import Table

from insights import lead_facts, sentences
from insights.tables import STRIPES, customers, freshness, records, timeline

# Records about a customer: what happens to them is told on the timeline.
TOLD = frozenset(
    [
        "touches",
        "leads",
        "accounts",
        "contacts",
        "opportunities",
        "orders",
        "activities",
        "contracts",
        "entitlements",
        "cases",
        "productFeedbacks",
    ]
)
# Of which records the newest snapshot is kept, and where.
SNAPSHOT_OF: dict[str, Table] = {"accounts": customers} | dict.fromkeys(
    [
        *("leads", "contacts", "opportunities", "orders", "activities", "contracts", "entitlements", "cases"),
        *("channels", "productFeedbacks"),
    ],
    records,
)
MONEY = "google.type.Money"


def effect(event: Event) -> Statement:
    """The one statement, followed by its parameters, that writes all an event leaves behind."""
    collection = event.subject.partition("/")[0]
    record = getattr(event.message, event.message.DESCRIPTOR.fields[0].name)
    table = SNAPSHOT_OF.get(collection)
    arguments: list[Any] = []
    if table is not None:
        arguments += snapshot(event, record, table)
    if collection in TOLD:
        arguments += entry(event, record)
    more = lead_facts.effects(event, record)
    for *_, row in more:
        arguments += row
    arguments += mark(event)
    what = tuple((name, into, conflict) for name, into, conflict, _ in more)
    return (statement(table, collection in TOLD, event.again, what), *arguments)


@cache
def statement(
    snapshot_table: Table | None, told: bool, again: bool = False, more: tuple[tuple[str, Table, str], ...] = ()
) -> str:
    """The statement's text. Parameters: the snapshot's row, the entry's, those of what a report needs `more` of (see
    lead_facts.effects), and the mark's, as far as there are any. An event
    that comes again, since something in it was erased, replaces what it left: its entry, and its record if that has
    not changed since."""
    parts: list[tuple[str, str]] = []
    first = 1
    if snapshot_table is not None:
        newer = f"(excluded.epoch, excluded.version) > ({snapshot_table.name}.epoch, {snapshot_table.name}.version)"
        if again:
            newer = f"excluded.version = {snapshot_table.name}.version"
        parts.append(("snapshot", _upsert(snapshot_table, first, newer)))
        first += len(snapshot_table.columns)
    if told:
        entry_again = "(event_id) DO UPDATE SET parameters = excluded.parameters" if again else "DO NOTHING"
        parts.append(("entry", f"{_insert(timeline, first)} ON CONFLICT {entry_again}"))
        first += len(timeline.columns)
    for name, into, conflict in more:
        parts.append((name, lead_facts.sql(into, first, conflict)))
        first += len(into.columns)
    last = _upsert(freshness, first, "excluded.event_time >= freshness.event_time")
    return (f"WITH {', '.join(f'{name} AS ({sql})' for name, sql in parts)} " if parts else "") + last


def _insert(table: Table, first: int) -> str:
    casts = [sql_type(column) for column in table.columns]
    return f"INSERT INTO {table.name} ({', '.join(table.columns.keys())}) VALUES ({placeholders(casts, first)})"


def _upsert(table: Table, first: int, newer: str) -> str:
    key = ", ".join(table.primary_key.columns.keys())
    sets = ", ".join(f"{column.name} = excluded.{column.name}" for column in table.columns if not column.primary_key)
    return f"{_insert(table, first)} ON CONFLICT ({key}) DO UPDATE SET {sets} WHERE {newer}"


def snapshot(event: Event, record: Message, table: Table) -> list[Any]:
    """The record's row. What the event knows about the record (name, version, epoch, journey) comes from there."""
    known = {
        "id": id_of(event.subject),
        "name": event.subject,
        "collection": event.subject.partition("/")[0],
        "epoch": event.epoch,
        "version": event.version,
        "journey_id": event.journey_id or None,
        "account": account_of(event, record),
    }
    read = _reader(record.DESCRIPTOR, table)
    return [known[name] if name in known else read[name](record) for name in table.columns.keys()]  # noqa: SIM118


def entry(event: Event, record: Message) -> list[Any]:
    """The timeline's row."""
    return [
        event.id,
        event.service,
        event.type,
        event.subject,
        event.journey_id or None,
        told_of(event, record),
        event.event_time,
        event.record_time,
        event.actor,
        event.trace_id,
        event.operation,
        event.elapsed_us,
        msgspec.json.encode(sentences.parameters(event.type, event.message, record)).decode(),
    ]


def mark(event: Event) -> list[Any]:
    """The freshness row of the source."""
    stripe = zlib.crc32(event.subject.encode()) % STRIPES
    return [event.service, stripe, event.position, event.record_time, datetime.now(UTC)]


def account_of(event: Event, record: Any) -> str:
    """The account a record names; empty if only its journey leads to one."""
    if event.subject.startswith("accounts/"):
        return event.subject
    names = record.DESCRIPTOR.fields_by_name
    if "account" in names:
        return record.account
    about = record.subject if "subject" in names else ""
    return about if about.startswith("accounts/") else ""


def told_of(event: Event, record: Any) -> str:
    """On whose timeline an event belongs: of the account that it speaks of itself, such as the one that a lead had
    become, else of the record's."""
    said = getattr(event.message, "account", "")  # of an event about an account, the account itself
    return said if said and isinstance(said, str) else account_of(event, record)


@cache
def _reader(descriptor: Descriptor, table: Table) -> dict[str, Callable[[Any], Any]]:
    """How each column is read from a record of this message type; what the message lacks is empty."""
    fields = descriptor.fields_by_name
    read: dict[str, Callable[[Any], Any]] = {}
    for column in table.columns:
        name = column.name
        if name in fields:
            read[name] = _field(fields[name])
        elif name == "amount_currency" and "amount" in fields:
            read[name] = lambda record: record.amount.currency_code
        else:
            read[name] = _nothing if column.nullable else _empty
    return read


def _nothing(_: Any) -> None:
    return None


def _empty(_: Any) -> str:
    return ""


def _field(item: FieldDescriptor) -> Callable[[Any], Any]:
    name = item.name
    if item.enum_type is not None:
        names = {value.number: value.name for value in item.enum_type.values if value.number}  # zero: not set
        return lambda record: names.get(number := getattr(record, name), str(number or ""))  # of a later release: 7
    if item.message_type is not None and item.message_type.full_name == MONEY:
        return lambda record: _amount(record, name)
    if item.message_type is not None:
        return lambda record: getattr(record, name).ToDatetime(tzinfo=UTC) if record.HasField(name) else None
    return lambda record: getattr(record, name)


def _amount(record: Any, name: str) -> Decimal | None:
    return money(getattr(record, name), name).amount if record.HasField(name) else None
