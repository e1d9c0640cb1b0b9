"""How Postgres finds who gave feedback, among 20,000 leads and as much feedback."""

import json

import asyncpg
import pytest
from harness import start
from lead_calls import create
from leads import feedback_tables, tables
from leads.domain.feedback import FeedbackCondition, FeedbackKind
from leads.domain.lead import Lead

from chassis import statements

MANY = 20_000
ID = "('00000000-0000-7000-8000-0' || lpad(to_hex(n), 11, '0'))::uuid"
GIVEN = ("id", "email", "contact", "account", "journey_id", "owner")
SAID = (
    "INSERT INTO known_feedback (feedback, product, kind, feedback_time, account, contact, email, phone, journey_id)"
    " SELECT 'productFeedbacks/' || n, 'p-' || n % 400, 'WISH', now() - n * interval '1 minute',"
    " 'accounts/' || n % 5000, CASE WHEN n % 2 = 0 THEN 'contacts/' || n ELSE '' END,"
    f" CASE WHEN n % 2 = 1 THEN n || '@rosa.example' ELSE '' END, '', {ID} FROM generate_series(1, {MANY}) n"
)


@pytest.fixture(scope="module")
async def company(backend, issuer):
    running = await start("leads", backend, issuer)
    await create(running)
    columns = ", ".join(f'"{column.name}"' for column in tables.leads.columns if column.name not in GIVEN)
    await running.rows(
        f"INSERT INTO leads ({', '.join(GIVEN)}, {columns})"
        f" SELECT {ID}, n || '@rosa.example', 'contacts/' || n, 'accounts/' || n % 5000, {ID}, 'users/p' || n % 50,"
        f" {columns} FROM (SELECT {columns} FROM leads LIMIT 1) one, generate_series(1, {MANY}) n"
    )
    await running.rows(SAID)
    owner = await asyncpg.connect(running.database.owner_url)
    await owner.execute("ANALYZE leads; ANALYZE known_feedback")
    await owner.close()
    yield running
    await running.stop()


def nodes(plan):
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)


@pytest.mark.parametrize("generic", [False, True], ids=["known", "unknown"])
@pytest.mark.parametrize(
    "asked",
    [
        FeedbackCondition(product="p-7", kind=FeedbackKind.WISH),
        FeedbackCondition(product="p-7", whole_company=True),
        FeedbackCondition(product_feedback="productFeedbacks/7"),
    ],
    ids=["product", "company", "one"],
)
async def test_who_gave_feedback_is_found_without_a_walk_over_the_leads(company, asked, generic):
    arguments = []

    def bind(value, cast):
        arguments.append(value)
        return f"${len(arguments)}::{cast}"

    given = feedback_tables.gave(asked)
    among = f"id = any(ARRAY({given.sql.format(**{name: bind(*one) for name, one in given.arguments.items()})}))"
    mapper = company.process.context.mappers[Lead]
    sql = statements.page(mapper, [among], after="", owner="", teams="", limit=bind(51, "bigint"))
    async with company.process.context.database.transaction() as connection:
        await connection.execute(f"SET LOCAL plan_cache_mode = force_{'generic' if generic else 'custom'}_plan")
        told = await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", *arguments)
    plan = json.loads(told)[0]["Plan"]
    walked = [node for node in nodes(plan) if node["Node Type"] == "Seq Scan" and node["Relation Name"] == "leads"]
    assert not walked, json.dumps(plan, indent=1)
    read = sum(one["Actual Rows"] * one["Actual Loops"] for one in nodes(plan) if one.get("Relation Name") == "leads")
    assert read <= 2_000, json.dumps(plan, indent=1)
