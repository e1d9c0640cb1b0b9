"""Filters by company-defined fields, such as `custom.budget >= 1000`: by operators that fit the type of the field.

An indexed field is looked up in `custom_value`, never in the records. One that is not indexed only narrows down what
another condition finds. A record without a value meets no condition about it, `!=` included.
"""

import json
import unicodedata
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from chassis.custom_values import CHOICES, ORDERED, Definition, Type, allowed, moment_of
from chassis.errors import InvalidFields
from chassis.records import Bind

if TYPE_CHECKING:
    from chassis.filtering import Condition

PREFIX = "custom."
EQUAL, COMPARED = ("=", "!="), ("=", "!=", "<", "<=", ">", ">=")
OPERATORS: dict[Type, tuple[str, ...]] = {
    kind: COMPARED if kind in ORDERED or kind is Type.STRING else EQUAL for kind in Type
}
OPERATORS[Type.MULTI_ENUM] = (":",)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Beyond every number, day and moment. A range is given both its ends: one that is open Postgres takes for a third of
# all rows when it plans without knowing the values.
ENDS = {">": ("<", 10**18), ">=": ("<", 10**18), "<": (">", -(10**18)), "<=": (">", -(10**18))}


def definition_of(condition: "Condition", definitions: Mapping[str, Definition]) -> Definition | None:
    """The field that a condition is about; None if it is about something else. InvalidFields if there is no such field
    or it is not compared so."""
    if not condition.field.startswith(PREFIX):
        return None
    definition = definitions.get(condition.field.removeprefix(PREFIX))
    if definition is None:
        raise _wrong(f"cannot filter by {condition.field!r}: no such field is defined")
    operators = OPERATORS[definition.type]
    if condition.operator not in operators:
        raise _wrong(f"{condition.field} is a {definition.type.name}; ask with {' '.join(operators)}")
    return definition


def check_alone(conditions: Collection["Condition"], definitions: Mapping[str, Definition]) -> None:
    """InvalidFields if a field that is not indexed is to be found by nothing else."""
    slow = [one for one in conditions if (own := definition_of(one, definitions)) and not own.indexed]
    fast = [one for one in conditions if one not in slow and one.operator in ("=", ":")]
    if slow and not fast:
        raise _wrong(f"{slow[0].field} is not indexed: ask together with another condition with '=' or ':'")


def to_sql(condition: "Condition", definition: Definition, collection: str, bind: Bind) -> str:
    """The condition as SQL on a table with a column `custom`."""
    value = _value(condition, definition)
    if definition.indexed:
        return _looked_up(condition.operator, value, f"customFields/{NAMES[collection]}-{definition.slug}", bind)
    slug = bind(definition.slug, "text")
    if definition.type is Type.MULTI_ENUM:
        return f"custom -> {slug} @> {bind(json.dumps([value]), 'jsonb')}"
    if not isinstance(value, Decimal):
        return f'(custom ->> {slug}) COLLATE "C" {condition.operator} {bind(value, "text")}'
    kind = {Type.DATE: "date", Type.DATETIME: "timestamptz"}.get(definition.type)
    number = f"extract(epoch FROM (custom ->> {slug})::{kind})" if kind else f"(custom ->> {slug})::numeric"
    return f"{number} {condition.operator} {bind(value, 'numeric')}"


def _looked_up(operator: str, value: str | Decimal, name: str, bind: Bind) -> str:
    tests = [f"field = {bind(name, 'text')}"]
    if isinstance(value, Decimal):
        tests += ["number IS NOT NULL", f"number {operator} {bind(value, 'numeric')}"]
        if end := ENDS.get(operator):
            tests.append(f"number {end[0]} {bind(Decimal(end[1]), 'numeric')}")
    else:
        same = "=" if operator == ":" else operator
        tests += ["number IS NULL", f"text {same} {bind(value, 'text')}"]
    return f"id IN (SELECT record_id FROM custom_value WHERE {' AND '.join(tests)})"


def _value(condition: "Condition", definition: Definition) -> str | Decimal:
    """What a record's value is compared with, as `custom_value` has it: a text, or the number that a day or a moment
    is, in seconds since 1970."""
    said = unicodedata.normalize("NFC", condition.value)
    if definition.type in CHOICES and said not in [option.value for option in definition.options]:
        raise _wrong(f"{condition.field} is one of {allowed(definition)}")
    if definition.type is Type.BOOL and said not in ("true", "false"):
        raise _wrong(f"{condition.field} is true or false")
    if definition.type not in ORDERED:
        return said
    try:
        number = NUMBER_OF[definition.type](said)
        if not number.is_finite() or abs(number) >= 10**18:
            raise ValueError
    except (ValueError, ArithmeticError) as wrong:
        raise _wrong(f"{said!r} is not a value of {condition.field}") from wrong
    return number


def _of_day(said: str) -> Decimal:
    return Decimal((date.fromisoformat(said) - EPOCH.date()).days * 86_400)


def _of_moment(said: str) -> Decimal:
    return Decimal((moment_of(said) - EPOCH) // timedelta(microseconds=1)) / 1_000_000


NUMBER_OF: Mapping[Type, Callable[[str], Decimal]] = {
    Type.NUMBER: Decimal,
    Type.INTEGER: Decimal,
    Type.DATE: _of_day,
    Type.DATETIME: _of_moment,
}
NAMES = {"leads": "lead", "accounts": "account", "opportunities": "opportunity"}


def _wrong(said: str) -> InvalidFields:
    return InvalidFields(("filter", said))
