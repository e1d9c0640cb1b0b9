"""Match rules as data: which fields are compared, how, what each agreement is worth, and when that is enough."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum
from math import log2


class Comparator(Enum):
    """How the values of a field are compared. One of NAME is one part of a name, PERSON is a whole one."""

    PERSON = 1
    NAME = 2
    COMPANY = 3
    EMAIL = 4
    PHONE = 5
    ADDRESS = 6
    CODE = 7
    DATE = 8


class Level(IntEnum):
    """How well two values agree. A value that is missing on either side is no level: it says nothing."""

    DIFFERENT = 0
    PARTLY = 1
    CLOSE = 2
    SAME = 3


@dataclass(frozen=True, kw_only=True)
class FieldRule:
    """What a field's agreement is worth, in bits: +1 doubles the odds that both are one, -1 halves them."""

    field: str
    comparator: Comparator
    points: tuple[float, float, float, float]  # by Level, DIFFERENT first


@dataclass(frozen=True, kw_only=True)
class MatchRules:
    """The rules of one kind of record. `prior` is what a pair starts with; at 0 bits both answers are equally likely.
    Pairs that reach `review` are shown to a person, those that reach `auto` may be merged by a policy."""

    fields: tuple[FieldRule, ...]
    prior: float
    review: float
    auto: float


DEFAULT_POINTS: Mapping[Comparator, tuple[float, float, float, float]] = {
    Comparator.PERSON: (-5, 2, 6, 9),
    Comparator.NAME: (-4, 1, 4, 7),
    Comparator.COMPANY: (-6, 1, 8, 11),
    Comparator.EMAIL: (-2, 3, 9, 14),
    Comparator.PHONE: (-2, 4, 10, 12),
    Comparator.ADDRESS: (-4, 1, 8, 10),
    Comparator.CODE: (-4, -1, 4, 8),
    Comparator.DATE: (-5, -1, 6, 11),
}


def default_rules(fields: Mapping[str, Comparator], records: int) -> MatchRules:
    """Rules that hold untuned: as if each of so many records had one duplicate on average."""
    rules = tuple(FieldRule(field=name, comparator=how, points=DEFAULT_POINTS[how]) for name, how in fields.items())
    return MatchRules(fields=rules, prior=-log2(max(records, 2)), review=0.0, auto=10.0)
