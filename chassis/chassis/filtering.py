"""Filters and pages: the AIP-160 subset that lists understand, and page tokens nobody can forge or misuse.

    filter     = condition { "AND" condition }
    condition  = field ( "=" | "!=" | "<" | "<=" | ">" | ">=" | ":" ) value
    value      = "quoted text" | word | number | true | false

A column can be filtered by when its table says so (`info={"filter": True}`); `:` asks whether a list holds a value.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Table

from chassis.errors import InvalidFields
from chassis.records import sql_type
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
    conditions: list[Condition], table: Table, bind: Callable[[Any, str], str], hidden: Collection[str] = ()
) -> list[str]:
    """The conditions as SQL on `table`. `bind(value, type)` takes a parameter and returns its placeholder. One cannot
    filter by a `hidden` field: what it answers would tell what the field says."""
    for condition in conditions:
        if condition.field in hidden:
            raise _wrong(f"cannot filter by {condition.field!r}")
    return [_condition(condition, table, bind) for condition in conditions]


def _condition(condition: Condition, table: Table, bind: Callable[[Any, str], str]) -> str:
    column = table.columns.get(condition.field)
    if column is None or not column.info.get("filter"):
        known = ", ".join(name for name, entry in table.columns.items() if entry.info.get("filter"))
        raise _wrong(f"cannot filter by {condition.field!r}; fields: {known or 'none'}")
    cast = sql_type(column)
    if condition.field == "external_ids":
        return _external_id(condition, table, bind)
    if cast == "JSONB":
        if condition.operator != ":":
            raise _wrong(f"{condition.field} is a list; ask with ':'")
        return f"{column.name} @> {bind(json.dumps([condition.value]), 'jsonb')}"
    if condition.operator == ":":
        raise _wrong(f"{condition.field} is not a list; ask with '='")
    allowed = column.info.get("values")
    if allowed and condition.value not in allowed:
        raise _wrong(f"{condition.field} is one of {', '.join(allowed)}")
    return f"{column.name} {condition.operator} {bind(_typed(condition, cast), cast)}"


def _external_id(condition: Condition, table: Table, bind: Callable[[Any, str], str]) -> str:
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
    try:
        body = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)[12:]
        last, bound = body.decode().rsplit("\n", 1)
    except ValueError as wrong:
        raise InvalidFields(("page_token", "is not a page token")) from wrong
    # The text, not the bytes: base64 has several spellings of the same bytes, and ours is one.
    if not hmac.compare_digest(token, make_token(key, last, bound)):
        raise InvalidFields(("page_token", "is not a page token"))
    if bound != bound_to:
        raise InvalidFields(("page_token", "belongs to another filter or another caller"))
    return last
