"""The messages that proto3 JSON spells in a way of their own.

Handled: Timestamp, Duration, FieldMask, Struct, Value, ListValue, the nine wrappers; Empty and google.type.* are
ordinary messages. Not handled: Any (the codec refuses to compile a message that has one).
"""

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from gateway.scalars import SCALARS, Decode, Encode, Invalid, decode_string, kind, same

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NAIVE_EPOCH = EPOCH.replace(tzinfo=None)
# Only the form: datetime knows the calendar, but reads more forms than RFC 3339 has.
TIMESTAMP = re.compile(
    r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:\d\d(?:\.(\d{1,9}))?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)", re.ASCII
)
DURATION = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,9}))?s", re.ASCII)
MAX_DURATION = 315_576_000_000
FIRST, LAST = -62_135_596_800, 253_402_300_799  # the years 1 to 9999, in seconds


def decode_timestamp(value: Any) -> dict[str, int]:
    match = TIMESTAMP.fullmatch(decode_string(value))
    if match is None:
        raise Invalid("must be a time like 2026-01-31T09:30:00Z")
    try:
        since = datetime.fromisoformat(value) - EPOCH
    except ValueError as error:
        raise Invalid(f"is not a time: {error}") from None
    seconds = since.days * 86_400 + since.seconds
    if not FIRST <= seconds <= LAST:
        raise Invalid("must be in the years 0001 to 9999")
    fraction = match[1]
    return {"seconds": seconds, "nanos": int(fraction.ljust(9, "0")) if fraction else 0}


def encode_timestamp(message: Message) -> str:
    text = (NAIVE_EPOCH + timedelta(seconds=message.seconds)).isoformat()
    nanos = message.nanos
    return f"{text}{fraction_of(nanos)}Z" if nanos else text + "Z"


def fraction_of(nanos: int) -> str:
    """Nothing, or a point and 3, 6 or 9 digits."""
    if not nanos:
        return ""
    if nanos % 1_000_000 == 0:
        return f".{nanos // 1_000_000:03}"
    return f".{nanos // 1_000:06}" if nanos % 1_000 == 0 else f".{nanos:09}"


def decode_duration(value: Any) -> dict[str, int]:
    match = DURATION.fullmatch(decode_string(value))
    if match is None:
        raise Invalid("must be seconds like 3.5s")
    sign = -1 if match[1] else 1
    seconds, nanos = int(match[2]), int((match[3] or "").ljust(9, "0"))
    if seconds > MAX_DURATION or (seconds == MAX_DURATION and nanos):
        raise Invalid("must be within 10,000 years")
    return {"seconds": sign * seconds, "nanos": sign * nanos}


def encode_duration(message: Message) -> str:
    sign = "-" if message.seconds < 0 or message.nanos < 0 else ""
    return f"{sign}{abs(message.seconds)}{fraction_of(abs(message.nanos))}s"


def decode_mask(value: Any) -> dict[str, list[str]]:
    """Paths in either spelling, separated by commas."""
    text = decode_string(value)
    paths = [path.strip() for path in text.split(",")] if text else []
    if not all(re.fullmatch(r"[A-Za-z0-9_.]+", path) for path in paths):
        raise Invalid("must be field names separated by commas")
    return {"paths": [snake(path) for path in paths]}


def encode_mask(message: Message) -> str:
    return ",".join(camel(path) for path in message.paths)


def snake(text: str) -> str:
    return re.sub(r"[A-Z]", lambda letter: "_" + letter[0].lower(), text)


def camel(text: str) -> str:
    return re.sub(r"_([a-z0-9])", lambda letter: letter[1].upper(), text)


def json_decoders(descriptor: Descriptor) -> dict[str, Decode]:
    """Decoders of Struct, Value and ListValue, which contain each other, from the file of `descriptor`.

    They answer messages, not constructor arguments: a constructor reads a dict for a Struct as its content.
    """
    types = descriptor.file.message_types_by_name
    Struct, Value, ListValue = (GetMessageClass(types[name]) for name in ("Struct", "Value", "ListValue"))

    def decode_value(value: Any) -> Message:
        if value is None:
            return Value(null_value=0)
        if type(value) is bool:
            return Value(bool_value=value)
        if type(value) is str:
            return Value(string_value=value)
        if type(value) is dict:
            return Value(struct_value=decode_struct(value))
        if type(value) is list:
            return Value(list_value=decode_list(value))
        try:
            return Value(number_value=float(value))
        except OverflowError:
            raise Invalid("is too large") from None

    def decode_struct(value: Any) -> Message:
        if type(value) is not dict:
            raise Invalid(f"must be an object, not {kind(value)}")
        return Struct(fields={key: decode_value(item) for key, item in value.items()})

    def decode_list(value: Any) -> Message:
        if type(value) is not list:
            raise Invalid(f"must be a list, not {kind(value)}")
        return ListValue(values=[decode_value(item) for item in value])

    return {"Struct": decode_struct, "Value": decode_value, "ListValue": decode_list}


def encode_value(message: Message) -> Any:
    which = message.WhichOneof("kind")
    if which == "struct_value":
        return encode_struct(message.struct_value)
    if which == "list_value":
        return encode_list(message.list_value)
    if which is None or which == "null_value":
        return None
    plain = getattr(message, which)
    if which == "number_value" and not math.isfinite(plain):
        raise ValueError("google.protobuf.Value cannot carry NaN or Infinity in JSON")
    whole = which == "number_value" and plain.is_integer() and abs(plain) < 2**53
    return int(plain) if whole else plain


def encode_struct(message: Message) -> dict[str, Any]:
    return {key: encode_value(item) for key, item in message.fields.items()}


def encode_list(message: Message) -> list[Any]:
    return [encode_value(item) for item in message.values]


TIMES_AND_MASKS: dict[str, tuple[Decode, Encode]] = {
    "google.protobuf.Timestamp": (decode_timestamp, encode_timestamp),
    "google.protobuf.Duration": (decode_duration, encode_duration),
    "google.protobuf.FieldMask": (decode_mask, encode_mask),
}
ANY_JSON: dict[str, Encode] = {
    "google.protobuf.Struct": encode_struct,
    "google.protobuf.Value": encode_value,
    "google.protobuf.ListValue": encode_list,
}
WRAPPERS = {
    f"google.protobuf.{name}Value"
    for name in ("Bool", "Int32", "Int64", "UInt32", "UInt64", "Float", "Double", "String", "Bytes")
}


def special(descriptor: Descriptor) -> tuple[Decode, Encode] | None:
    """The pair for a message that is not spelled as an object of its fields; None for all others."""
    if descriptor.full_name in TIMES_AND_MASKS:
        return TIMES_AND_MASKS[descriptor.full_name]
    if descriptor.full_name in ANY_JSON:
        return json_decoders(descriptor)[descriptor.name], ANY_JSON[descriptor.full_name]
    if descriptor.full_name not in WRAPPERS:
        return None
    decode, encode = SCALARS[descriptor.fields_by_name["value"].type]
    encode = encode or same
    return (lambda value: {"value": decode(value)}), (lambda message: encode(message.value))
