"""Columns that records of every service have in common."""

from enum import Enum
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Index, Table, Text
from sqlalchemy.dialects.postgresql import JSONB, UUID

TIME = DateTime(timezone=True)


def record_columns(*, slug: bool = False) -> list[Column[Any]]:
    """The columns of `values.Record`; `slug` for records named by people instead of by UUID."""
    key = Column("id", Text(collation="C") if slug else UUID(as_uuid=False), primary_key=True)
    return [
        key,
        Column("version", BigInteger, nullable=False),
        Column("create_time", TIME, nullable=False),
        Column("update_time", TIME, nullable=False),
    ]


def customer_columns() -> list[Column[Any]]:
    """The columns of `values.CustomerRecord`."""
    return [
        *record_columns(),
        Column("owner", Text(collation="C"), nullable=False, info={"filter": True}),
        Column("team", Text(collation="C"), nullable=False, info={"filter": True}),
        Column("journey_id", UUID(as_uuid=False), info={"filter": True}),
        Column("external_ids", JSONB, nullable=False, info={"filter": True}),
    ]


def enum_column(name: str, kind: type[Enum]) -> Column[Any]:
    """A column that keeps an enum's name and can be filtered by it."""
    return Column(
        name, Text(collation="C"), nullable=False, info={"filter": True, "values": [item.name for item in kind]}
    )


def listed(table: Table, *columns: str) -> None:
    """Gives a table an index for lists filtered by each of `columns`, newest first."""
    for name in columns:
        Index(f"{table.name}_{name}_id", table.columns[name], table.columns["id"].desc())
