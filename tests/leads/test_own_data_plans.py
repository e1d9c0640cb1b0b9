"""How Postgres finds a link to own data among 20,000: by its secret's hash, and by its lead."""

import pytest
from chassis.records import names
from chassis.values import new_id
from harness import PEOPLE, start
from leads import own_data_tables
from leads.domain.own_data import OwnDataLink, hash_of
from list_plans import analyze, explained, nodes

LINKS = """
INSERT INTO own_data_links
 (id, version, create_time, update_time, lead, owner, team, token_hash, expire_time, change_count)
SELECT id, 1, now(), now(), 'leads/' || id, 'users/p' || n % 50, 'teams/north',
 CASE WHEN n % 3 > 0 THEN encode(sha256(n::text::bytea), 'hex') END, now() + interval '1 day', 0
FROM (SELECT n, gen_random_uuid() AS id FROM generate_series(1, 20000) AS n) made
"""


@pytest.fixture(scope="module")
async def company(backend, issuer):
    running = await start("leads", backend, issuer, PEOPLE)
    await running.rows(LINKS)
    await analyze(running, "own_data_links")
    yield running
    await running.stop()


def asked(company, what):
    """(The statement, its arguments, the index that serves it.)"""
    lead_id, columns = new_id(), names(company.process.context.mappers[OwnDataLink].columns)
    opened = f"SELECT {columns} FROM own_data_links WHERE token_hash = $1::TEXT ORDER BY id LIMIT 1000"  # as Work.find
    return {
        "opened": (opened, [hash_of("7")], "own_data_links_token_hash_key"),
        "handed over": (own_data_tables.HAND_OVER, [f"leads/{lead_id}", "users/ana", ""], "own_data_links_pkey"),
        "forgotten": (own_data_tables.FORGET_LEADS, [[lead_id]], "own_data_links_pkey"),
    }[what]


@pytest.mark.parametrize("generic", [True, False])
@pytest.mark.parametrize("what", ["opened", "handed over", "forgotten"])
async def test_a_link_is_found_by_an_index(company, what, generic):
    sql, arguments, index = asked(company, what)
    plan = await explained(company, sql, arguments, generic=generic)
    found = [*nodes(plan)]
    assert not [one for one in found if one["Node Type"] == "Seq Scan"], plan
    assert index in {one.get("Index Name") for one in found}, plan
