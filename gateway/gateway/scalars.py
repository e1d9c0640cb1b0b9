"""One JSON value to one protobuf scalar and back, as proto3 JSON spells them.

A decoder takes a value of `json_text.parse` and returns what a message's constructor accepts, or raises Invalid.
Integers may come as strings and integral floats, as proto3 JSON allows; nothing else is guessed.
"""

import base64
import binascii
import math
import re
import struct
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

Decode = Callable[[Any], Any]
Encode = Callable[[Any], Any]

INTEGER = re.compile(r"-?[0-9]{1,20}", re.ASCII)
DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)
SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
FLOAT_MAX = 3.4028234663852886e38
BASE64 = str.maketrans("-_", "+/")


class Invalid(Exception):
    """A value that cannot be read. `path` grows from the inside out: "[2]" for list items, ".name" for keys."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = ""

    def under(self, key: str) -> "Invalid":
        """The same complaint seen from the object that holds `key`."""
        self.path = f".{key}{self.path}"
        return self

    def inside(self, index: int) -> "Invalid":
        """The same complaint seen from the list whose item `index` it is about."""
        self.path = f"[{index}]{self.path}"
        return self

    @property
    def field(self) -> str:
        """The path in the caller's spelling, for example `externalIds[2].id`; empty for the whole body."""
        return self.path.removeprefix(".")


def kind(value: Any) -> str:
    """What a JSON value is called in a message to people."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def decode_string(value: Any) -> str:
    if type(value) is not str:
        raise Invalid(f"must be a string, not {kind(value)}")
    return value


def decode_bool(value: Any) -> bool:
    if type(value) is not bool:
        raise Invalid(f"must be true or false, not {kind(value)}")
    return value


def decode_bytes(value: Any) -> bytes:
    """Base64 in the standard or the URL alphabet, with or without padding."""
    text = decode_string(value).rstrip("=").translate(BASE64)
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("must be base64") from None


def integer(low: int, high: int) -> Decode:
    """A decoder of integers from `low` to `high`, both included."""

    def decode(value: Any) -> int:
        if type(value) is not int:
            value = whole(value)
        if not low <= value <= high:
            raise Invalid(f"must be from {low} to {high}")
        return value

    return decode


def whole(value: Any) -> int:
    """The integer itself, in a string, or in an integral float."""
    if type(value) is int:
        return value
    if type(value) is str and INTEGER.fullmatch(value):
        return int(value)
    if type(value) is float and value.is_integer():
        return int(value)
    raise Invalid(f"must be an integer, not {kind(value)}" if type(value) not in (str, float) else "must be an integer")


def decode_double(value: Any) -> float:
    if type(value) is str:
        if value in SPECIAL:
            return SPECIAL[value]
        if not DECIMAL.fullmatch(value):
            raise Invalid("must be a number")
    elif type(value) is not float and type(value) is not int:
        raise Invalid(f"must be a number, not {kind(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if math.isinf(number):
        raise Invalid("is too large")
    return number


def decode_float(value: Any) -> float:
    number = decode_double(value)
    if abs(number) > FLOAT_MAX and not (type(value) is str and value in SPECIAL):
        raise Invalid("is too large")
    return number


def encode_double(value: float) -> float | str:
    """Not-a-number and the infinities are strings in proto3 JSON."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def encode_float(value: float) -> float | str:
    """The shortest decimal that reads back as the same 32-bit float."""
    if not math.isfinite(value):
        return encode_double(value)
    wanted = struct.pack("f", value)
    for digits in range(6, 9):
        short = float(f"{value:.{digits}g}")
        if abs(short) <= FLOAT_MAX and struct.pack("f", short) == wanted:
            return short
    return float(f"{value:.9g}")


def encode_bytes(value: bytes) -> str:
    return base64.b64encode(value).decode()


def enumeration(descriptor: EnumDescriptor) -> tuple[Decode, Encode]:
    """By name; a number is accepted if the enum has it, and printed if it has no name for it."""
    numbers = {name: value.number for name, value in descriptor.values_by_name.items()}
    names = {number: value.name for number, value in descriptor.values_by_number.items()}
    shown = ", ".join(list(numbers)[:20])

    def decode(value: Any) -> int:
        spelled = type(value) is str and not INTEGER.fullmatch(value)
        number = numbers.get(value) if spelled else whole(value)
        if number is None or number not in names:
            raise Invalid(f"must be one of {shown}")
        return number

    def encode(value: int) -> str | int:
        return names.get(value, value)

    return decode, encode


def same(value: Any) -> Any:
    return value


F = FieldDescriptor
INT32, INT64 = integer(-(2**31), 2**31 - 1), integer(-(2**63), 2**63 - 1)
UINT32, UINT64 = integer(0, 2**32 - 1), integer(0, 2**64 - 1)
# An encoder of None means that the value is already JSON.
SCALARS: dict[int, tuple[Decode, Encode | None]] = {
    F.TYPE_STRING: (decode_string, None),
    F.TYPE_BOOL: (decode_bool, None),
    F.TYPE_BYTES: (decode_bytes, encode_bytes),
    F.TYPE_DOUBLE: (decode_double, encode_double),
    F.TYPE_FLOAT: (decode_float, encode_float),
    **dict.fromkeys((F.TYPE_INT32, F.TYPE_SINT32, F.TYPE_SFIXED32), (INT32, None)),
    **dict.fromkeys((F.TYPE_UINT32, F.TYPE_FIXED32), (UINT32, None)),
    **dict.fromkeys((F.TYPE_INT64, F.TYPE_SINT64, F.TYPE_SFIXED64), (INT64, str)),
    **dict.fromkeys((F.TYPE_UINT64, F.TYPE_FIXED64), (UINT64, str)),
}


def map_key(field: FieldDescriptor) -> tuple[Decode, Encode | None]:
    """JSON keys are strings: numbers are read from their digits and booleans from their names."""
    if field.type == F.TYPE_STRING:
        return same, None
    if field.type == F.TYPE_BOOL:
        return decode_bool_text, {True: "true", False: "false"}.__getitem__
    return SCALARS[field.type][0], str


def decode_bool_text(value: Any) -> bool:
    """For map keys and query parameters."""
    if value not in ("true", "false"):
        raise Invalid("must be true or false")
    return value == "true"
