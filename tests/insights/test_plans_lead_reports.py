"""How Postgres answers the report on leads, in a company of 20,000: by the leads of the period, not by all."""

import json
from datetime import date

import pytest
from harness import start
from insights.lead_reports import GROUPS, Asked, _query
from list_plans import analyze, nodes

FILL = """
INSERT INTO lead_facts SELECT gen_random_uuid(), gen_random_uuid(), 1, 'users/u' || n % 20, 'teams/t' || n % 4,
 'channels/c' || n % 9, 'NEW', '', timestamptz '2026-01-01' + n * interval '20 minutes'
FROM generate_series(1, 20000) n
"""


@pytest.fixture(scope="module")
async def company(backend, issuer):
    running = await start("insights", backend, issuer)
    await running.rows(FILL)
    await analyze(running, "lead_facts")
    yield running
    await running.stop()


@pytest.mark.parametrize("group_by", GROUPS)
@pytest.mark.parametrize("what", ["counts", "losses"])
async def test_a_report_of_a_week_reads_the_leads_of_that_week(company, what, group_by):
    days = {"first_day": date(2026, 3, 2), "last_day": date(2026, 3, 8)}
    asked = Asked(group_by=group_by, zone="UTC", as_of=None, channel="", owner="", team="", **days)
    query = _query(what, group_by, past=False)
    sight = {"everything": True, "me": [], "teams": []}
    arguments = query.arguments(asked.parameters | sight)
    [row] = await company.rows(f"EXPLAIN (FORMAT JSON) {query.sql}", *arguments)
    scans = [node for node in nodes(json.loads(row[0])[0]["Plan"]) if node.get("Relation Name") == "lead_facts"]
    indexes = {node.get("Index Name") for node in nodes(json.loads(row[0])[0]["Plan"])}
    assert "lead_facts_contact_time" in indexes
    assert all(node["Node Type"] != "Seq Scan" for node in scans)
