"""How Postgres finds leads by company-defined fields, among 40,000 that all have some."""

import pytest
from custom_calls import definition, front, know
from harness import start
from list_plans import analyze, check_reads_few, many_leads, plan_of


@pytest.fixture(scope="module")
async def company(backend, issuer):
    """40,000 leads: each has a rank that no other has, half of them are marked, one in a thousand is rare."""
    running = await start("leads", backend, issuer)
    fields = [("rank", "INTEGER", []), ("half", "BOOL", []), ("rare", "ENUM", ["yes", "no"])]
    await know(running, *(definition(slug, kind, options=some, indexed=True) for slug, kind, some in fields))
    async with front(leads=running) as http:
        await http.post("/v1/leads", json={"displayName": "x", "owner": "users/ana"})
    custom = (
        "jsonb_build_object('rank', n, 'rare', CASE WHEN n % 1000 = 0 THEN 'yes' ELSE 'no' END)"
        " || CASE WHEN n % 2 = 0 THEN '{\"half\": true}'::jsonb ELSE '{}' END"
    )
    await many_leads(running, 40_000, custom=custom, owner="'users/p' || n % 50")
    await analyze(running, "leads", "custom_value")
    yield running
    await running.stop()


@pytest.mark.parametrize("generic", [False, True], ids=["known", "unknown"])
@pytest.mark.parametrize(
    "text",
    [
        "custom.half = true",
        "custom.rare = yes",
        "custom.rare = no",
        "custom.rank = 17",
        "custom.rank > 39900",
        "custom.rank <= 100",
        "custom.half = true AND custom.rare = yes",
        'custom.rare = yes AND owner = "users/p0"',
    ],
)
async def test_an_indexed_field_is_found_without_a_walk_over_the_leads(company, text, generic):
    check_reads_few(await plan_of(company, text, generic=generic))
