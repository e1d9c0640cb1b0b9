"""How Postgres answers what the services ask, in a company of 20,000 leads: no query walks over a large table, and none
sorts what an index has in order.

Plans are made with the parameters at hand, and without knowing them, as Postgres does for statements it has seen often.
"""

import importlib
import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from bench.operations import OPERATIONS
from bench.report import Report
from bench.run import Plan, fill
from bench.stand import Stand, stand
from chassis.database import Query
from chassis.records import Mapper, mappers
from chassis.settings import SERVICES, package
from harness import until
from rich.console import Console
from sqlalchemy import DateTime
from sqlalchemy.dialects.postgresql import JSONB

from chassis import feed, figures, filtering, statements

LEADS = 20_000
LARGE = 3_000  # rows
MOST_SORTED = 2_000  # rows: what a page, a customer or a report may put in order
PAGE = 51
PARAMETER = re.compile(r"\$(\d+)")
TEAMS = ["teams/north", "teams/south"]


@pytest.fixture(scope="module")
async def company(tmp_path_factory) -> Stand:
    create = [operation for operation in OPERATIONS if operation.name == "create"]
    async with stand(tmp_path_factory.mktemp("plans") / "data") as running:
        await fill(running, Plan(LEADS, create, [2], ("REST",), 1, 1), Report(LEADS, 0, 1, 1), Console(quiet=True))
        for database in running.databases.values():
            await until(partial(folded, database), "what changed of the figures is folded into them", 60)
            await database.execute("ANALYZE")
        yield running


async def folded(database) -> bool:
    """Whether as few changes wait as in a company at rest; on a busy machine thousands may."""
    there = await database.fetchval("SELECT to_regclass('figure_changes') IS NOT NULL")
    return not there or await database.fetchval("SELECT count(*) FROM figure_changes") < LARGE


def named() -> Iterator[Any]:
    """Every query that has a name."""
    for service in SERVICES:
        tables = importlib.import_module(f"{package(service)}.tables")
        queries: dict[str, Any] = {}
        for source in sorted(Path(tables.__file__).parent.glob("*tables.py")):
            module = importlib.import_module(f"{package(service)}.{source.stem}")
            found = {name: one for name, one in vars(module).items() if isinstance(one, Query)}
            queries |= {name if module is tables else f"{source.stem}.{name}": one for name, one in found.items()}
        if "figures" in tables.METADATA.tables:
            queries["figures.SUMS"] = figures.SUMS
        for name, query in queries.items():
            yield pytest.param(service, query, id=f"{service}.{name}")


def listed() -> Iterator[Any]:
    """Every list, of all records and by each column that can be filtered."""
    for service in SERVICES:
        tables = importlib.import_module(f"{package(service)}.tables")
        for mapper in mappers(tables.RECORDS).values():
            filters = [name for name, column in mapper.table.columns.items() if column.info.get("filter")]
            for name in ["", *filters] if filters else []:
                yield pytest.param(service, mapper, name, id=f"{service}.{mapper.table.name}-{name or 'all'}")


@pytest.mark.parametrize(("service", "query"), [*named()])
async def test_a_named_query_finds_what_it_needs_by_an_index(company, service, query):
    database = company.databases[service]
    await at_ease(await without_values(database, query.sql), database)


@pytest.mark.parametrize("name", ["READ", "NEXT", "END", "THERE"])
async def test_whoever_watches_reads_the_log_by_its_indexes(company, name):
    await at_ease(await without_values(company.databases["leads"], getattr(feed, name)), company.databases["leads"])


@pytest.mark.parametrize(("service", "mapper", "name"), [*listed()])
async def test_a_list_is_read_in_the_order_of_an_index(company, service, mapper, name):
    database = company.databases[service]
    values = await some_values(database, mapper, name) if name else [None]
    for value in values:
        for owner, teams in ((False, False), (True, False), (True, True)):
            if owner and not mapper.has_owner:
                continue
            sql, arguments = page(mapper, name, value, owner=owner, teams=teams)
            known, unknown = await with_values(database, sql, arguments), await without_values(database, sql)
            await at_ease(known, database)
            if unknown["Total Cost"] <= known["Total Cost"] * 1.5:  # else Postgres plans each time
                await at_ease(unknown, database)


async def some_values(database, mapper: Mapper, name: str) -> list[str]:
    """How a filter names the column's most frequent value, its rarest, and one that is nowhere."""
    if name == "external_ids":
        return ['external_ids:"bench/lead/1"']
    column = mapper.table.columns[name]
    if isinstance(column.type, JSONB):
        return [f'{name}:"salesperson"']
    sql = f"SELECT {name}::text AS value FROM {mapper.table.name} WHERE {name} IS NOT NULL GROUP BY 1 ORDER BY count(*)"
    found = [row["value"] for row in await database.fetch(sql)]
    if isinstance(column.type, DateTime):
        return [f'{name} >= "2026-01-01T00:00:00Z"']
    return [f'{name} = "{value}"' for value in dict.fromkeys([*found[-1:], *found[:1]])]


def page(mapper: Mapper, name: str, value: str | None, *, owner: bool, teams: bool) -> tuple[str, list[Any]]:
    arguments: list[Any] = []

    def bind(given: Any, cast: str) -> str:
        arguments.append(given)
        return f"${len(arguments)}::{cast}"

    conditions = filtering.to_sql(filtering.parse(value or ""), mapper.table, bind, frozenset())
    if mapper.has_archive:
        conditions.append("archive_time IS NULL")
    sql = statements.page(
        mapper,
        conditions,
        after="",
        owner=bind("users/seller-1", "text") if owner else "",
        teams=bind(TEAMS, "text[]") if teams else "",
        limit=bind(PAGE, "bigint"),
    )
    return sql, arguments


async def with_values(database, sql: str, arguments: list[Any]) -> dict[str, Any]:
    return json.loads(await database.fetchval(f"EXPLAIN (FORMAT JSON) {sql}", *arguments))[0]["Plan"]


async def without_values(database, sql: str) -> dict[str, Any]:
    count = max(map(int, PARAMETER.findall(sql)), default=0)
    nulls = f"({', '.join(['NULL'] * count)})" if count else ""
    await database.execute("SET plan_cache_mode = force_generic_plan")
    await database.execute(f"PREPARE asked AS {sql}")
    try:
        return json.loads(await database.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE asked{nulls}"))[0]["Plan"]
    finally:
        await database.execute("DEALLOCATE asked; RESET plan_cache_mode")


async def at_ease(plan: dict[str, Any], database) -> None:
    sizes = await database.fetch("SELECT relname, reltuples FROM pg_class WHERE relkind IN ('r', 'p')")
    large = {row["relname"] for row in sizes if row["reltuples"] > LARGE}
    for node in nodes(plan):
        walks = node["Node Type"] == "Seq Scan" and node["Relation Name"] in large
        assert not walks, f"walks over {node['Relation Name']}\n{json.dumps(plan, indent=1)}"
        if node["Node Type"] == "Sort":
            rows = node["Plans"][0]["Plan Rows"]
            assert rows <= MOST_SORTED, f"sorts {rows} rows\n{json.dumps(plan, indent=1)}"


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)
