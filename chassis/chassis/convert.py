"""proto ↔ dataclass, by field name. What both sides call the same is carried over; nothing is mapped by hand.

`name` and `etag` of a message are made from a record's id and version. OUTPUT_ONLY fields are never read from a
request; IMMUTABLE ones only when a record is made.
"""

import typing
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, TypeVar

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.json_format import MessageToDict, SerializeToJsonError
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp
from google.type import date_pb2, money_pb2

from chassis.errors import InvalidFields
from chassis.values import Money, Record

BEHAVIOR = field_behavior_pb2.field_behavior
M = TypeVar("M", bound=Message)
R = TypeVar("R")
NANOS = Decimal(10) ** 9
PLACES = Decimal("0.0001")
STRUCT = "google.protobuf.Struct"
MOST_STRUCT_BYTES = 262_144  # four times what all values of a record may be: no more is looked through


# ---- dataclass → message


def to_message(value: Any, kind: type[M]) -> M:
    """A new message of `kind` with every field `value` has under the same name."""
    message = kind()
    _writer(type(value), kind.DESCRIPTOR)(value, message)  # type: ignore[arg-type]
    return message


@cache
def _writer(kind: type[Any], descriptor: Descriptor) -> Callable[[Any, Message], None]:
    names = {item.name for item in fields(kind)}
    steps: list[Callable[[Any, Message], None]] = []
    for item in descriptor.fields:
        if item.name in names:
            steps.append(_write_field(item))
        elif item.name == "name" and issubclass(kind, Record):
            steps.append(lambda value, message: setattr(message, "name", value.name))
        elif item.name == "etag" and issubclass(kind, Record):
            steps.append(lambda value, message: setattr(message, "etag", str(value.version)))

    def write(value: Any, message: Message) -> None:
        for step in steps:
            step(value, message)

    return write


def _write_field(item: FieldDescriptor) -> Callable[[Any, Message], None]:
    name = item.name
    if is_struct(item):

        def write_values(value: Any, message: Message) -> None:
            if values := getattr(value, name):
                getattr(message, name).update(values)

        return write_values
    if _is_map(item):
        return lambda value, message: getattr(message, name).update(getattr(value, name))
    if item.is_repeated:
        if item.message_type is None:
            encode = _scalar_out(item)
            return lambda value, message: getattr(message, name).extend(map(encode, getattr(value, name)))
        one = _message_out(item.message_type)

        def write_all(value: Any, message: Message) -> None:
            target = getattr(message, name)
            for part in getattr(value, name):
                one(part, target.add())

        return write_all
    if item.message_type is None:
        encode = _scalar_out(item)
        return lambda value, message: setattr(message, name, encode(getattr(value, name)))
    one = _message_out(item.message_type)

    def write_one(value: Any, message: Message) -> None:
        part = getattr(value, name)
        if part is not None:
            target = getattr(message, name)
            target.SetInParent()
            one(part, target)

    return write_one


def _scalar_out(item: FieldDescriptor) -> Callable[[Any], Any]:
    if item.enum_type is not None:
        numbers = {entry.name: entry.number for entry in item.enum_type.values}
        return lambda value: numbers[value.name] if isinstance(value, Enum) else value or 0
    if item.cpp_type == FieldDescriptor.CPPTYPE_STRING and item.type == FieldDescriptor.TYPE_STRING:
        return lambda value: value or ""
    return lambda value: value


def _message_out(descriptor: Descriptor) -> Callable[[Any, Any], None]:
    match descriptor.full_name:
        case "google.protobuf.Timestamp":
            return lambda value, target: target.FromDatetime(value)
        case "google.type.Money":
            return lambda value, target: target.CopyFrom(money_message(value))
        case "google.type.Date":
            return lambda value, target: target.MergeFrom(
                date_pb2.Date(year=value.year, month=value.month, day=value.day)
            )
    return lambda value, target: (
        target.CopyFrom(value) if isinstance(value, Message) else _writer(type(value), descriptor)(value, target)  # type: ignore[arg-type]
    )


# ---- message → dataclass


def from_message(message: Message, kind: type[R], **given: Any) -> R:
    """A new dataclass of `kind` from the fields of a request that a caller may set. `given` wins.

    A field that is not set keeps the default of `kind`; without one it is the contract's: "", 0, false.
    """
    there = {item.name for item, _ in message.ListFields()}
    values = {
        item.name: read(message, item, hint)
        for item, hint, needed in _settable(kind, message.DESCRIPTOR)  # type: ignore[arg-type]
        if item.name in there or (needed and item.name not in given)
    }
    return kind(**(values | given))


@cache
def _hints(kind: Any) -> dict[str, Any]:
    """The types of a dataclass' fields. Looking them up takes longer than reading a whole message."""
    return typing.get_type_hints(kind)


@cache
def _settable(kind: Any, descriptor: Descriptor) -> list[tuple[FieldDescriptor, Any, bool]]:
    """The fields of a message that a caller may set in `kind`: each with its type, and whether `kind` has no default
    for it."""
    needed = {item.name: item.default is item.default_factory is MISSING for item in fields(kind)}
    return [
        (item, _hints(kind)[item.name], needed[item.name])
        for item in descriptor.fields
        if item.name in needed and not _has(item, field_behavior_pb2.OUTPUT_ONLY)
    ]


def apply_mask(record: Record, message: Message, paths: Iterable[str], prefix: str = "") -> list[str]:
    """Sets the fields named by `paths` on a record; returns those that changed, in order.

    An unknown or immutable path is InvalidFields; output fields are passed over (AIP-203).
    """
    hints = _hints(type(record))  # type: ignore[arg-type]
    by_name = message.DESCRIPTOR.fields_by_name
    changed = []
    for path, keys in _gathered(paths, by_name).items():
        item = by_name.get(path)
        if item is None:
            raise InvalidFields((f"{prefix}{path}", "is not a field that can be updated"))
        if path in ("name", "etag") or _has(item, field_behavior_pb2.OUTPUT_ONLY):
            continue
        if path not in hints:
            raise InvalidFields((f"{prefix}{path}", "cannot be updated"))
        value = read(message, item, hints[path])
        if keys is not None:  # some of its values; null, or none, takes one away
            value = getattr(record, path) | {key: value.get(key) for key in keys}
        if value == getattr(record, path):
            continue
        if _has(item, field_behavior_pb2.IMMUTABLE):
            raise InvalidFields((f"{prefix}{path}", "cannot be changed once set"))
        setattr(record, path, value)
        changed.append(path)
    return changed


def _gathered(paths: Iterable[str], by_name: Mapping[str, FieldDescriptor]) -> dict[str, list[str] | None]:
    """The paths of a mask, each once: of a company's own fields with those that are named, None for a whole field."""
    found: dict[str, list[str] | None] = {}
    for path in dict.fromkeys(paths):
        name, _, key = path.partition(".")
        item = by_name.get(name)
        if not key or item is None or not is_struct(item):
            found[path] = None
        elif (keys := found.setdefault(name, [])) is not None:
            keys.append(key)
    return found


def populated(message: Message) -> list[str]:
    """The fields that are set: the mask of a gRPC update that gives none. Of a company's own fields, each that is."""
    found: list[str] = []
    for item, value in message.ListFields():
        found += [f"{item.name}.{key}" for key in sorted(value.fields)] if is_struct(item) else [item.name]
    return found


def read(message: Message, item: FieldDescriptor, hint: Any) -> Any:
    """One field of a message as the dataclass has it."""
    value = getattr(message, item.name)
    if is_struct(item):
        return _json(value, item.name)
    if _is_map(item):
        return {_text(key, item.name): _text(entry, item.name) for key, entry in value.items()}
    kind = _inner(hint)
    if item.is_repeated:
        return [_in(entry, item, kind) for entry in value]
    if item.message_type is not None and not message.HasField(item.name):
        return None
    return _in(value, item, kind)


def _in(value: Any, item: FieldDescriptor, kind: Any) -> Any:
    if item.message_type is not None:
        match item.message_type.full_name:
            case "google.protobuf.Timestamp":
                return moment(value, item.name)
            case "google.type.Money":
                return money(value, item.name)
            case "google.type.Date":
                return civil_date(value, item.name)
        return from_message(value, kind) if isinstance(kind, type) and is_dataclass(kind) else value
    if item.enum_type is not None:
        entry = item.enum_type.values_by_number.get(value)
        if entry is None or entry.name not in kind.__members__:
            raise InvalidFields((item.name, f"{entry.name if entry else value} is not one of its values"))
        return kind[entry.name]
    return _text(value, item.name) if isinstance(value, str) else value


def _json(value: Message, field_path: str) -> dict[str, Any]:
    if value.ByteSize() > MOST_STRUCT_BYTES:
        raise InvalidFields((field_path, "is too long"))
    try:
        return MessageToDict(value)
    except (SerializeToJsonError, ValueError) as wrong:  # gRPC also carries NaN, and values that are nothing at all
        raise InvalidFields((field_path, "holds what JSON cannot say")) from wrong


def moment(value: Timestamp, field_path: str) -> datetime:
    try:
        return value.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as wrong:
        raise InvalidFields((field_path, "is not a time between the years 1 and 9999")) from wrong


def money(value: money_pb2.Money, field_path: str) -> Money:
    """google.type.Money as a decimal of at most four places."""
    amount = Decimal(value.units) + Decimal(value.nanos) / NANOS
    if len(value.currency_code) != 3 or not value.currency_code.isascii() or not value.currency_code.isupper():
        raise InvalidFields((f"{field_path}.currency_code", "is not an ISO 4217 code of three capital letters"))
    if abs(value.nanos) >= NANOS or value.units * value.nanos < 0:
        raise InvalidFields((f"{field_path}.nanos", "must be below one unit and have the sign of units"))
    if amount != amount.quantize(PLACES) or abs(amount) >= Decimal(10) ** 15:
        raise InvalidFields((field_path, "has more than four decimals or fifteen digits before them"))
    return Money(amount=amount.quantize(PLACES), currency=value.currency_code)


def money_message(value: Money) -> money_pb2.Money:
    units = int(value.amount)
    return money_pb2.Money(currency_code=value.currency, units=units, nanos=int((value.amount - units) * NANOS))


def civil_date(value: date_pb2.Date, field_path: str) -> date:
    try:
        return date(value.year, value.month, value.day)
    except ValueError as wrong:
        raise InvalidFields((field_path, "is not a full calendar date")) from wrong


def _text(value: str, field_path: str) -> str:
    """Text in NFC, so that what looks equal is equal."""
    if not isinstance(value, str):
        return value
    if "\0" in value:
        raise InvalidFields((field_path, "contains a NUL character"))
    return value if value.isascii() else unicodedata.normalize("NFC", value)


@cache
def _inner(hint: Any) -> Any:
    """`X | None` and `list[X]` → `X`."""
    arguments = [item for item in typing.get_args(hint) if item is not type(None)]
    return arguments[0] if arguments else hint


@cache
def is_struct(item: FieldDescriptor) -> bool:
    """Whether the values of a company's own fields stand in it."""
    return not item.is_repeated and item.message_type is not None and item.message_type.full_name == STRUCT


@cache
def _is_map(item: FieldDescriptor) -> bool:
    return item.message_type is not None and item.message_type.GetOptions().map_entry


def _has(item: FieldDescriptor, behavior: int) -> bool:
    return behavior in _behaviors(item)


@cache
def _behaviors(item: FieldDescriptor) -> frozenset[int]:
    return frozenset(item.GetOptions().Extensions[BEHAVIOR])


def message_class(descriptor: Descriptor) -> type[Message]:
    return GetMessageClass(descriptor)
