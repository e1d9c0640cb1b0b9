"""Lists: the records a filter selects within the caller's reach, page by page."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from chassis import filtering, statements
from chassis.identity import Reach
from chassis.values import Record

if TYPE_CHECKING:
    from chassis.work import Work

R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class Page(Generic[R]):
    """Part of a list, and the token that continues it."""

    records: list[R]
    next_page_token: str


async def page(work: "Work", kind: type[R], request: Any) -> Page[R]:
    """The page a List request asks for, newest first. Its token continues this list, for this caller, within this
    reach, and no other."""
    size = filtering.page_size(request.page_size)
    caller, key = work.caller, work.context.page_token_key
    reach = work.reach, sorted(caller.subtree if work.reach is Reach.SUBTREE else caller.teams)
    whose = caller.name, caller.actor, caller.account, *reach
    shown = request.filter, getattr(request, "show_archived", False)
    bound_to = filtering.digest(kind.collection, *shown, whose)
    after = filtering.read_token(key, request.page_token, bound_to) if request.page_token else ""
    records = await select(work, kind, request, after, size + 1)
    token = filtering.make_token(key, records[size - 1].id, bound_to) if len(records) > size else ""
    return Page(records[:size], token)


async def select(work: "Work", kind: type[R], request: Any, after: str, limit: int) -> list[R]:
    """At most `limit` records that `request` asks for by `filter` and `show_archived`, and that its caller may see;
    newest first, from behind the id `after`. They are shown: what is changed in them is not stored."""
    mapper, caller = work.context.mappers[kind], work.caller
    arguments: list[Any] = []

    def bind(value: Any, cast: str) -> str:
        arguments.append(value)
        return f"${len(arguments)}::{cast}"

    conditions = filtering.to_sql(filtering.parse(request.filter), mapper.table, bind, work.hidden)
    if mapper.has_archive and not getattr(request, "show_archived", False):
        conditions.append("archive_time IS NULL")
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
    rows = await work.context.database.fetch(sql, arguments, work.connection, 2.0)
    return [mapper.load(row) for row in rows]  # type: ignore[misc]
