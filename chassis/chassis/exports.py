"""Exports: what a filter selects, within the caller's reach, as one CSV file. Taking along is a permission of its own.

UTF-8 with a byte order mark, so that spreadsheet programs read every script; RFC 4180; columns in the order of the
contract. A cell that a spreadsheet would run as a formula is prefixed with an apostrophe.
"""

import csv
import io
import json
import re
from collections.abc import Callable
from typing import Any

from google.api import httpbody_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from chassis import convert, lists
from chassis.errors import ResourceExhausted
from chassis.values import Record
from chassis.work import Work

MEDIA_TYPE = "text/csv; charset=utf-8"
MOST_ROWS = 50_000  # more is a migration, and events are there for that
MOST_BYTES = 3_500_000  # a message is at most 4 MB on every hop
CHUNK = 1_000
PLAIN_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
# With these a spreadsheet begins a formula; the wide forms are typed with East Asian keyboards.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
Column = tuple[str, Callable[[Any], str]]


class ExportTooLarge(ResourceExhausted):
    """The export would be larger than one file may be; add a condition to the filter and take it in parts."""


async def export(kind: type[Record], message: type[Message], request: Any, work: Work) -> httpbody_pb2.HttpBody:
    """The records as CSV, newest first, and an audit entry that says who took what along. ExportTooLarge beyond 50,000
    rows or 3.5 MB: a file is whole or it is none."""
    columns = [column for item in message.DESCRIPTOR.fields for column in _columns(item)]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([name for name, _ in columns])
    rows, after = 0, ""
    while chunk := await lists.select(work, kind, request, after, CHUNK):
        after, rows = chunk[-1].id, rows + len(chunk)
        for record in chunk:
            told = convert.to_message(record, message)
            writer.writerow([guarded(read(told)) for _, read in columns])
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


def guarded(cell: str) -> str:
    """The cell so that a spreadsheet shows it and does not run it. Numbers stay numbers."""
    if cell.startswith(FORMULA) and not PLAIN_NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell


def _columns(item: FieldDescriptor) -> list[Column]:
    """A field's columns: an amount has a second one for its currency."""
    name = item.name
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
