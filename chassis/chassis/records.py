"""Dataclass ↔ row: how a record of the domain is stored, derived once from its fields and its table.

A field is stored in the column of its name. Money takes two columns (`amount`, `amount_currency`), enums their
name, lists, dicts and nested dataclasses a JSONB column.
"""

import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from enum import Enum
from operator import attrgetter, itemgetter
from typing import Any

import msgspec
from sqlalchemy import Column, Table
from sqlalchemy.dialects import postgresql

from chassis.values import Money, Record

DIALECT = postgresql.asyncpg.dialect()
Bind = Callable[[Any, str], str]  # notes a value and its type; answers its place in the statement
PLAIN = (str, int, bool, float, datetime, date)


@dataclass(frozen=True)
class Field:
    """One dataclass field: its columns, what is written into each (None: the field as it is), and how it is read from
    them (None: what the first holds)."""

    name: str
    columns: tuple[str, ...]
    dump: tuple[Callable[[Any], Any] | None, ...] = (None,)
    load: Callable[..., Any] | None = None


class Mapper:
    """How one kind of record is stored. `columns` is the order of every row this class writes."""

    def __init__(self, kind: type[Record], table: Table) -> None:
        self.kind, self.table = kind, table
        self.hints = typing.get_type_hints(kind)
        stored = [_field(item.name, self.hints[item.name], table) for item in fields(kind)]
        self.columns = [column for item in stored for column in item.columns]
        # A list of a hundred records is a few thousand values: most are copied without a call for each.
        self._values = attrgetter(*(item.name for item in stored for _ in item.columns))
        dumps = [dump for item in stored for dump in item.dump]
        self._dumps = [(number, dump) for number, dump in enumerate(dumps) if dump]
        self._row = itemgetter(*self.columns)
        self._loads = [
            (self.columns.index(item.columns[0]), len(item.columns), item.load) for item in stored if item.load
        ]
        self._names = [item.name for item in stored]
        self._positions = {item.name: self.columns.index(item.columns[0]) for item in stored}
        self._firsts = itemgetter(*self._positions.values())
        unmapped = {column.name for column in table.columns} - set(self.columns)
        if unmapped:
            raise TypeError(f"{table.name}: no field of {kind.__name__} fills {sorted(unmapped)}")
        self.casts = {name: sql_type(table.columns[name]) for name in self.columns}
        self.has_owner = "owner" in self.casts
        self.has_archive = "archive_time" in self.casts
        # What people of a customer see of their account's records: those whose columns say this; None: none at all.
        self.customers_see: dict[str, str] | None = table.info.get("customers_see")

    def dump(self, record: Record) -> list[Any]:
        """The row of a record, in the order of `columns`."""
        row = list(self._values(record))
        for number, dump in self._dumps:
            row[number] = dump(row[number])
        return row

    def customers_account(self, record: Any) -> str:
        """The account whose people may see the record; empty if no customer may."""
        sees = self.customers_see
        if sees is None or any(getattr(record, name).name != value for name, value in sees.items()):
            return ""
        return str(record.name if self.kind.collection == "accounts" else record.account)

    def position(self, field_name: str) -> int | None:
        """Where in a row a field's first column stands; None if the record has no such field."""
        return self._positions.get(field_name)

    def load(self, row: Mapping[str, Any]) -> Record:
        values = list(self._row(row))
        for number, width, load in self._loads:
            values[number] = load(*values[number : number + width])
        return self.kind(**dict(zip(self._names, self._firsts(values), strict=True)))


def sql_type(column: Column[Any]) -> str:
    """The column's type as SQL, for casts of parameters."""
    return column.type.compile(DIALECT).split(" COLLATE")[0]


def mappers(tables: Mapping[Any, Table]) -> dict[type[Record], Mapper]:
    return {kind: Mapper(kind, table) for kind, table in tables.items()}


def _field(name: str, hint: Any, table: Table) -> Field:
    kind = _unwrapped(hint)
    if kind is Money:
        return Field(name, (name, f"{name}_currency"), (_amount, _currency), _money)
    if name not in table.columns:
        raise TypeError(f"{table.name}: no column for the field {name}")
    if isinstance(kind, type) and issubclass(kind, Enum):
        return Field(name, (name,), (attrgetter("name"),), kind.__getitem__)
    if kind is str and sql_type(table.columns[name]) == "UUID":
        return Field(name, (name,), (lambda value: value or None,), lambda stored: str(stored) if stored else "")
    if kind in PLAIN:
        return Field(name, (name,))
    return Field(name, (name,), (_json,), msgspec.json.Decoder(hint).decode)


def _unwrapped(hint: Any) -> Any:
    """`X | None` → `X`."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return next(item for item in typing.get_args(hint) if item is not type(None))
    return hint


_encoder = msgspec.json.Encoder(order="deterministic")


def _json(value: Any) -> str:
    return _encoder.encode(value).decode()


def _amount(value: Money | None) -> Any:
    return value.amount if value else None


def _currency(value: Money | None) -> str | None:
    return value.currency if value else None


def _money(amount: Any, currency: str | None) -> Money | None:
    return Money(amount=amount, currency=currency) if currency else None


def names(columns: Iterable[str]) -> str:
    """Columns for a SELECT or RETURNING, each by its name. A star would change its meaning under a prepared statement
    when a migration adds a column, and Postgres refuses such a statement, behind a pooler for good."""
    return ", ".join(f'"{column}"' for column in columns)


def placeholders(casts: Sequence[str], first: int) -> str:
    """`$3::text, $4::uuid` …: parameters with their types, so that Postgres never has to guess."""
    return ", ".join(f"${number}::{cast}" for number, cast in enumerate(casts, first))
