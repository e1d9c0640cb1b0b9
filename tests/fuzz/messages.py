"""Messages at random: what a descriptor allows on the wire, whether or not the contract's rules would."""

import random
import struct
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

F = FieldDescriptor
DEPTH = 5

# What breaks out of SQL, templates, spreadsheets, paths, logs and terminals where somebody forgot to keep it in.
NASTY = (
    "'; DROP TABLE outbox; --", '" OR ""="', "$1", "%s%n", "{{7*7}}", "${7*7}", "#read(\"/etc/passwd\")", "<script>",
    "=HYPERLINK(\"http://x\")", "@SUM(1)", "+1+cmd|' /C calc'!A0", "../../etc/passwd", "/etc/passwd", "a\0b",
    "\r\nX: y", "\x1b[2J", "\u202egnp", "\ufeff", "\ud7ff", "\U0010ffff", "Ма́рия 李小龙 São", "e\u0301", "x" * 20_000,
    " ", "-1",
    "leads/01a20c07-0c59-7308-b1c7-a4d8847b899c", "users/admin", "NaN", "1e999", "9" * 400,
)  # fmt: skip
WHOLE = (0, 1, -1, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63), 253402300800, -62135596801)
BROKEN = (0.0, -0.0, float("inf"), float("nan"), 1e308)


def message(descriptor: Descriptor, chance: random.Random, depth: int = DEPTH) -> Message:
    """A message with some of its fields set."""
    made = GetMessageClass(descriptor)()
    for field in descriptor.fields:
        if chance.random() < 0.6:
            _put(made, field, chance, depth)
    return made


def _put(made: Any, field: FieldDescriptor, chance: random.Random, depth: int) -> None:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        values = field.message_type.fields_by_name["value"].message_type
        for _ in range(chance.randrange(3)):
            if values is not None:
                child = message(values, chance, max(depth - 1, 0))
                getattr(made, field.name)[chance.choice(NASTY)].CopyFrom(child)
            else:
                getattr(made, field.name)[chance.choice(NASTY)] = chance.choice(NASTY)
    elif field.message_type is not None:
        if depth == 0:
            return
        target = getattr(made, field.name)
        for _ in range(chance.randrange(3) if field.is_repeated else 1):
            child = message(field.message_type, chance, depth - 1)
            if field.is_repeated:
                target.append(child)
            else:
                target.CopyFrom(child)
    elif field.is_repeated:
        getattr(made, field.name).extend(_value(field, chance) for _ in range(chance.randrange(4)))
    else:
        setattr(made, field.name, _value(field, chance))


def _value(field: FieldDescriptor, chance: random.Random) -> Any:
    if field.type == F.TYPE_STRING:
        return chance.choice(NASTY)
    if field.type == F.TYPE_BYTES:
        return chance.randbytes(chance.randrange(64))
    if field.type == F.TYPE_BOOL:
        return chance.random() < 0.5
    if field.type == F.TYPE_ENUM:
        return chance.choice([*(value.number for value in field.enum_type.values), 999, -1])
    if field.type in (F.TYPE_DOUBLE, F.TYPE_FLOAT):
        return chance.choice(BROKEN)
    small = field.type in (F.TYPE_INT32, F.TYPE_SINT32, F.TYPE_SFIXED32, F.TYPE_UINT32, F.TYPE_FIXED32)
    unsigned = field.type in (F.TYPE_UINT32, F.TYPE_UINT64, F.TYPE_FIXED32, F.TYPE_FIXED64)
    fit = [n for n in WHOLE if (not small or -(2**31) <= n < 2**31) and (not unsigned or n >= 0)]
    return chance.choice(fit)


def mutated(wire: bytes, chance: random.Random) -> bytes:
    """The bytes of a message with some of them changed, lost, repeated, or a false length in front."""
    found = bytearray(wire or b"\n\0")
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(found))
        kind = chance.randrange(4)
        if kind == 0:
            found[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del found[at:]
        elif kind == 2:
            found[at:at] = found[:at][-16:]
        else:
            found[at:at] = struct.pack("<I", chance.randrange(2**32))
        found = found or bytearray(b"\xff")
    return bytes(found)


def spoiled(good: Message, chance: random.Random) -> Message:
    """A copy of a message that would be taken, with one field of it, at any depth, given another value."""
    made = type(good)()
    made.CopyFrom(good)
    inner: Any = made
    for _ in range(DEPTH):
        fields = list(inner.DESCRIPTOR.fields)
        set_ones = [field for field, _ in inner.ListFields() if field.message_type and not field.is_repeated]
        if not fields:
            return made
        if set_ones and chance.random() < 0.6:
            inner = getattr(inner, chance.choice(set_ones).name)
            continue
        field = chance.choice(fields)
        inner.ClearField(field.name)
        _put(inner, field, chance, 2)
        return made
    return made


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def damaged(wire: bytes, chance: random.Random) -> bytes:
    """A good message with something around it that its schema does not have or a parser may stumble over."""
    number = chance.randrange(1, 30)
    return chance.choice([
        wire + wire,  # every field twice
        wire[: chance.randrange(len(wire) + 1)],
        wire + varint(number << 3 | 2) + b"\x03\xff\xfe\xfd",  # no UTF-8 where a text may be
        wire + b"".join(varint(number << 3 | kind) + b"\x01" * 8 for kind in (0, 1, 5)),  # other wire types
        wire + varint(19_000 << 3) + b"\x01",  # a reserved number
        wire + varint((2**29 - 1) << 3 | 2) + varint(100) + b"u" * 100,  # an unknown field
        wire + varint(number << 3) + b"\xff" * 9 + b"\x7f",  # a number that does not end where it should
        wire + varint(number << 3 | 2) + varint(2**62),  # a length beyond everything
        wire + varint(number << 3 | 3) * 200,  # groups that open and never close
        wire + nested(number, 300),
        wire + varint(number << 3 | 2) + varint(0),
        wire + (varint(number << 3 | 2) + b"\x00") * 20_000,  # empty values without end
    ])  # fmt: skip


def nested(number: int, levels: int) -> bytes:
    found = b""
    for _ in range(levels):
        found = varint(number << 3 | 2) + varint(len(found)) + found
    return found
