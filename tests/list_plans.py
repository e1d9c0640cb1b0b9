"""Many leads, and how Postgres would read them, for tests that ask it."""

import json
from collections.abc import Iterator
from typing import Any

import asyncpg
from harness import Running
from leads import tables
from leads.domain.lead import Lead

from chassis import filtering, statements

OF_ONE = "('00000000-0000-7000-8000-0' || lpad(to_hex(n), 11, '0'))::uuid"  # the id of the nth lead


async def many_leads(company: Running, number: int, **given: str) -> None:
    """So many copies of a lead that is there; `given`: what else a column says, as SQL of the lead's place `n`."""
    given = {"id": OF_ONE} | given
    others = ", ".join(f'"{column.name}"' for column in tables.leads.columns if column.name not in given)
    await company.rows(
        f"INSERT INTO leads ({', '.join(given)}, {others}) SELECT {', '.join(given.values())}, {others}"
        f" FROM (SELECT {others} FROM leads LIMIT 1) one, generate_series(1, {number}) n"
    )


async def analyze(running: Running, *names: str) -> None:
    """As the owner of the tables: whoever else asks for it is only warned."""
    owner = await asyncpg.connect(running.database.owner_url, ssl=False)
    try:
        await owner.execute(f"ANALYZE {', '.join(names)}")
    finally:
        await owner.close()


async def explained(running: Running, sql: str, arguments: Any, *, generic: bool, run: bool = False) -> dict[str, Any]:
    """The plan of a statement; `run`: with what it read. `generic`: one made without knowing the values."""
    options = "ANALYZE, BUFFERS, FORMAT JSON" if run else "FORMAT JSON"
    async with running.process.context.database.transaction() as connection:
        await connection.execute(f"SET LOCAL plan_cache_mode = force_{'generic' if generic else 'custom'}_plan")
        told = await connection.fetchval(f"EXPLAIN ({options}) {sql}", *arguments)
    return json.loads(told)[0]["Plan"]


async def plan_of(company: Running, text: str, *, generic: bool) -> dict[str, Any]:
    """The plan of the first page of a filter as it was run; `generic`: one made without knowing the values."""
    mapper, arguments = company.process.context.mappers[Lead], list[Any]()

    def bind(value: Any, cast: str) -> str:
        arguments.append(value)
        return f"${len(arguments)}::{cast}"

    known = company.process.context.custom_fields.of("leads")
    conditions = [*filtering.to_sql(filtering.parse(text), tables.leads, bind, own=known), "archive_time IS NULL"]
    sql = statements.page(mapper, conditions, after="", owner="", teams="", limit=bind(51, "bigint"))
    return await explained(company, sql, arguments, generic=generic, run=True)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)


def check_reads_few(plan: dict[str, Any]) -> None:
    """Fails if the plan walks over a table, or reads more leads than a few pages."""
    for node in nodes(plan):
        assert node["Node Type"] != "Seq Scan", json.dumps(plan, indent=1)
    read = sum(
        node["Actual Rows"] * node["Actual Loops"] for node in nodes(plan) if node.get("Relation Name") == "leads"
    )
    assert read <= 1_000, json.dumps(plan, indent=1)
