"""How points are given, and where bands begin."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import ClassVar

from chassis.custom_values import CHOICES, NONE, NUMBERS, ORDERED, Definition, Type, allowed
from chassis.errors import InvalidFields
from chassis.values import Record

from leads.domain.lead_facts import CUSTOM, KNOWN, LABEL
from leads.scoring.features import moment, number, text
from leads.scoring.rules import TRUTH, Comparison, Condition, Rule

NUMERIC = (Comparison.AT_LEAST, Comparison.AT_MOST)
SAME = (Comparison.EQUALS, Comparison.NOT_EQUALS)


@dataclass(frozen=True, kw_only=True)
class Band:
    band: str
    at_least: float = 0.0


def _usual_bands() -> list[Band]:
    return [Band(band="hot", at_least=60.0), Band(band="warm", at_least=25.0), Band(band="cold")]


@dataclass(kw_only=True)
class ScoreSettings(Record):
    """There is one."""

    collection: ClassVar[str] = "scoreSettings"
    ID: ClassVar[str] = "settings"

    id: str = ID
    rules: list[Rule] = field(default_factory=list)
    bands: list[Band] = field(default_factory=_usual_bands)

    @property
    def fade(self) -> bool:
        """Whether a score may change without a change of its lead."""
        return any(rule.half_life_days for rule in self.rules)

    def band_of(self, score: float) -> str:
        return next(band.band for band in self.bands if score >= band.at_least)

    def judged(self, own: Mapping[str, Definition]) -> "ScoreSettings":
        """The same, each rule saying whether it gives points: one that asks of a field that is archived does not."""
        return replace(self, rules=[replace(rule, inactive=_why_inactive(rule, own)) for rule in self.rules])

    def in_use(self, own: Mapping[str, Definition]) -> "ScoreSettings":
        """The same with those rules alone that give points."""
        return replace(self, rules=[rule for rule in self.judged(own).rules if not rule.inactive])

    def check(self, own: Mapping[str, Definition] = NONE) -> None:
        """InvalidFields if scores could not be given by it. Without bands it has the usual ones. `own`: the company's
        own fields of leads."""
        self.bands = self.bands or _usual_bands()
        wrong = [(f"score_settings.{path}", said) for path, said in (*self._wrong_rules(own), *self._wrong_bands())]
        if wrong:
            raise InvalidFields(*wrong)

    def _wrong_rules(self, own: Mapping[str, Definition]) -> Iterator[tuple[str, str]]:
        seen: set[str] = set()
        for place, rule in enumerate(self.rules):
            if rule.rule in seen:
                yield f"rules[{place}].rule", f"{rule.rule} is taken"
            seen.add(rule.rule)
            if bool(rule.half_life_days) != bool(rule.decay_since):
                yield f"rules[{place}].decay_since", "is said with half_life_days, and only then"
            for number_, condition in enumerate(rule.conditions):
                for path, said in _wrong(condition, own):
                    yield f"rules[{place}].conditions[{number_}].{path}", said

    def _wrong_bands(self) -> Iterator[tuple[str, str]]:
        bounds, names = [band.at_least for band in self.bands], [band.band for band in self.bands]
        if bounds[-1] != 0:
            yield "bands", "must end with one that begins at 0"
        if len(set(names)) < len(names) or any(low >= high for high, low in itertools.pairwise(bounds)):
            yield "bands", "must differ, the highest first"


def _why_inactive(rule: Rule, own: Mapping[str, Definition]) -> str:
    for condition in rule.conditions:
        definition = own.get(condition.field.removeprefix(CUSTOM))
        if condition.field.startswith(CUSTOM) and (definition is None or definition.archived):
            return f"{condition.field} is {'archived' if definition else 'not defined'}"
    return ""


def _wrong(condition: Condition, own: Mapping[str, Definition]) -> Iterator[tuple[str, str]]:
    if condition.field.startswith(CUSTOM):
        yield from _wrong_own(condition, own.get(condition.field.removeprefix(CUSTOM)))
        return
    if condition.field not in KNOWN and not condition.field.startswith(LABEL):
        names = ", ".join(sorted(KNOWN))
        yield (
            "field",
            f"{condition.field} is not known: one of {names}, or {LABEL} and a label, or {CUSTOM} and a field",
        )
    if condition.test in NUMERIC and number(condition.value) is None:
        yield "value", f"must be a number for {condition.test.name}"
    if condition.test is Comparison.CONTAINS and not condition.value.strip():
        yield "value", "is needed for CONTAINS"


def _wrong_own(condition: Condition, definition: Definition | None) -> Iterator[tuple[str, str]]:
    """What does not fit the type of one of the company's own fields. An archived one may stay: its rule is inactive."""
    if definition is None:
        yield "field", f"{condition.field} is no field of leads"
    elif condition.test in NUMERIC and definition.type not in ORDERED:
        yield "test", f"{condition.field} is a {definition.type.name}, of which none is more than another"
    elif condition.test in (*NUMERIC, *SAME) and not _is_a(definition, condition.value):
        yield "value", f"must be a value of {condition.field}, a {definition.type.name}{_choices(definition)}"
    elif condition.test is Comparison.CONTAINS and definition.type not in (*CHOICES, Type.STRING):
        yield "test", f"{condition.field} is a {definition.type.name}; CONTAINS is for texts"
    elif condition.test is Comparison.CONTAINS and not condition.value.strip():
        yield "value", "is needed for CONTAINS"


def _is_a(definition: Definition, value: str) -> bool:
    if definition.type in NUMBERS:
        return number(value) is not None
    if definition.type in ORDERED:
        return moment(value) is not None
    if definition.type in CHOICES:
        return text(value) in [text(option.value) for option in definition.options]
    return definition.type is not Type.BOOL or text(value) in TRUTH


def _choices(definition: Definition) -> str:
    return f": {allowed(definition)}" if definition.type in CHOICES else ""


@dataclass(frozen=True, kw_only=True)
class ScoreSettingsUpdated:
    score_settings: ScoreSettings
    fields: list[str]
    event_time: datetime
