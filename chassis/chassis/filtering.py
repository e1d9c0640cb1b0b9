"""Filters and pages: the AIP-160 subset that lists understand, and page tokens nobody can forge or misuse.

    filter     = condition { "AND" condition }
    condition  = field ( "=" | "!=" | "<" | "<=" | ">" | ">=" | ":" ) value
    field      = word | word "." "quoted text"
    value      = "quoted text" | word | number | true | false

A column can be filtered by when its table says so (`info={"filter": True}`); `:` asks whether a list holds a value.
Company-defined fields are asked as `custom.{slug}`, see `custom_filters`, labels as `label_filters` says.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Column, Table

from chassis import custom_filters, label_filters
from chassis.columns import Beside
from chassis.custom_values import Definition
from chassis.errors import InvalidFields
from chassis.records import Bind, sql_type
from chassis.values import is_uuid

DEFAULT_PAGE, LARGEST_PAGE = 50, 1000
MOST_CONDITIONS = 20
LARGEST_AMOUNT = Decimal(10) ** 15  # what numeric(19,4) holds
TOKEN = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*")|(!=|<=|>=|[=<>:])|([^\s"=<>!:()]+(?::[^\s"=<>!:()]+)*)|(\S))')


@dataclass(frozen=True)
class Condition:
    field: str
    operator: str
    value: str


def page_size(asked: int) -> int:
    return min(asked, LARGEST_PAGE) if asked else DEFAULT_PAGE


def parse(text: str) -> list[Condition]:
    """The conditions of a filter; InvalidFields says where it cannot be read."""
    if "\0" in text:
        raise _wrong("contains a NUL character")
    words = _words(text)
    conditions: list[Condition] = []
    while words:
        if conditions and words.pop(0) != ("word", "AND"):
            raise _wrong("conditions are joined by AND")
        if len(words) > 1 and words[0][0] == "word" and words[0][1].endswith(".") and words[1][0] == "text":
            words[:2] = [("word", words[0][1] + words[1][1])]  # labels."company size"
        if len(words) < 3:
            raise _wrong("a condition is a field, an operator and a value")
        (kind, name), (sign, operator), (form, value) = words.pop(0), words.pop(0), words.pop(0)
        if kind != "word" or sign != "operator" or form == "operator":
            raise _wrong(f"cannot be read near {name!r}")
        conditions.append(Condition(name, operator, value))
        if len(conditions) > MOST_CONDITIONS:
            raise _wrong(f"has more than {MOST_CONDITIONS} conditions")
    return conditions


def _words(text: str) -> list[tuple[str, str]]:
    words: list[tuple[str, str]] = []
    for quoted, operator, word, odd in TOKEN.findall(text):
        if odd or word in ("OR", "NOT"):
            raise _wrong(f"does not understand {odd or word!r}: only AND, comparisons and ':'")
        if quoted:
            words.append(("text", re.sub(r"\\(.)", r"\1", quoted[1:-1])))
        elif operator:
            words.append(("operator", operator))
        elif ":" in word and (not words or words[-1] == ("word", "AND")):
            name, _, value = word.partition(":")  # `roles:agent`; elsewhere a colon is part of a time
            words += [("word", name), ("operator", ":"), ("word", value)]
        else:
            words.append(("word", word))
    return words


def to_sql(
    conditions: list[Condition],
    table: Table,
    bind: Bind,
    hidden: Collection[str] = (),
    own: Mapping[str, Definition] | None = None,
) -> list[str]:
    """The conditions as SQL on `table`. `bind(value, type)` takes a parameter and returns its placeholder. One cannot
    filter by a `hidden` field: what it answers would tell what the field says. `own`: the company's own fields."""
    definitions = own or {}
    for condition in conditions:
        if condition.field.split(".")[0] in hidden:
            raise _wrong(f"cannot filter by {condition.field!r}")
    if "custom" in table.columns:
        custom_filters.check_alone(conditions, definitions)
    return [_condition(condition, table, bind, definitions) for condition in conditions]


def filters_by(table: Table, name: str) -> bool:
    """Whether lists of the table can be filtered by its column `name`."""
    return name in table.columns and bool(table.columns[name].info.get("filter"))


def _condition(condition: Condition, table: Table, bind: Bind, own: Mapping[str, Definition]) -> str:
    if "custom" in table.columns and (definition := custom_filters.definition_of(condition, own)):
        return custom_filters.to_sql(condition, definition, table.info["collection"], bind)
    if label_filters.is_asked(condition) and filters_by(table, label_filters.LABELS):
        return label_filters.to_sql(condition, table.info["collection"], bind)
    beside: Beside | None = table.info.get("beside")
    if beside and condition.field in beside.fields:
        return _found_beside(condition, beside, bind)
    column = table.columns.get(condition.field)
    if column is None or not filters_by(table, condition.field):
        names = [one.name for one in table.columns if one.info.get("filter")]
        known = ", ".join([*names, *(beside.fields if beside else ())])
        raise _wrong(f"cannot filter by {condition.field!r}; fields: {known or 'none'}")
    if condition.field == "external_ids":
        return _external_id(condition, table, bind)
    return _compared(condition, column, bind)


def _found_beside(condition: Condition, beside: Beside, bind: Bind) -> str:
    column = beside.table.columns[condition.field]
    tests = [beside.where, _compared(condition, column, bind)]
    # A range is given both its ends: one that is open Postgres takes for a third of all rows when it plans without
    # knowing the values.
    if ends := column.info.get("between"):
        tests += [f"{column.name} >= {ends[0]}"] if condition.operator in ("<", "<=") else []
        tests += [f"{column.name} <= {ends[1]}"] if condition.operator in (">", ">=") else []
    return f"id IN (SELECT id FROM {beside.table.name} WHERE {' AND '.join(tests)})"


def _compared(condition: Condition, column: Column[Any], bind: Bind) -> str:
    cast = sql_type(column)
    if cast == "JSONB":
        if condition.operator != ":":
            raise _wrong(f"{condition.field} is a list; ask with ':'")
        return f"{column.name} @> {bind(json.dumps([condition.value]), 'jsonb')}"
    if condition.operator == ":":
        raise _wrong(f"{condition.field} is not a list; ask with '='")
    allowed = column.info.get("values")
    if allowed and condition.value not in allowed:
        raise _wrong(f"{condition.field} is one of {', '.join(allowed)}")
    compared = f"{column.name} {condition.operator} {bind(_typed(condition, cast), cast)}"
    # Written out: a parameter would not prove that an index serves which leaves out what is empty.
    sparse = column.info.get("sparse") and condition.operator == "=" and condition.value
    return f"({compared} AND {column.name} <> '')" if sparse else compared


def _external_id(condition: Condition, table: Table, bind: Bind) -> str:
    """`external_ids : "system/kind/id"`, by the index that also keeps them unique."""
    parts = condition.value.split("/", 2)
    if condition.operator != ":" or len(parts) != 3:
        raise _wrong('external_ids is asked as external_ids : "system/kind/id"')
    keys = [f"{name} = {bind(part, 'text')}" for name, part in zip(("system", "kind", "key"), parts, strict=True)]
    collection = bind(table.info["collection"], "text")
    found = f"SELECT record_id FROM external_id WHERE collection = {collection} AND {' AND '.join(keys)}"
    return f"id = ({found})::{sql_type(table.columns['id'])}"


def _typed(condition: Condition, cast: str) -> Any:
    """The value as the column's type; InvalidFields if it is not one."""
    value = condition.value
    try:
        if cast == "UUID":
            if not is_uuid(value):
                raise ValueError
            return value
        if cast == "BOOLEAN":
            return {"true": True, "false": False}[value]
        if cast in ("INTEGER", "BIGINT"):
            number = int(value)
            if abs(number) >= 2**31:
                raise ValueError
            return number
        if cast.startswith(("NUMERIC", "FLOAT", "DOUBLE")):
            amount = Decimal(value)
            if not amount.is_finite() or abs(amount) >= LARGEST_AMOUNT:
                raise ValueError
            return amount
        if cast.startswith("TIMESTAMP"):
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is None:
                raise ValueError
            return moment.astimezone(UTC)
        if cast == "DATE":
            return date.fromisoformat(value)
    except (ValueError, KeyError, ArithmeticError) as wrong:
        raise _wrong(f"{value!r} is not a value of {condition.field}") from wrong
    return value


def _wrong(said: str) -> InvalidFields:
    return InvalidFields(("filter", said))


def digest(*parts: object) -> str:
    """What a page token is bound to: filter, order and the caller's reach."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def make_token(key: bytes, last: str, bound_to: str) -> str:
    body = f"{last}\n{bound_to}".encode()
    return base64.urlsafe_b64encode(hmac.digest(key, body, "sha256")[:12] + body).decode().rstrip("=")


def read_token(key: bytes, token: str, bound_to: str) -> str:
    """The last key of the page before; InvalidFields for a token that is not ours or of another list."""
    last, bound = open_token(key, token, "page_token")
    if bound != bound_to:
        raise InvalidFields(("page_token", "belongs to another filter or another caller"))
    return last


def open_token(key: bytes, token: str, field_path: str) -> tuple[str, str]:
    """What a token says, and what it is bound to; InvalidFields for one that is not ours."""
    wrong = InvalidFields((field_path, f"is not a {field_path.replace('_', ' ')}"))
    try:
        body = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)[12:]
        last, bound = body.decode().rsplit("\n", 1)
    except ValueError as unreadable:
        raise wrong from unreadable
    # The text, not the bytes: base64 has several spellings of the same bytes, and ours is one.
    if not hmac.compare_digest(token, make_token(key, last, bound)):
        raise wrong
    return last, bound
