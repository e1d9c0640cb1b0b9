"""Values of the fields that a company defined: what a definition allows, and how each value is spelled.

In a record they stand under the slugs of their definitions: texts, numbers, true and false, lists of texts. Days are
`2026-01-31`, moments `2026-01-31T09:30:00Z` in UTC. Standard library and the error tree only.
"""

import json
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any

from chassis.errors import InvalidFields

Values = dict[str, str | int | float | bool | list[str]]

LARGEST_NUMBER = 10**15  # whole numbers up to here are exact, also in a double
DEFAULT_LENGTH = 255
MOST_TOLD = 20  # of what is wrong, or allowed: errors are read by people
MOST_BYTES = 65_536  # of all values of one record; each is told with every event of the record
DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT([01]\d|2[0-3]):\d\d:\d\d(\.\d{1,6})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)", re.ASCII)


class Type(Enum):
    """What the values of a field are."""

    STRING = 1
    NUMBER = 2
    INTEGER = 3
    BOOL = 4
    DATE = 5
    DATETIME = 6
    ENUM = 7
    MULTI_ENUM = 8


NUMBERS = frozenset({Type.NUMBER, Type.INTEGER})
CHOICES = frozenset({Type.ENUM, Type.MULTI_ENUM})
ORDERED = NUMBERS | {Type.DATE, Type.DATETIME}  # those of which one comes before the other


@dataclass(frozen=True, kw_only=True)
class Option:
    """One of the values that may be chosen."""

    value: str
    display_name: str = ""
    archived: bool = False


@dataclass(frozen=True, kw_only=True)
class NumberRange:
    """Between which two numbers a number must be, both included."""

    minimum: float = 0
    maximum: float = 0


@dataclass(frozen=True, kw_only=True)
class Definition:
    """What one field may hold."""

    slug: str
    type: Type
    max_length: int = 0
    range: NumberRange | None = None
    options: list[Option] = field(default_factory=list)
    required: bool = False
    indexed: bool = False
    personal: bool = False
    archived: bool = False

    def read(self, value: Any, before: Any = None) -> Any:
        """A value in its one spelling; ValueError says what is allowed instead. What a record had `before` it may keep
        though it can no longer be chosen."""
        return READERS[self.type](self, value, before)


NONE: Mapping[str, Definition] = {}


def settled(
    given: Mapping[str, Any], before: Mapping[str, Any], definitions: Mapping[str, Definition], *, whole: bool = False
) -> Values:
    """The values of a record in their one spelling, without those that say nothing. InvalidFields names each value that
    differs from `before` and that no definition allows; with `whole`, also each that is required and not there."""
    wrong: list[tuple[str, str]] = []
    values: Values = {}
    for slug, value in given.items():
        if value is None or value in ("", []):
            continue
        old = before.get(slug)
        if same(value, old):
            values[slug] = value
            continue
        definition = definitions.get(slug)
        try:
            if definition is None:
                known = sorted(one.slug for one in definitions.values() if not one.archived)
                raise ValueError(f"is not defined; defined are: {_some(known) or 'none'}")
            if definition.archived:
                raise ValueError("is archived: it can only be cleared")
            values[slug] = definition.read(value, old)
        except ValueError as refused:
            wrong.append((path(slug), str(refused)))
            if len(wrong) == MOST_TOLD:
                raise InvalidFields(*wrong) from refused
    for definition in definitions.values():
        missing = definition.required and not definition.archived and definition.slug not in values
        if missing and (whole or definition.slug in before) and path(definition.slug) not in dict(wrong):
            wrong.append((path(definition.slug), "is required"))
    if not wrong and values and len(json.dumps(values, ensure_ascii=False).encode()) > MOST_BYTES:
        wrong.append(("custom", f"is longer than {MOST_BYTES} bytes altogether"))
    if wrong:
        raise InvalidFields(*wrong)
    return values


def settle(record: Any, before: Values, definitions: Mapping[str, Definition], *, whole: bool = False) -> None:
    """Settles the values of a record; of one that has none, nor could have, nothing is asked."""
    given = getattr(record, "custom", None)
    if given or before or (whole and given is not None):
        record.custom = settled(given or {}, before, definitions, whole=whole)


def carried(values: Values, source: Mapping[str, Definition], target: Mapping[str, Definition]) -> Values:
    """Which of a record's values another kind of record can take over: those whose field it has, too, of the same type,
    and in use; nothing personal where an erasure would not look for it."""
    taken: Values = {}
    for slug, value in values.items():
        ours, theirs = source.get(slug), target.get(slug)
        if ours is None or theirs is None or theirs.archived or ours.type is not theirs.type:
            continue
        if theirs.personal or not ours.personal:
            with suppress(ValueError):
                taken[slug] = theirs.read(value)
    return taken


def path(slug: str) -> str:
    """How errors, filters, masks and files name a value."""
    return f"custom.{slug[:63]}"


def as_text(value: Any) -> str:
    """A value as a cell of a file says it; several as `a; b`."""
    if isinstance(value, list):
        return "; ".join(value)
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else str(number_of(value))


def same(one: Any, other: Any) -> bool:
    """Whether two values are one: true is no 1."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def number_of(value: Any) -> int | float:
    """A number as it is kept: whole ones without a fraction."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")
    if not math.isfinite(value) or abs(value) > LARGEST_NUMBER:
        raise ValueError("must be a number between -10^15 and 10^15")
    return int(value) if value == int(value) else value


def moment_of(value: Any) -> datetime:
    """A moment as it may be written, in UTC."""
    if not isinstance(value, str) or not MOMENT.fullmatch(value):
        raise ValueError("must be a moment like 2026-01-31T09:30:00Z, down to microseconds")
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError) as wrong:
        raise ValueError("is no moment of the years 1 to 9999") from wrong


def spelled(at: datetime) -> str:
    """A moment of UTC as it is kept: no, three or six digits after the second."""
    parts = "seconds" if not at.microsecond else "milliseconds" if at.microsecond % 1000 == 0 else "microseconds"
    return f"{at.replace(tzinfo=None).isoformat(timespec=parts)}Z"


def _text(definition: Definition, value: Any, _: Any) -> str:
    most = definition.max_length or DEFAULT_LENGTH
    if not isinstance(value, str):
        raise ValueError("must be a text")
    text = unicodedata.normalize("NFC", value)
    if "\0" in text:
        raise ValueError("contains a NUL character")
    if len(text) > most:
        raise ValueError(f"must be at most {most} characters long")
    return text


def _number(definition: Definition, value: Any, _: Any) -> int | float:
    number, limits = number_of(value), definition.range
    if definition.type is Type.INTEGER and not isinstance(number, int):
        raise ValueError("must be a whole number")
    if limits and not limits.minimum <= number <= limits.maximum:
        raise ValueError(f"must be between {number_of(limits.minimum)} and {number_of(limits.maximum)}")
    return number


def _truth(_: Definition, value: Any, __: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _day(_: Definition, value: Any, __: Any) -> str:
    try:
        if not isinstance(value, str) or not DAY.fullmatch(value):
            raise ValueError
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise ValueError("must be a day like 2026-01-31") from None


def _moment(_: Definition, value: Any, __: Any) -> str:
    return spelled(moment_of(value))


def _choice(definition: Definition, value: Any, _: Any) -> str:
    return _chosen(definition, value, "must be one of")


def _choices(definition: Definition, value: Any, before: Any) -> list[str]:
    if not isinstance(value, list):
        raise ValueError(f"must be a list of {allowed(definition)}")
    kept = before if isinstance(before, list) else []
    chosen = [one if one in kept else _chosen(definition, one, "must be a list of") for one in value]
    if len(set(chosen)) != len(chosen):
        raise ValueError("names an option twice")
    return chosen


def _chosen(definition: Definition, value: Any, must: str) -> str:
    text = unicodedata.normalize("NFC", value) if isinstance(value, str) else value
    for option in definition.options:
        if option.value == text and not option.archived:
            return option.value
    raise ValueError(f"{must} {allowed(definition)}")


def allowed(definition: Definition) -> str:
    """The options that may be chosen, as a text."""
    return _some([option.value for option in definition.options if not option.archived])


def _some(texts: list[str]) -> str:
    """The first of them, and how many more there are."""
    more = len(texts) - MOST_TOLD
    return ", ".join(texts[:MOST_TOLD]) + (f" and {more} more" if more > 0 else "")


READERS: Mapping[Type, Callable[[Definition, Any, Any], Any]] = {
    Type.STRING: _text,
    Type.NUMBER: _number,
    Type.INTEGER: _number,
    Type.BOOL: _truth,
    Type.DATE: _day,
    Type.DATETIME: _moment,
    Type.ENUM: _choice,
    Type.MULTI_ENUM: _choices,
}
