"""Columns that records of every service have in common."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Index, Table, Text
from sqlalchemy.dialects.postgresql import JSONB, UUID

TIME = DateTime(timezone=True)


@dataclass(frozen=True)
class Beside:
    """Fields of lists that stand in another table, in the row of the record's id; only rows of which `where` is true
    have them. A table says so by `info={"beside": ...}`."""

    table: Table
    fields: tuple[str, ...]
    where: str


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


def custom_column() -> Column[Any]:
    """The values of company-defined fields, see `custom_values`. A migration adds it with `add_custom`."""
    return Column("custom", JSONB, nullable=False, server_default="{}")


def add_custom(op: Any, table: str) -> None:
    """Gives a table that column, and the triggers that keep its rows of `custom_value`. A row without values pays for
    a comparison."""
    op.add_column(table, custom_column())
    for name, when in (("INSERT", "NEW.custom <> '{}'"), ("UPDATE", "NEW.custom IS DISTINCT FROM OLD.custom")):
        op.execute(
            f"CREATE TRIGGER custom_{name.lower()} AFTER {name} ON {table} FOR EACH ROW WHEN ({when})"
            f" EXECUTE FUNCTION keep_custom_values('{table}')"
        )


def labels_column() -> Column[Any]:
    """Free marks that lists can be filtered by, see `label_filters`. A migration keeps them with `keep_labels`."""
    return Column("labels", JSONB, nullable=False, info={"filter": True})


def keep_labels(op: Any, table: str) -> None:
    """Gives a table with a column `labels` the triggers that keep its rows of `label`, and these rows. A record without
    labels pays for a comparison."""
    for name, when in (("INSERT", "NEW.labels <> '{}'"), ("UPDATE", "NEW.labels IS DISTINCT FROM OLD.labels")):
        op.execute(
            f"CREATE TRIGGER labels_{name.lower()} AFTER {name} ON {table} FOR EACH ROW WHEN ({when})"
            f" EXECUTE FUNCTION keep_labels('{table}')"
        )
    # What is written meanwhile waits for the triggers: none is left out, and none is there twice.
    op.execute(
        f"INSERT INTO label (collection, label, record_id, text) SELECT '{table}', one.key, id, one.value"
        f" FROM {table} CROSS JOIN LATERAL jsonb_each_text(labels) AS one WHERE labels <> '{{}}'"
    )


def enum_column(name: str, kind: type[Enum]) -> Column[Any]:
    """A column that keeps an enum's name and can be filtered by it."""
    return Column(
        name, Text(collation="C"), nullable=False, info={"filter": True, "values": [item.name for item in kind]}
    )


def listed(table: Table, *columns: str) -> None:
    """Gives a table an index for lists filtered by each of `columns`, newest first."""
    for name in columns:
        Index(f"{table.name}_{name}_id", table.columns[name], table.columns["id"].desc())
