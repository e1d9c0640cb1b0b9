"""How Postgres would read a list of leads, for tests that ask it."""

import json
from collections.abc import Iterator
from typing import Any

from harness import Running
from leads import tables
from leads.domain.lead import Lead

from chassis import filtering, statements


async def plan_of(company: Running, text: str, *, generic: bool) -> dict[str, Any]:
    """The plan of the first page of a filter as it was run; `generic`: one made without knowing the values."""
    mapper, arguments = company.process.context.mappers[Lead], list[Any]()

    def bind(value: Any, cast: str) -> str:
        arguments.append(value)
        return f"${len(arguments)}::{cast}"

    known = company.process.context.custom_fields.of("leads")
    conditions = [*filtering.to_sql(filtering.parse(text), tables.leads, bind, own=known), "archive_time IS NULL"]
    sql = statements.page(mapper, conditions, after="", owner="", teams="", limit=bind(51, "bigint"))
    async with company.process.context.database.transaction() as connection:
        await connection.execute(f"SET LOCAL plan_cache_mode = force_{'generic' if generic else 'custom'}_plan")
        told = await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", *arguments)
    return json.loads(told)[0]["Plan"]


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
