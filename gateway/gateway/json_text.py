"""JSON text to plain Python values and back, refusing what two readers could understand differently."""

import json
from typing import Any

import msgspec

from gateway.scalars import Invalid

# Deeper than any message of the suite. protobuf reads 100 levels, and a level of google.protobuf.Struct is three of
# them: what is accepted here can be read by every service.
MAX_DEPTH = 32

render = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def parse(raw: bytes) -> Any:
    """The value of a JSON text in UTF-8. Raises Invalid for anything else, for duplicate keys, and below MAX_DEPTH."""
    try:
        value = _decode(raw)
    except (UnicodeDecodeError, UnicodeEncodeError):
        raise Invalid("must be UTF-8") from None
    except RecursionError:
        raise Invalid(f"is nested deeper than {MAX_DEPTH} levels") from None
    except msgspec.MsgspecError as error:
        raise Invalid(f"is not JSON: {error}") from None
    # msgspec keeps the last of two equal keys in silence. Where no key has space before its colon, `":` stands once
    # for each key (and in strings only as `\":`), so a text with no more of them than keys has no key twice.
    # Others are read once more, slowly.
    if raw.count(b'":') != keys_of(value, 1) or b" :" in raw or b"\n:" in raw or b"\t:" in raw or b"\r:" in raw:
        json.loads(raw, object_pairs_hook=once)
    return value


def keys_of(value: Any, depth: int) -> int:
    """How many keys the value has on all its levels; raises Invalid below MAX_DEPTH."""
    if depth > MAX_DEPTH:
        raise Invalid(f"is nested deeper than {MAX_DEPTH} levels")
    count = 0
    if type(value) is dict:
        count = len(value)
        value = value.values()
    elif type(value) is not list:
        return 0
    for item in value:
        if type(item) is dict or type(item) is list:
            count += keys_of(item, depth + 1)
    return count


def once(pairs: list[tuple[str, Any]]) -> None:
    """Raises Invalid for a key that an object has twice."""
    if len(pairs) != len({key for key, _ in pairs}):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise Invalid("is given twice").under(twice)
