"""The queries that look for messages to be sent walk over no large table, however much was sent before."""

import json
import re

import pytest
from harness import PEOPLE, start
from leads import delivery_tables, enrichment_tables
from list_plans import analyze

DELIVERIES = 20_000
FILL = f"""
INSERT INTO notification_deliveries (id, version, create_time, update_time, lead, owner, team, notification, kind, way,
 state, message, tries, due_time, try_time, error)
SELECT gen_random_uuid(), 1, now(), now(), 'leads/' || n, 'users/' || n % 50, '', 'notifications/' || n,
 'LEAD_ASSIGNED', 'EMAIL', CASE WHEN n % 500 = 0 THEN 'WAITING' ELSE 'SENT' END,
 CASE WHEN n % 500 = 0 THEN '' ELSE 'm' || n END, 1,
 CASE WHEN n % 500 = 0 THEN now() END, CASE WHEN n % 500 <> 0 THEN now() - n * interval '1 minute' END, ''
FROM generate_series(1, {DELIVERIES}) AS n
"""
QUERIES = {
    "NEXT_ADDRESSEE": delivery_tables.NEXT_ADDRESSEE.sql,
    "DUE_DELIVERIES": delivery_tables.DUE_DELIVERIES.sql,
    "SENT_LATELY": delivery_tables.SENT_LATELY.sql,
    "OF_MESSAGE": delivery_tables.OF_MESSAGE,
    "DUE_ENRICHMENTS": enrichment_tables.DUE_ENRICHMENTS.sql,
}


ENRICH = f"""
INSERT INTO lead_enrichments (id, version, create_time, update_time, lead, owner, team, state, fields, tries, due_time,
 error)
SELECT gen_random_uuid(), 1, now(), now(), 'leads/' || n, 'users/' || n % 50, '', 'DONE', '[]', 1,
 CASE WHEN n % 500 = 0 THEN now() END, '' FROM generate_series(1, {DELIVERIES}) AS n
"""


@pytest.fixture(scope="module")
async def full(backend, issuer):
    desk = await start("leads", backend, issuer, PEOPLE)
    await desk.rows(FILL)
    await desk.rows(ENRICH)
    await analyze(desk, "notification_deliveries", "lead_enrichments")
    yield desk
    await desk.stop()


@pytest.mark.parametrize("name", QUERIES)
async def test_a_query_for_messages_finds_them_by_an_index(full, name):
    sql = QUERIES[name]
    count = max(int(number) for number in re.findall(r"\$(\d+)", sql))
    async with full.process.context.database.transaction() as connection:
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE asked AS {sql}")
        nothing = ", ".join(["NULL"] * count)
        rows = await connection.fetch(f"EXPLAIN (FORMAT JSON) EXECUTE asked({nothing})")
        await connection.execute("DEALLOCATE asked")
    plan = json.dumps(json.loads(rows[0][0]))
    assert "Seq Scan" not in plan
    assert "Index" in plan
