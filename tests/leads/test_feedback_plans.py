"""How Postgres finds who gave feedback, among 20,000 leads and as much feedback."""

import json

import pytest
from harness import start
from lead_calls import create
from leads import feedback_tables
from leads.domain.feedback import FeedbackCondition, FeedbackKind
from leads.domain.lead import Lead
from list_plans import OF_ONE, analyze, explained, many_leads, nodes

from chassis import statements

MANY = 20_000
SAID = (
    "INSERT INTO known_feedback (feedback, product, kind, feedback_time, account, contact, email, phone, journey_id)"
    " SELECT 'productFeedbacks/' || n, 'p-' || n % 400, 'WISH', now() - n * interval '1 minute',"
    " 'accounts/' || n % 5000, CASE WHEN n % 2 = 0 THEN 'contacts/' || n ELSE '' END,"
    f" CASE WHEN n % 2 = 1 THEN n || '@rosa.example' ELSE '' END, '', {OF_ONE} FROM generate_series(1, {MANY}) n"
)


@pytest.fixture(scope="module")
async def company(backend, issuer):
    running = await start("leads", backend, issuer)
    await create(running)
    person = {"email": "n || '@rosa.example'", "contact": "'contacts/' || n", "account": "'accounts/' || n % 5000"}
    await many_leads(running, MANY, **person, journey_id=OF_ONE, owner="'users/p' || n % 50")
    await running.rows(SAID)
    await analyze(running, "leads", "known_feedback")
    yield running
    await running.stop()


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
    plan = await explained(company, sql, arguments, generic=generic, run=True)
    walked = [node for node in nodes(plan) if node["Node Type"] == "Seq Scan" and node["Relation Name"] == "leads"]
    assert not walked, json.dumps(plan, indent=1)
    read = sum(one["Actual Rows"] * one["Actual Loops"] for one in nodes(plan) if one.get("Relation Name") == "leads")
    assert read <= 2_000, json.dumps(plan, indent=1)
