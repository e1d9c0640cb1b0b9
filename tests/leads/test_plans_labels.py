"""How Postgres finds leads by their labels, among 40,000 that all have some."""

import asyncpg
import pytest
from harness import start
from lead_calls import create
from leads import tables
from list_plans import check_reads_few, plan_of

MANY = 40_000


@pytest.fixture(scope="module")
async def company(backend, issuer):
    """40,000 leads: each has a number that no other has, half of them are marked, one in a thousand is rare."""
    running = await start("leads", backend, issuer)
    await create(running, owner="users/ana")
    columns = [f'"{column.name}"' for column in tables.leads.columns if column.name not in ("id", "labels", "owner")]
    of_one = "('00000000-0000-7000-8000-0' || lpad(to_hex(n), 11, '0'))::uuid"
    labels = (
        "jsonb_build_object('number', n::text, 'rare', CASE WHEN n % 1000 = 0 THEN 'yes' ELSE 'no' END)"
        " || CASE WHEN n % 2 = 0 THEN '{\"half\": \"\"}'::jsonb ELSE '{}' END"
        " || CASE WHEN n % 2000 = 0 THEN '{\"seldom\": \"\"}'::jsonb ELSE '{}' END"
    )
    await running.rows(
        f"INSERT INTO leads (id, labels, owner, {', '.join(columns)})"
        f" SELECT {of_one}, {labels}, 'users/p' || n % 50, {', '.join(columns)}"
        f" FROM (SELECT {', '.join(columns)} FROM leads LIMIT 1) one, generate_series(1, {MANY}) n"
    )
    owner = await asyncpg.connect(running.database.owner_url)
    await owner.execute("ANALYZE leads; ANALYZE label")
    await owner.close()
    yield running
    await running.stop()


@pytest.mark.parametrize("generic", [False, True], ids=["known", "unknown"])
@pytest.mark.parametrize(
    "text",
    [
        "labels:half",
        "labels:rare",
        "labels:seldom",
        "labels:nowhere",
        "labels.rare = yes",
        "labels.rare = no",
        "labels.rare != no",
        "labels.number = 17",
        "labels:half AND labels.rare = yes",
        'labels.rare = yes AND owner = "users/p0"',
        'labels:half AND owner = "users/p0"',
    ],
)
async def test_leads_with_a_label_are_found_without_a_walk_over_the_leads(company, text, generic):
    check_reads_few(await plan_of(company, text, generic=generic))
