"""How Postgres finds whom to call next in a list of 20,000 leads, half of which wait for another time."""

from datetime import UTC, datetime, timedelta

import pytest
from chassis.values import new_id
from harness import PEOPLE, Person, start
from lead_calls import create
from leads import call_tables
from list_plans import OF_ONE, analyze, explained, many_leads, nodes

MANY = 20_000
LIST, OTHER = f"callLists/{new_id()}", f"callLists/{new_id()}"
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
    await many_leads(running, MANY, owner="'users/p' || n % 50")
    await running.rows(ENTRIES)
    await analyze(running, "leads", "call_list_entries")
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
    plan = await explained(company, query.sql, query.arguments(GIVEN), generic=generic)
    found = [*nodes(plan)]
    assert not [one for one in found if one["Node Type"] == "Seq Scan"], plan
    assert all(one["Plans"][0]["Plan Rows"] <= 500 for one in found if one["Node Type"] == "Sort"), plan
    assert QUERIES[name] in {one.get("Index Name") for one in found}, plan


async def test_those_who_wait_for_another_time_are_passed_over_cheaply(company):
    """Of the rows looked at, those of this list alone; what is ahead is told by the index and its rows."""
    query = call_tables.LEASE
    plan = await explained(company, query.sql, query.arguments(GIVEN), generic=False, run=True)
    leads = [one for one in nodes(plan) if one.get("Relation Name", "").startswith("leads")]
    assert sum(one["Actual Loops"] for one in leads) <= 5, plan
