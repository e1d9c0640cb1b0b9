"""The score by rules: points that people gave, for what a lead is and does, some of which fade with time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from leads.scoring.features import moment, number, text

TRUTH = {"true": True, "yes": True, "false": False, "no": False}


class Comparison(Enum):
    EQUALS = 1
    NOT_EQUALS = 2
    CONTAINS = 3
    FILLED = 4
    BLANK = 5
    AT_LEAST = 6
    AT_MOST = 7


@dataclass(kw_only=True)
class Condition:
    field: str
    test: Comparison
    value: str = ""

    def holds(self, record: Mapping[str, Any]) -> bool:
        """Of a field that has several values, one is enough; NOT_EQUALS and BLANK are of all."""
        found = record.get(self.field)
        values = found if isinstance(found, list) else [found]
        match self.test:
            case Comparison.EQUALS:
                return any(map(self._is, values))
            case Comparison.NOT_EQUALS:
                return not any(map(self._is, values))
            case Comparison.CONTAINS:
                asked = text(self.value)
                return bool(asked) and any(asked in text(value) for value in values)
            case Comparison.FILLED:
                return any(map(text, values))
            case Comparison.BLANK:
                return not any(map(text, values))
        return any(map(self._within, values))

    def _is(self, value: Any) -> bool:
        """The same text, number, truth or moment, however it is spelled."""
        if text(value) == text(self.value):
            return True
        if isinstance(value, bool):
            return TRUTH.get(text(self.value)) is value
        return any(here is not None and here == bound for here, bound in self._compared(value))

    def _within(self, value: Any) -> bool:
        for here, bound in self._compared(value):
            if here is not None and bound is not None:
                return bool(here >= bound if self.test is Comparison.AT_LEAST else here <= bound)
        return False

    def _compared(self, value: Any) -> Iterator[tuple[Any, Any]]:
        """What the value and the one asked for are as numbers, and as moments; None if they are none."""
        yield number(value), number(self.value)
        yield moment(value), moment(self.value)


@dataclass(kw_only=True)
class Rule:
    """Points for a lead of which all conditions hold. With a half-life they halve every so many days since
    `decay_since`, one of the lead's times; a lead without that time gets none of them. `inactive` says why it gives
    none to anybody for now; empty if it does."""

    rule: str
    points: int
    conditions: list[Condition] = field(default_factory=list)
    decay_since: str = ""
    half_life_days: float = 0.0
    inactive: str = ""

    def worth(self, record: Mapping[str, Any], times: Mapping[str, datetime | None], now: datetime) -> float:
        if not all(condition.holds(record) for condition in self.conditions):
            return 0.0
        if not self.half_life_days:
            return float(self.points)
        since = times.get(self.decay_since)
        if since is None:
            return 0.0
        age = max((now - since) / timedelta(days=1), 0.0)  # a time ahead of now has not begun to fade
        return self.points * 0.5 ** (age / self.half_life_days)


@dataclass(frozen=True)
class RuleScore:
    """`points`: their sum, rounded; `parts`: rule → its points, those of rules that gave any."""

    points: int
    parts: dict[str, float]


def rule_score(
    rules: Sequence[Rule], record: Mapping[str, Any], times: Mapping[str, datetime | None], now: datetime
) -> RuleScore:
    parts = {rule.rule: worth for rule in rules if (worth := rule.worth(record, times, now))}
    return RuleScore(round(sum(parts.values())), parts)
