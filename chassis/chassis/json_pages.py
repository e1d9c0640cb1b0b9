"""A page of a list as JSON text, straight from its rows: what the gateway asks for instead of a message.

Fifty records made into dataclasses, then messages, then bytes, read again by the gateway and written as JSON cost more
than all else of a list together. The text is what the gateway would make of the message, which stays the contract: who
does not ask for text gets it, and so does everybody else where a record has something this module cannot spell.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from functools import cache
from math import isfinite, isnan
from operator import itemgetter
from types import NoneType
from typing import Any, get_args, get_type_hints

import msgspec
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from sqlalchemy import Column, Text

from chassis.convert import is_struct, money_message
from chassis.records import Mapper
from chassis.values import Money, Record

# gRPC carries 4 MB; the text is longer than the message, which then goes instead.
MOST_BYTES = 3_500_000

F = FieldDescriptor
DEFAULTS = {
    F.TYPE_BOOL: False,
    F.TYPE_INT32: 0,
    F.TYPE_INT64: "0",
    F.TYPE_DOUBLE: 0.0,
    F.TYPE_STRING: "",
    F.TYPE_ENUM: "",
}

Spell = Callable[[Any], Any]
_render = msgspec.json.Encoder().encode


class CannotSpell(Exception):
    """A field that only its message knows how to write."""


@cache
def writer(mapper: Mapper, answer: Descriptor) -> Callable[[Sequence[Any], str], bytes | None] | None:
    """Writes rows of `mapper` and the token of the next page as the List response `answer`; None instead of a text
    that is too long. None instead of a writer if the response or its records have more than it can spell."""
    listed = [item for item in answer.fields if item.is_repeated and item.message_type is not None]
    if len(listed) != 1 or {item.name for item in answer.fields} != {listed[0].name, "next_page_token"}:
        return None
    try:
        spell = _record(mapper, listed[0].message_type)
    except CannotSpell:
        return None
    key = listed[0].json_name

    def write(rows: Sequence[Any], next_page_token: str) -> bytes | None:
        text = _render({key: [spell(row) for row in rows], "nextPageToken": next_page_token})
        return text if len(text) <= MOST_BYTES else None

    return write


def _record(mapper: Mapper, message: Descriptor) -> Spell:
    """Spells one row as the gateway spells `message`: a field without presence always, others where they are set."""
    copied: dict[str, int] = {}
    changed: list[tuple[str, int, Spell]] = []
    optional: list[tuple[str, int, Spell]] = []
    pairs: list[tuple[str, int]] = []
    parts: list[tuple[str, int, Spell]] = []
    fixed: dict[str, Any] = {}
    for item in message.fields:
        key, column = item.json_name, mapper.position(item.name)
        if column is None and item.name == "name":
            changed.append((key, mapper.columns.index("id"), _name(mapper.kind)))
        elif column is None and item.name == "etag":
            changed.append((key, mapper.columns.index("version"), str))
        elif column is None:
            if not item.has_presence:
                fixed[key] = _default(item)
        elif item.is_repeated:
            changed.append((key, column, _many(item, mapper.hints[item.name])))
        elif item.message_type is not None:
            match item.message_type.full_name:
                case "google.protobuf.Timestamp":
                    optional.append((key, column, _time))
                case "google.type.Date":
                    optional.append((key, column, _date))
                case "google.type.Money":
                    pairs.append((key, column))
                case _:
                    parts.append((key, column, _stored_part(item, mapper.hints[item.name])))
        elif item.has_presence or item.type not in DEFAULTS:
            raise CannotSpell(item.full_name)
        elif item.type == F.TYPE_STRING and not _always_text(mapper.table.columns[item.name]):
            changed.append((key, column, _text))
        elif item.type == F.TYPE_DOUBLE:
            changed.append((key, column, _number))
        elif item.type == F.TYPE_INT64:
            changed.append((key, column, str))
        else:
            copied[key] = column
    # Two more than there are keys, since of one it would be no tuple.
    keys, values = tuple(copied), itemgetter(*copied.values(), 0, 0)

    def spell(row: Any) -> dict[str, Any]:
        out = dict(zip(keys, values(row), strict=False))
        for key, column, change in changed:
            out[key] = change(row[column])
        for key, column, change in optional:
            value = row[column]
            if value is not None:
                out[key] = change(value)
        for key, column in pairs:
            if row[column + 1]:
                out[key] = _money(row[column], row[column + 1])
        for key, column, change in parts:
            if (part := change(row[column])) is not None:
                out[key] = part
        out.update(fixed)
        return out

    return spell


def _stored_part(item: FieldDescriptor, hint: Any) -> Spell:
    """A dataclass of its own within the record, stored as JSON text; None if there is none."""
    if is_struct(item):
        return _own_fields
    kind = next((one for one in get_args(hint) if one is not NoneType), hint)
    read, one = msgspec.json.Decoder(hint).decode, _part(item.message_type, kind)

    def spell(stored: str | None) -> Any:
        part = None if stored is None else read(stored)
        return None if part is None else one(part)

    return spell


def _own_fields(stored: str) -> msgspec.Raw | None:
    """The values of company-defined fields: the stored text is the answer already."""
    return None if stored == "{}" else _raw(stored)


def _name(kind: type[Record]) -> Spell:
    start = f"{kind.collection}/"
    return lambda stored: f"{start}{stored}"


def _always_text(column: Column[Any]) -> bool:
    return isinstance(column.type, Text) and not column.nullable


def _default(item: FieldDescriptor) -> Any:
    """What a field says that no record fills."""
    if item.is_repeated:
        return {} if _is_map(item) else []
    if item.enum_type is not None:
        return item.enum_type.values_by_number[0].name
    if item.type not in DEFAULTS:
        raise CannotSpell(item.full_name)
    return DEFAULTS[item.type]


def _is_map(item: FieldDescriptor) -> bool:
    return bool(item.message_type is not None and item.message_type.GetOptions().map_entry)


def _many(item: FieldDescriptor, hint: Any) -> Spell:
    """A list or map, stored as JSON text: of texts it is the answer already."""
    if _is_map(item):
        entry = item.message_type.fields_by_name
        if entry["key"].type == entry["value"].type == F.TYPE_STRING:
            return _raw
        raise CannotSpell(item.full_name)
    if item.type == F.TYPE_STRING:
        return _raw
    read, one = msgspec.json.Decoder(hint).decode, _value(item, hint.__args__[0])
    return lambda stored: [] if stored == "[]" else [one(value) for value in read(stored)]


def _value(item: FieldDescriptor, hint: Any) -> Spell:
    """One value of a field as the dataclass has it."""
    if item.message_type is not None:
        message = item.message_type
        known: dict[str, Spell] = {
            "google.protobuf.Timestamp": _time,
            "google.type.Date": _date,
            "google.type.Money": _money_of,
        }
        return known.get(message.full_name) or _part(message, hint)
    if item.enum_type is not None:
        return lambda value: value.name
    if item.type == F.TYPE_DOUBLE:
        return _number
    if item.type == F.TYPE_INT64:
        return str
    if item.type not in DEFAULTS:
        raise CannotSpell(item.full_name)
    return _text if item.type == F.TYPE_STRING else lambda value: value


def _part(message: Descriptor, kind: Any) -> Spell:
    """A dataclass within a record, such as an order's line."""
    if not is_dataclass(kind) or {item.name for item in message.fields} != {item.name for item in fields(kind)}:
        raise CannotSpell(message.full_name)
    hints = get_type_hints(kind)
    steps = []
    for item in message.fields:
        if _is_map(item) or (item.has_presence and item.message_type is None):
            raise CannotSpell(item.full_name)
        arguments = [hint for hint in get_args(hints[item.name]) if hint is not NoneType]
        one = _value(item, arguments[0] if arguments else hints[item.name])
        steps.append((item.name, item.json_name, one, item.is_repeated))

    def spell(part: Any) -> dict[str, Any]:
        out = {}
        for name, key, one, repeated in steps:
            value = getattr(part, name)
            if repeated:
                out[key] = [one(entry) for entry in value]
            elif value is not None:
                out[key] = one(value)
        return out

    return spell


def _raw(stored: str) -> msgspec.Raw:
    return msgspec.Raw(stored.encode())


def _text(stored: Any) -> str:
    return str(stored) if stored else ""


def _number(stored: float) -> float | str:
    return stored if isfinite(stored) else "NaN" if isnan(stored) else "Infinity" if stored > 0 else "-Infinity"


def _time(stored: datetime) -> Any:
    """A time as the gateway writes it: no, three or six digits after the second."""
    if stored.microsecond and stored.microsecond % 1000 == 0:
        return f"{stored.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
    return stored


def _date(stored: date) -> Mapping[str, int]:
    return {"year": stored.year, "month": stored.month, "day": stored.day}


def _money(amount: Any, currency: str) -> Mapping[str, Any]:
    return _money_of(Money(amount=amount, currency=currency))


def _money_of(value: Money) -> Mapping[str, Any]:
    message = money_message(value)
    return {"currencyCode": message.currency_code, "units": str(message.units), "nanos": message.nanos}
