"""How Postgres finds leads by their labels, among 40,000 that all have some."""

import pytest
from harness import start
from lead_calls import create
from list_plans import analyze, check_reads_few, many_leads, nodes, plan_of


@pytest.fixture(scope="module")
async def company(backend, issuer):
    """40,000 leads: each has a number that no other has, half of them are marked, one in a thousand is rare."""
    running = await start("leads", backend, issuer)
    await create(running, owner="users/ana")
    labels = (
        "jsonb_build_object('number', n::text, 'rare', CASE WHEN n % 1000 = 0 THEN 'yes' ELSE 'no' END)"
        " || CASE WHEN n % 2 = 0 THEN '{\"half\": \"\"}'::jsonb ELSE '{}' END"
        " || CASE WHEN n % 2000 = 0 THEN '{\"seldom\": \"\"}'::jsonb ELSE '{}' END"
    )
    await many_leads(running, 40_000, labels=labels, owner="'users/p' || n % 50")
    await analyze(running, "leads", "label")
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
        "labels.number = 17",
        "labels:half AND labels.rare = yes",
        'labels.rare = yes AND owner = "users/p0"',
        'labels:half AND owner = "users/p0"',
    ],
)
async def test_leads_with_a_label_are_found_without_a_walk_over_the_leads(company, text, generic):
    check_reads_few(await plan_of(company, text, generic=generic))


@pytest.mark.parametrize("generic", [False, True], ids=["known", "unknown"])
async def test_those_that_say_something_else_are_read_from_their_labels(company, generic):
    """Which rows say something else no index tells: where hardly any do, it may be all that have the label."""
    plan = await plan_of(company, "labels.rare != no", generic=generic)
    assert [one for one in nodes(plan) if one.get("Relation Name") == "label"]
