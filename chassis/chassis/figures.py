"""Sums that people look at all day, kept while rows change instead of counted when somebody looks.

Triggers on a counted table write what each change adds and takes away. Once in a while these changes are folded into
the sums; who looks adds up both. So writers wait neither for each other nor for the sums, and what is seen is exact.

A service that counts something adds `tables(METADATA)`, a migration that calls `make`, and `fold` to its chores.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Column, Identity, MetaData, Numeric, Table, Text, text

from chassis.database import IN_REACH, Query
from chassis.telemetry import log

if TYPE_CHECKING:
    from chassis.work import Context, Work

FOLD_SECONDS = 2.0
# So many changes a statement: a few milliseconds.
FOLD_ROWS = 10_000
# What is counted apart: of what kind, under which key, in which currency, and whose it is.
APART = ("kind", "key", "currency", "owner", "team")
SUMMED = ("number", "amount", "weighted")

_APART, _SUMMED = ", ".join(APART), ", ".join(SUMMED)
_COLUMNS = f"{_APART}, {_SUMMED}"

LOCK = 7_226_002  # one folds at a time
FOLD = (
    f"WITH turn AS MATERIALIZED (SELECT pg_try_advisory_xact_lock({LOCK}) AS mine),"
    " gone AS (DELETE FROM figure_changes WHERE id IN"
    f"  (SELECT id FROM figure_changes, turn WHERE mine ORDER BY id LIMIT {FOLD_ROWS}) RETURNING {_COLUMNS}),"
    f" folded AS (INSERT INTO figures AS f ({_COLUMNS})"
    f"  SELECT {_APART}, {', '.join(f'sum({name})' for name in SUMMED)} FROM gone"
    f"  GROUP BY {_APART} ORDER BY {_APART}"
    f"  ON CONFLICT ({_APART}) DO UPDATE SET {', '.join(f'{n} = f.{n} + excluded.{n}' for n in SUMMED)})"
    " SELECT count(*) AS folded FROM gone"
)
FORGET = "DELETE FROM figures WHERE number = 0 AND amount = 0 AND weighted = 0"
_PART = (
    f"SELECT {_COLUMNS} FROM {{}}"
    f" WHERE kind = any(CAST(:kinds AS text[])) AND starts_with(key, CAST(:within AS text)) AND {IN_REACH}"
)
SUMS = Query(
    text(
        "SELECT kind, key, currency, sum(number)::bigint AS number, sum(amount) AS amount, sum(weighted) AS weighted"
        f" FROM ({_PART.format('figures')} UNION ALL {_PART.format('figure_changes')}) part"
        " GROUP BY kind, key, currency HAVING sum(number) <> 0 ORDER BY kind, key, currency"
    )
)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """How many rows of a kind there are under a key, what they amount to in one currency, and the same weighted with
    their chance, if they have one."""

    kind: str
    key: str
    currency: str
    number: int
    amount: Decimal
    weighted: Decimal


@dataclass(frozen=True, kw_only=True)
class Counted:
    """What is counted of a table, as SQL in which `{row}` stands for a row: which rows, under which key, and what they
    amount to. `kind` is a word, which also names the triggers."""

    table: str
    kind: str
    key: str
    rows: str = "true"
    currency: str = "''"
    amount: str = "0"
    weighted: str = "0"

    @property
    def apart(self) -> list[str]:
        return [f"'{self.kind}'", self.key, self.currency, "{row}.owner", "{row}.team"]

    @property
    def counts(self) -> str:
        """SQL: all of it counted now, in the columns of the sums."""
        row = self.table
        columns = zip(APART, self.apart, strict=True)
        sums = f"count(*) AS number, coalesce(sum({self.amount}), 0) AS amount"
        parts = [f"{sql} AS {name}" for name, sql in columns]
        counted = f"SELECT {', '.join(parts)}, {sums}, coalesce(sum({self.weighted}), 0) AS weighted FROM {row}"
        return f"{counted} WHERE {self.rows} GROUP BY 1, 2, 3, 4, 5".replace("{row}", row)


def tables(metadata: MetaData) -> tuple[Table, Table]:
    """The sums, and what changed since."""

    def columns(*, key: bool) -> list[Column]:
        return [
            *(Column(name, Text(collation="C"), primary_key=key, nullable=False) for name in APART),
            Column("number", BigInteger, nullable=False),
            *(Column(name, Numeric, nullable=False) for name in SUMMED[1:]),
        ]

    serial = Column("id", BigInteger, Identity(always=True), primary_key=True)
    return (
        Table("figures", metadata, *columns(key=True)),
        Table("figure_changes", metadata, serial, *columns(key=False)),
    )


def make(op: Any, counted: Iterable[Counted]) -> None:
    """In a migration, whose `op` is Alembic's: the tables, and all is counted from now on. What this does must not
    change any more; another way of counting is another migration, and says itself what it counts."""
    for table in tables(MetaData()):
        table.create(op.get_bind())
    for one in counted:
        for sql in _triggers(one):
            op.execute(sql)


def recount(op: Any, counted: Counted) -> None:
    """In a migration: what is counted already is counted in this way from now on."""
    op.execute(f"SELECT pg_advisory_xact_lock({LOCK})")  # nobody folds meanwhile
    op.execute(f"DROP FUNCTION count_{counted.kind}() CASCADE")
    for table in ("figure_changes", "figures"):
        op.execute(f"DELETE FROM {table} WHERE kind = '{counted.kind}'")
    for sql in _triggers(counted):
        op.execute(sql)


def _triggers(counted: Counted) -> list[str]:
    """SQL: changes of the table are counted, and what is in it already."""
    name = f"count_{counted.kind}"
    into = f"INSERT INTO figure_changes ({_COLUMNS}) VALUES"
    summed = ("1", f"coalesce({counted.amount}, 0)", f"coalesce({counted.weighted}, 0)")
    values = ", ".join([*counted.apart, *("{sign}" + one for one in summed)])
    said = f"({counted.rows}), {', '.join(counted.apart[1:])}, {counted.amount}, {counted.weighted}"

    def of(sql: str, row: str, sign: str = "") -> str:
        return sql.replace("{row}", row).replace("{sign}", sign)

    old, new = of(counted.rows, "OLD"), of(counted.rows, "NEW")
    differ = f"({old} OR {new}) AND ({of(said, 'OLD')}) IS DISTINCT FROM ({of(said, 'NEW')})"
    return [
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF TG_OP <> 'INSERT' AND {old} THEN {into} ({of(values, 'OLD', '-')}); END IF;"
        f" IF TG_OP <> 'DELETE' AND {new} THEN {into} ({of(values, 'NEW')}); END IF;"
        " RETURN NULL; END $$",
        f"CREATE TRIGGER {name}_insert AFTER INSERT ON {counted.table}"
        f" FOR EACH ROW WHEN ({new}) EXECUTE FUNCTION {name}()",
        f"CREATE TRIGGER {name}_update AFTER UPDATE ON {counted.table}"
        f" FOR EACH ROW WHEN ({differ}) EXECUTE FUNCTION {name}()",
        f"CREATE TRIGGER {name}_delete AFTER DELETE ON {counted.table}"
        f" FOR EACH ROW WHEN ({old}) EXECUTE FUNCTION {name}()",
        f"INSERT INTO figure_changes ({_COLUMNS}) {counted.counts}",
    ]


# Rows as text, to be compared: the figures that are kept, and (`recounted`) what is counted now.
_AS_ROWS = (
    f"SELECT ROW({_APART}, sum(number), trim_scale(sum(amount)), trim_scale(sum(weighted)))::text AS row"
    f" FROM ({{}}) part GROUP BY {_APART} HAVING sum(number) <> 0 ORDER BY {_APART}"
)
KEPT = _AS_ROWS.format(f"SELECT {_COLUMNS} FROM figures UNION ALL SELECT {_COLUMNS} FROM figure_changes")


def recounted(counted: Iterable[Counted]) -> str:
    return _AS_ROWS.format(_counts(counted))


def replaced(counted: Iterable[Counted]) -> list[str]:
    """SQL: the figures as they are counted now, while nobody else writes. For the rest of the transaction none fold."""
    into = f"INSERT INTO figures ({_COLUMNS}) {_counts(counted)}"
    return [f"SELECT pg_advisory_xact_lock({LOCK})", "DELETE FROM figure_changes", "DELETE FROM figures", into]


def _counts(counted: Iterable[Counted]) -> str:
    return " UNION ALL ".join(one.counts for one in counted)


async def sums(work: "Work", kinds: list[str], within: str = "") -> list[Figure]:
    """The figures of these kinds within the caller's reach; of keys that begin with `within`. One round trip."""
    rows = await work.rows(SUMS, kinds=kinds, within=within, **work.sight())
    return [Figure(**row) for row in rows]


async def fold(context: "Context") -> None:
    """Folds the changes into the sums for as long as the process lives. Of several replicas one does at a time."""
    while True:
        try:
            while await fold_once(context) == FOLD_ROWS:
                pass
        except Exception as away:
            log.warning("changes of figures are not folded for now: %s", away or type(away).__name__)
        await asyncio.sleep(FOLD_SECONDS)


async def fold_once(context: "Context") -> int:
    """How many changes were folded."""
    folded = int((await context.database.fetch(FOLD, []))[0]["folded"])
    if folded:
        await context.database.fetch(FORGET, [])
    return folded
