"""How Postgres finds prospects: 20,000 of forty searches, most of which nobody decided about."""

import json

import pytest
from chassis.values import new_id
from harness import PEOPLE, start
from leads import prospect_tables
from leads.domain.prospect import Prospect
from list_plans import OF_ONE, analyze, explained, nodes

from chassis import filtering, statements

MANY, SEARCHES = 20_000, 40
SEARCH = f"prospectSearches/{new_id()}"
ROWS = f"""
INSERT INTO prospects (id, version, create_time, update_time, owner, team, prospect_search, source, country, lead,
 state, key, source_key, currency, decided_by, expire_time, decide_time, fetch_time, display_name, company, website,
 region, city, industry, job_title, email, phone, employees, revenue, competitors, unfit_fields, withheld)
SELECT {OF_ONE}, 1, now(), now(), 'users/p' || n % 50,
 'teams/t' || n % 10, CASE WHEN n % {SEARCHES} = 0 THEN '{SEARCH}' ELSE 'prospectSearches/' || n % {SEARCHES} END,
 'registry', chr(65 + n % 26) || 'A', CASE WHEN n % 100 = 0 THEN 'leads/' || n ELSE '' END,
 CASE WHEN n % 400 = 0 THEN 'DISMISSED' WHEN n % 100 = 0 THEN 'ACCEPTED' ELSE 'NEW' END, 'key' || n, '', '', '',
 now() + n * interval '1 minute', NULL, now(), '', 'Company ' || n, '', '', '', '', '',
 CASE WHEN n % 2 = 0 THEN 'p' || n || '@x.example' ELSE '' END, '', 0, 0, '[]', '[]', false
FROM generate_series(1, {MANY}) AS n
"""
LISTS = [
    f'prospect_search = "{SEARCH}"',
    f'prospect_search = "{SEARCH}" AND state = NEW',
    f'prospect_search = "{SEARCH}" AND state = DISMISSED',
    'country = "BA"',
    'lead = "leads/500"',
    'owner = "users/p1"',
    "state = DISMISSED",
]


@pytest.fixture(scope="module")
async def company(backend, issuer):
    running = await start("leads", backend, issuer, PEOPLE)
    await running.rows(ROWS)
    await analyze(running, "prospects")
    yield running
    await running.stop()


def check_reads_few(plan, most):
    read = [node for node in nodes(plan) if node.get("Relation Name") == "prospects"]
    assert all(node["Node Type"] != "Seq Scan" for node in read), json.dumps(plan, indent=1)
    touched = sum((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] for node in read)
    assert touched <= most, json.dumps(plan, indent=1)


@pytest.mark.parametrize("generic", [True, False])
@pytest.mark.parametrize("text", LISTS)
async def test_a_page_of_prospects_is_read_by_an_index(company, text, generic):
    mapper, arguments = company.process.context.mappers[Prospect], []

    def bind(value, cast):
        arguments.append(value)
        return f"${len(arguments)}::{cast}"

    conditions = filtering.to_sql(filtering.parse(text), prospect_tables.prospects, bind)
    sql = statements.page(mapper, conditions, after="", owner="", teams="", limit=bind(51, "bigint"))
    check_reads_few(await explained(company, sql, arguments, generic=generic, run=True), 1000)


GIVEN = {
    "keys": ["key1", "key2", "key400"], "search": SEARCH, "everything": False, "me": ["users/p1"],
    "teams": ["teams/t1"],
}  # fmt: skip


@pytest.mark.parametrize("generic", [True, False])
@pytest.mark.parametrize("name", ["KNOWN", "COUNT"])
async def test_what_is_known_and_how_much_there_is_is_read_by_an_index(company, name, generic):
    query = getattr(prospect_tables, name)
    check_reads_few(await explained(company, query.sql, query.arguments(GIVEN), generic=generic, run=True), 1000)


async def test_what_is_over_is_found_by_its_time(company):
    """Nothing is; and nothing is looked at."""
    plan = await explained(company, f"{prospect_tables.PRUNE}", [], generic=False, run=True)
    check_reads_few(plan, 10)
