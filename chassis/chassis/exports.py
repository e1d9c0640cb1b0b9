"""Exports: what a filter selects, within the caller's reach, as one CSV file. Taking along is a permission of its own.

UTF-8 with a byte order mark, so that spreadsheet programs read every script; RFC 4180; columns in the order of the
contract; a company's own fields have one each, `custom.{slug}`. A cell that a spreadsheet would run as a formula is
prefixed with an apostrophe.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from typing import Any

from google.api import httpbody_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from chassis import convert, custom_values, lists, operations
from chassis.errors import FailedPrecondition, ResourceExhausted
from chassis.spreadsheet import guarded
from chassis.values import Record
from chassis.work import Work

MEDIA_TYPE = "text/csv; charset=utf-8"
MOST_ROWS = 50_000  # more is a migration, and events are there for that
MOST_BYTES = 3_500_000  # a message is at most 4 MB on every hop
CHUNK = 1_000
BACKGROUND_CHUNK = 250  # rows a part: some tens of milliseconds in which nothing else is done
MOST_IN_BACKGROUND = 1_000_000
Column = tuple[str, Callable[[Any], str]]


class ExportTooLarge(ResourceExhausted):
    """The export would be larger than one file may be; add a condition to the filter and take it in parts."""


class ExportBeyondFiles(FailedPrecondition):
    """The export would have more than a million rows; add a condition to the filter and take it in parts."""


async def export(kind: type[Record], message: type[Message], request: Any, work: Work) -> httpbody_pb2.HttpBody:
    """The records as CSV, newest first, and an audit entry that says who took what along. ExportTooLarge beyond 50,000
    rows or 3.5 MB: a file is whole or it is none."""
    sheet = Sheet(kind, message, work.context.custom_fields.of(kind.collection))
    text = io.StringIO(sheet.head, newline="")
    text.seek(0, io.SEEK_END)
    rows, after = 0, ""
    while chunk := await lists.select(work, kind, request, after, CHUNK):
        after, rows = chunk[-1].id, rows + len(chunk)
        text.write(sheet.rows(chunk))
        if rows > MOST_ROWS or text.tell() > MOST_BYTES:
            raise ExportTooLarge(rows=f"more than {rows - len(chunk)}")
        if len(chunk) < CHUNK:
            break
    data = text.getvalue().encode("utf-8-sig")
    if len(data) > MOST_BYTES:  # characters were counted so far
        raise ExportTooLarge(rows=rows)
    work.taken = rows
    await work.audit("EXPORTED", kind.collection, {"filter": request.filter, "rows": rows, "bytes": len(data)})
    return httpbody_pb2.HttpBody(content_type=MEDIA_TYPE, data=data)


async def export_part(kind: type[Record], message: type[Message], request: Any, operation: Any, work: Work) -> bool:
    """The next rows of an export in the background, and whether there are more; see `operations`. `request` asks as
    that of `export` does. The audit entry is made with the last part. ExportBeyondFiles: over a million rows."""
    begun = bool(operation.media_type)
    own = operation.cursor.get("own", []) if begun else sorted(work.context.custom_fields.of(kind.collection))
    sheet = Sheet(kind, message, own)
    if not begun:
        operation.media_type = MEDIA_TYPE
        operation.total_items = await lists.count(work, kind, request, MOST_IN_BACKGROUND + 1)
        if operation.total_items > MOST_IN_BACKGROUND:
            raise ExportBeyondFiles(rows=f"more than {MOST_IN_BACKGROUND}")
        await operations.write(operation, sheet.head.encode("utf-8-sig"), work)
    chunk = await lists.select(work, kind, request, operation.cursor.get("after", ""), BACKGROUND_CHUNK)
    for piece in _pieces(sheet.rows(chunk)):
        await operations.write(operation, piece, work)
    operation.count(len(chunk))
    if len(chunk) == BACKGROUND_CHUNK:
        operation.cursor = {"after": chunk[-1].id, "own": own}  # its columns stay, whatever is defined meanwhile
        return True
    operation.total_items = operation.done_items  # leads may come into sight, or go, while it runs
    taken = {"filter": request.filter, "rows": operation.done_items, "bytes": operation.byte_count}
    await work.audit("EXPORTED", kind.collection, taken)
    return False


class Sheet:
    """Records as the rows of a CSV file whose columns are the fields of a message that the records fill."""

    def __init__(self, kind: type[Record], message: type[Message], own: Iterable[str]) -> None:
        """`own`: the slugs of the company's own fields."""
        slugs = sorted(own)
        self._message = message
        filled = {"name", "etag", *(one.name for one in fields(kind))}
        told = [item for item in message.DESCRIPTOR.fields if item.name in filled]
        self._columns = [column for item in told for column in _columns(item, slugs)]
        self.head = lines([[name for name, _ in self._columns]])

    def rows(self, records: Iterable[Record]) -> str:
        told = (convert.to_message(record, self._message) for record in records)
        return lines([guarded(read(one)) for _, read in self._columns] for one in told)


def csv_file(rows: Iterable[Sequence[str]]) -> httpbody_pb2.HttpBody:
    """A small file of these cells, the first row its head."""
    data = lines([guarded(cell) for cell in row] for row in rows).encode("utf-8-sig")
    return httpbody_pb2.HttpBody(content_type=MEDIA_TYPE, data=data)


def lines(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()


def _pieces(text: str) -> Iterable[bytes]:
    """What is to be written, in pieces of which each fits into a part. They are put together again as they are cut."""
    data = text.encode()
    return (data[at : at + operations.PART_BYTES] for at in range(0, len(data), operations.PART_BYTES))


def _columns(item: FieldDescriptor, own: list[str]) -> list[Column]:
    """A field's columns: an amount has a second one for its currency, a company's `own` fields have one each."""
    name = item.name
    if convert.is_struct(item):
        return [(custom_values.path(slug), _own(name, slug)) for slug in own]
    kind = item.message_type.full_name if item.message_type is not None and not item.is_repeated else ""
    if kind == "google.type.Money":
        return [(name, _money(name)), (f"{name}_currency", lambda told: getattr(told, name).currency_code)]
    return [(name, lambda told: _cell(told, item, kind))]


def _money(name: str) -> Callable[[Any], str]:
    def read(told: Any) -> str:
        if not told.HasField(name):
            return ""
        amount = convert.money(getattr(told, name), name).amount
        return f"{amount.normalize():f}"

    return read


def _own(name: str, slug: str) -> Callable[[Any], str]:
    def read(told: Any) -> str:
        values = getattr(told, name).fields
        return custom_values.as_text(MessageToDict(values[slug])) if slug in values else ""

    return read


def _cell(told: Any, item: FieldDescriptor, kind: str) -> str:
    """One field as text: times as ISO 8601, enums by name, what has parts as JSON; what is not set as nothing."""
    value = getattr(told, item.name)
    if item.is_repeated and item.message_type is None:
        return "; ".join(map(str, value))
    if item.is_repeated:
        return _json(MessageToDict(told, preserving_proto_field_name=True)[item.name]) if value else ""
    if item.message_type is not None and not told.HasField(item.name):
        return ""
    if kind == "google.type.Date":
        return f"{value.year:04}-{value.month:02}-{value.day:02}"
    if kind == "google.protobuf.Timestamp":
        return str(value.ToJsonString())
    if item.message_type is not None:
        return _json(MessageToDict(value, preserving_proto_field_name=True))
    if item.enum_type is not None:
        return item.enum_type.values_by_number[value].name if value else ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _json(parts: Any) -> str:
    return json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
