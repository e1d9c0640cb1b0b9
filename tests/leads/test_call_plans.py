"""How Postgres finds whom to call next in a list of 20,000 leads, half of which wait for another time."""

import json
import re
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from chassis.values import new_id
from harness import PEOPLE, Person, start
from lead_calls import create
from leads import call_tables, tables

MANY = 20_000
LIST, OTHER = f"callLists/{new_id()}", f"callLists/{new_id()}"
OF_ONE = "('00000000-0000-7000-8000-0' || lpad(to_hex(n), 11, '0'))::uuid"
ENTRIES = f"""
INSERT INTO call_list_entries (id, version, create_time, update_time, lead, owner, team, state, call_list, priority,
 score, time_zone, attempts, due_time, promised_by, caller, disposition, calls)
SELECT gen_random_uuid(), 1, now(), now(), 'leads/' || {OF_ONE}, 'users/p' || n % 50, 'teams/north',
 CASE WHEN n % 10 = 0 THEN 'DONE' ELSE 'WAITING' END, CASE WHEN n % 3 = 0 THEN '{OTHER}' ELSE '{LIST}' END, 0,
 {MANY} - n, 'Europe/Sofia', 0, CASE WHEN n < {MANY // 2} THEN now() + interval '1 hour' END,
 CASE WHEN n % 500 = 1 THEN 'users/p1' ELSE '' END, '', 'DISPOSITION_UNSPECIFIED', '[]'
FROM generate_series(1, {MANY}) AS n
"""


@pytest.fixture(scope="module")
async def company(backend, issuer):
    running = await start("leads", backend, issuer, [*PEOPLE, Person("users/sara", ("sdr",), "teams/north")])
    await create(running, owner="users/ana", phone="+359888123456")
    columns = [f'"{column.name}"' for column in tables.leads.columns if column.name not in ("id", "owner")]
    await running.rows(
        f"INSERT INTO leads (id, owner, {', '.join(columns)})"
        f" SELECT {OF_ONE}, 'users/p' || n % 50, {', '.join(columns)}"
        f" FROM (SELECT {', '.join(columns)} FROM leads LIMIT 1) one, generate_series(1, {MANY}) n"
    )
    await running.rows(ENTRIES)
    owner = await asyncpg.connect(running.database.owner_url)
    await owner.execute("ANALYZE leads; ANALYZE call_list_entries")
    await owner.close()
    yield running
    await running.stop()


GIVEN = {
    "list": LIST, "caller": "users/sara", "now": datetime.now(UTC), "until": datetime.now(UTC) + timedelta(minutes=15),
    "zones": ["Europe/Sofia"], "promised": ["users/p1"], "overdue": datetime.now(UTC), "everything": False,
    "me": ["users/sara"], "teams": ["teams/north"], "leads": [f"leads/{new_id()}"], "ids": [new_id()],
    "digits": ["359888000000"],
}  # fmt: skip
QUERIES = {
    "LEASED": "call_list_entries_leased",
    "PROMISERS": "call_list_entries_promised",
    "LEASE_PROMISED": "call_list_entries_promised",
    "LEASE": "call_list_entries_next",
    "IN_LIST": "call_list_entries_lead_id",
    "REFUSED_NUMBERS": "leads_do_not_call",
}


@pytest.mark.parametrize("generic", [True, False])
@pytest.mark.parametrize("name", QUERIES)
async def test_whom_to_call_is_found_by_an_index_in_its_order(company, name, generic):
    query = getattr(call_tables, name)
    async with company.process.context.database.transaction() as connection:
        await connection.execute(f"SET LOCAL plan_cache_mode = force_{'generic' if generic else 'custom'}_plan")
        told = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {query.sql}", *query.arguments(GIVEN))
    found = [*nodes(json.loads(told)[0]["Plan"])]
    assert not [one for one in found if one["Node Type"] == "Seq Scan"], told
    assert all(one["Plans"][0]["Plan Rows"] <= 500 for one in found if one["Node Type"] == "Sort"), told
    assert QUERIES[name] in {one.get("Index Name") for one in found}, told


async def test_those_who_wait_for_another_time_are_passed_over_cheaply(company):
    """Of the rows looked at, those of this list alone; what is ahead is told by the index and its rows."""
    query = call_tables.LEASE
    async with company.process.context.database.transaction() as connection:
        told = await connection.fetchval(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query.sql}", *query.arguments(GIVEN)
        )
    plan = json.loads(told)[0]
    leads = [one for one in nodes(plan["Plan"]) if re.match("leads", one.get("Relation Name", ""))]
    assert sum(one["Actual Loops"] for one in leads) <= 5, told


def nodes(plan):
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)
