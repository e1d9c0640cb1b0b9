"""Lists: the records a filter selects within the caller's reach, page by page."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import asyncpg

from chassis import filtering, statements
from chassis.identity import Reach
from chassis.records import Mapper
from chassis.values import Record

if TYPE_CHECKING:
    from chassis.work import Work

R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class Page(Generic[R]):
    """Part of a list, as its rows are stored, and the token that continues it."""

    mapper: Mapper
    rows: list[asyncpg.Record]
    next_page_token: str

    @cached_property
    def records(self) -> list[R]:
        """They are shown: what is changed in them is not stored."""
        return [self.mapper.load(row) for row in self.rows]  # type: ignore[misc]


@dataclass(frozen=True)
class Among:
    """Leaves of a list the records whose ids `sql` selects. In it `{name}` stands for one of `arguments`: a value and
    its SQL type, by name."""

    sql: str
    arguments: Mapping[str, tuple[Any, str]] = field(default_factory=dict)


async def page(work: "Work", kind: type[R], request: Any, among: Among | None = None) -> Page[R]:
    """The page a List request asks for, newest first, of all or `among` some. Its token continues this list, for this
    caller, within this reach, and no other."""
    size, key = filtering.page_size(request.page_size), work.context.page_token_key
    bound = bound_to(work, kind, request, among)
    after = filtering.read_token(key, request.page_token, bound) if request.page_token else ""
    rows = await _rows(work, kind, request, after, size + 1, among)
    token = filtering.make_token(key, str(rows[size - 1]["id"]), bound) if len(rows) > size else ""
    return Page(work.context.mappers[kind], rows[:size], token)


def bound_to(work: "Work", kind: type[Record], request: Any, among: Among | None, *order: str) -> str:
    """What the tokens of this list, for this caller, within this reach, are bound to."""
    caller = work.caller
    reach = work.reach, sorted(caller.subtree if work.reach is Reach.SUBTREE else caller.teams)
    whose = caller.name, caller.actor, caller.account, *reach
    shown = request.filter, getattr(request, "show_archived", False), among and (among.sql, dict(among.arguments))
    return filtering.digest(kind.collection, *shown, whose, *order)


async def select(
    work: "Work", kind: type[R], request: Any, after: str, limit: int, among: Among | None = None
) -> list[R]:
    """At most `limit` records that `request` asks for by `filter` and `show_archived`, and that its caller may see;
    newest first, from behind the id `after`. They are shown: what is changed in them is not stored."""
    mapper = work.context.mappers[kind]
    return [mapper.load(row) for row in await _rows(work, kind, request, after, limit, among)]  # type: ignore[misc]


async def count(work: "Work", kind: type[R], request: Any, most: int, among: Among | None = None) -> int:
    """How many records `request` asks for, as `select` does; not more than `most`."""
    sql, arguments = statement(work, kind, request, "", most, among)
    rows = await work.context.database.fetch(f"SELECT count(*) AS number FROM ({sql}) r", arguments, work.connection)
    return int(rows[0]["number"])


async def _rows(
    work: "Work", kind: type[R], request: Any, after: str, limit: int, among: Among | None
) -> list[asyncpg.Record]:
    sql, arguments = statement(work, kind, request, after, limit, among)
    return await work.context.database.fetch(sql, arguments, work.connection, 2.0)


def asked(
    work: "Work", kind: type[Record], request: Any, bind: filtering.Bind, among: Among | None = None
) -> list[str]:
    """What `request` asks for by `filter` and `show_archived`, of all or `among` some, as SQL on the table of `kind`;
    not the reach."""
    mapper = work.context.mappers[kind]
    own = work.context.custom_fields.of(kind.collection)
    conditions = filtering.to_sql(filtering.parse(request.filter), mapper.table, bind, work.hidden, own)
    if mapper.has_archive and not getattr(request, "show_archived", False):
        conditions.append("archive_time IS NULL")
    if among:
        bound = {name: bind(value, cast) for name, (value, cast) in among.arguments.items()}
        conditions.append(f"id = any(ARRAY({among.sql.format(**bound)}))")  # found once, before any is looked at
    return conditions


def statement(
    work: "Work", kind: type[R], request: Any, after: str, limit: int, among: Among | None
) -> tuple[str, list[Any]]:
    """SQL and its parameters: what `select` reads."""
    mapper, caller = work.context.mappers[kind], work.caller
    arguments: list[Any] = []

    def bind(value: Any, cast: str) -> str:
        arguments.append(value)
        return f"${len(arguments)}::{cast}"

    conditions = asked(work, kind, request, bind, among)
    reach = work.reach if mapper.has_owner or work.reach is Reach.CUSTOMER else Reach.ALL
    if reach is Reach.CUSTOMER:
        conditions += statements.of_customer(mapper, caller.account, bind)
    teams = {Reach.TEAM: caller.teams, Reach.SUBTREE: caller.subtree}.get(reach)
    sql = statements.page(
        mapper,
        conditions,
        after=bind(after, mapper.casts["id"]) if after else "",
        owner="" if reach in (Reach.ALL, Reach.CUSTOMER) else bind(caller.actor, "text"),
        teams="" if teams is None else bind(sorted(teams), "text[]"),
        limit=bind(limit, "bigint"),
    )
    return sql, arguments
