"""What a record says, as numbers: fields of any mapping, and the columns a model reads from them.

Values may be texts in any script, numbers, flags, dates as ISO texts, or missing. A blank is a value of its own:
that nobody filled in a field says something, too.
"""

import dataclasses
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any

NumberOrNone = float | None
LONGEST = 200  # characters of a text that are compared
MOST_VALUES = 40  # a category with more values is an identifier: learned by rate, not value by value
ALIKE = 0.95  # so many of a field's filled values must read as numbers, or dates, for it to be of that kind
UNIQUE = 0.5  # from this many different values per record on a text names records, and says nothing of others
LARGEST = 1e15
ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ].*)?")


class Kind(Enum):
    NUMBER = "number"
    CATEGORY = "category"
    IDENTIFIER = "identifier"  # a text with many values that come again, such as a page
    DATE = "date"


@dataclass(frozen=True)
class Field:
    name: str
    kind: Kind


class Reads(Enum):
    """What a column says of its field."""

    NUMBER = "number"  # the number itself; None if blank
    BLANK = "blank"  # 1 if nothing is said
    IS = "is"  # 1 if it is `value`
    RATE = "rate"  # the log-odds with which records of the same value won; those of all for one never seen
    COUNT = "count"  # log(1 + how many records had the same value)
    DAY = "day"  # days since 1970
    MONTH = "month"  # 1 to 12
    WEEKDAY = "weekday"  # Monday is 1


@dataclass(frozen=True)
class Column:
    field: str
    reads: Reads
    value: str = ""
    table: Mapping[str, float] = dataclasses.field(default_factory=dict, hash=False)
    default: float = 0.0

    def read(self, value: Any) -> NumberOrNone:
        """The column of a field's value as it stands in a record."""
        match self.reads:
            case Reads.NUMBER:
                return number(value)
            case Reads.BLANK:
                return float(text(value) == "")
            case Reads.IS:
                return float(text(value) == self.value)
            case Reads.RATE | Reads.COUNT:
                return self.table.get(text(value), self.default)
        day = civil(value)
        if day is None:
            return None
        return float({Reads.DAY: day.toordinal() - 719163, Reads.MONTH: day.month}.get(self.reads, day.isoweekday()))


def text(value: Any) -> str:
    """A value in the one spelling in which values are compared; empty if it is blank."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer() and abs(value) < LARGEST:
        value = int(value)
    said = str(value)
    if not said.isascii():  # what is has one spelling already
        said = unicodedata.normalize("NFKC", said)
    return said.casefold().strip()[:LONGEST]


def texts(values: Iterable[Any]) -> list[str]:
    """The same of many values, of which most come again."""
    known: dict[Any, str] = {}
    found = []
    for value in values:
        key = value if type(value) is str else (type(value), value)
        word = known.get(key)
        if word is None:
            word = known[key] = text(value)
        found.append(word)
    return found


def number(value: Any) -> NumberOrNone:
    """A value as a finite number; None if it is none."""
    if value is None or isinstance(value, bool):
        return None
    try:
        read = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return read if math.isfinite(read) and abs(read) <= LARGEST else None


def civil(value: Any) -> date | None:
    """A date, a time or an ISO text as a civil date; None if it is none."""
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    if not isinstance(value, str) or not ISO_DATE.fullmatch(value.strip()):
        return None
    try:
        return date.fromisoformat(value.strip()[:10])
    except ValueError:
        return None


def moment(value: Any) -> datetime | None:
    """A date, a time or an ISO text as a moment, a date as its beginning in UTC; None if it is none."""
    if isinstance(value, str) and ISO_DATE.fullmatch(value.strip()):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def infer(records: Sequence[Mapping[str, Any]], leave_out: Iterable[str] = ()) -> tuple[list[Field], dict[str, str]]:
    """The fields a model may learn from, by name, and those it may not with the reason why."""
    fields, left_out = [], {}
    without = set(leave_out)
    for name in sorted({key for record in records for key in record} - without):
        kind, why = kind_of([record.get(name) for record in records])
        if kind:
            fields.append(Field(name, kind))
        else:
            left_out[name] = why
    return fields, left_out


def kind_of(values: Sequence[Any]) -> tuple[Kind | None, str]:
    """What kind of field has these values; none, and why, if they cannot help."""
    words = texts(values)
    different = Counter(words)
    if len(different) < 2:
        return None, "is the same in every lead"
    # Most values come again: each is read once. What is equal, as 1 and true are, need not be read as the same.
    filled = Counter((type(value), value) for value, word in zip(values, words, strict=True) if word)
    if sum(times for (_, value), times in filled.items() if civil(value)) >= ALIKE * filled.total():
        return Kind.DATE, ""
    numbers = {key: read for key in filled if (read := number(key[1])) is not None}
    if sum(map(filled.__getitem__, numbers)) >= ALIKE * filled.total() and len(set(numbers.values())) > 2:
        return Kind.NUMBER, ""
    if len(different) <= MOST_VALUES:
        return Kind.CATEGORY, ""
    if len(different) > UNIQUE * len(values):
        return None, "is different in almost every lead"
    return Kind.IDENTIFIER, ""
