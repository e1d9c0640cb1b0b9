"""Lists of leads with their scores: told, filtered by and ordered by, each page in a fixed number of queries."""

import json

import pytest
from chassis.errors import InvalidFields
from chassis.identity import Caller, Reach
from chassis.values import new_id
from chassis.work import Work
from crm.leads.v1 import leads_pb2, segments_pb2
from custom_calls import front
from harness import PEOPLE, start
from hypothesis import given, settings
from hypothesis import strategies as st
from leads import ranking
from list_plans import OF_ONE, analyze, check_reads_few, many_leads, nodes, plan_of

MANY = 40_000
SCORED = leads_pb2.ListLeadsRequest.SCORED
# Each lead is scored but one of ten; of the scores one in three is a closed lead's. 1 in 500 is hot.
SCORES = (
    "INSERT INTO lead_scores (id, version, create_time, update_time, lead, owner, team, live, score, band, points,"
    " parts, settings_etag, override_score, probability) SELECT {id}, 1, now(), now(), 'leads/' || ({id})::text,"
    " 'users/u' || n % 50, 'teams/t' || n % 5, n % 3 > 0, CASE WHEN n % 500 = 1 THEN 90 ELSE n % 50 + 0.25 END,"
    " CASE WHEN n % 500 = 1 THEN 'hot' ELSE 'cold' END, n % 50, '[]', '1', 0, 0.5"
    " FROM generate_series(1, {many}) n WHERE n % 10 > 0"
)


@pytest.fixture(scope="module")
async def company(backend, issuer):
    running = await start("leads", backend, issuer, PEOPLE)
    request = leads_pb2.CreateLeadRequest(lead={"display_name": "Ана"})
    made = await running.call("LeadService/CreateLead", request, by="users/root")
    whose = {"owner": "'users/u' || n % 50", "team": "'teams/t' || n % 5", "channel": "'channels/c' || n % 40"}
    await many_leads(running, MANY, **whose)
    await running.rows("DELETE FROM leads WHERE id = $1", made.name.removeprefix("leads/"))
    await running.rows("DELETE FROM score_queue")
    await running.rows(SCORES.format(id=OF_ONE, many=MANY))
    await analyze(running, "leads", "lead_scores")
    yield running
    await running.stop()


def expected(most: int, wanted=lambda n, score: True):
    """The first leads by score, as the fixture scores them: pairs of lead and score."""
    found = []
    for n in range(1, MANY + 1):
        if n % 10 and n % 3:
            score = 90.0 if n % 500 == 1 else n % 50 + 0.25
            if wanted(n, score):
                found.append((score, f"leads/00000000-0000-7000-8000-0{n:011x}"))
    return [(lead, score) for score, lead in sorted(found, reverse=True)][:most]


async def page(company, by="users/root", **asked):
    return await company.call("LeadService/ListLeads", leads_pb2.ListLeadsRequest(**asked), by=by)


def told(answer):
    return [(lead.name, lead.score.value) for lead in answer.leads]


async def test_the_highest_come_first_page_by_page_each_once(company):
    seen, token = [], ""
    for _ in range(5):
        found = await page(company, order_by="score desc", view=SCORED, page_size=40, page_token=token)
        seen, token = seen + told(found), found.next_page_token
    assert seen == expected(200)


@given(st.integers(0, 95), st.integers(0, 95), st.integers(0, 39), st.integers(1, 7))
@settings(max_examples=40, deadline=None)
async def test_what_is_ordered_and_filtered_is_what_a_recount_finds(company, low, high, channel, size):
    text = f'score >= {low} AND score < {high}.5 AND channel = "channels/c{channel}"'
    first = await page(company, filter=text, order_by="score desc", view=SCORED, page_size=size)
    assert told(first) == expected(size, lambda n, score: low <= score < high + 0.5 and n % 40 == channel)
    newest = await page(company, filter=text, view=SCORED, page_size=1000)
    both = sorted(told(await page(company, filter=text, order_by="score desc", view=SCORED, page_size=1000)))
    assert sorted(told(newest)) == both
    assert [lead for lead, _ in told(newest)] == sorted((lead for lead, _ in both), reverse=True)


async def test_a_list_tells_score_band_and_probability_where_they_are_asked_for(company):
    found = (await page(company, view=SCORED, page_size=30)).leads
    assert len(found) == 30
    scored = [lead for lead in found if lead.HasField("score")]
    assert 20 <= len(scored) < 30  # one of ten has no score
    assert {lead.score.band for lead in scored} == {"cold"}
    assert {lead.score.probability for lead in scored} == {0.5}
    assert {lead.score.live for lead in scored} == {True, False}
    plain = await page(company, page_size=30)
    assert not [lead for lead in plain.leads if lead.HasField("score")]
    assert [lead.name for lead in plain.leads] == [lead.name for lead in found]


async def test_the_same_over_rest(company):
    async with front(leads=company) as http:
        asked = {"view": "SCORED", "orderBy": "score desc", "pageSize": 1, "filter": "band = hot"}
        (lead,) = (await http.get("/v1/leads", params=asked)).json()["leads"]
        assert lead["score"] == {"value": 90, "band": "hot", "probability": 0.5, "points": lead["score"]["points"]} | {
            "live": True
        }
        (plain,) = (await http.get("/v1/leads", params={"pageSize": 1})).json()["leads"]
        assert "score" not in plain


@pytest.mark.parametrize("asked", [{"view": SCORED}, {"view": SCORED, "order_by": "score desc"}])
async def test_a_page_takes_as_many_queries_whatever_its_size(company, monkeypatch, asked):
    database, counts = company.process.context.database, []
    fetch = database.fetch

    async def counted(sql, *arguments):
        if "leads" in sql or "lead_scores" in sql:
            counts[-1] += "score_duties" not in sql
        return await fetch(sql, *arguments)

    monkeypatch.setattr(database, "fetch", counted)
    work = Work(company.process.context, Caller(name="users/root", actor="users/root"), reach=Reach.ALL)
    for size in (1, 200):
        counts.append(0)
        answer = await ranking.listed(leads_pb2.ListLeadsRequest(page_size=size, **asked), work)
        assert len(answer.leads) == size
    assert counts == [2, 2]


async def test_a_segment_is_read_in_the_order_of_scores(company):
    segment = {"display_name": f"Hot {new_id()}", "filter": "band = hot"}
    made = segments_pb2.CreateLeadSegmentRequest(lead_segment=segment)
    kept = await company.call("LeadSegmentService/CreateLeadSegment", made, by="users/root")
    asked = segments_pb2.ListSegmentLeadsRequest(parent=kept.name, order_by="score desc", view=SCORED, page_size=5)
    found = await company.call("LeadSegmentService/ListSegmentLeads", asked, by="users/root")
    assert told(found) == expected(5, lambda n, score: score == 90)


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ({"order_by": "score"}, "order_by"),
        ({"order_by": "score asc"}, "order_by"),
        ({"order_by": "display_name"}, "order_by"),
        ({"filter": "score >= much"}, "filter"),
        ({"filter": "score:60"}, "filter"),
        ({"filter": "probability >= 0.5"}, "filter"),
    ],
)
async def test_an_order_or_a_filter_that_there_is_not_is_refused(company, asked, path):
    with pytest.raises(InvalidFields) as refused:
        await page(company, **asked)
    assert refused.value.violations[0][0] == path


async def test_a_token_continues_the_order_it_is_of(company):
    first = await page(company, order_by="score desc", page_size=1)
    newest = await page(company, page_size=1)
    for token, order in ((first.next_page_token, ""), (newest.next_page_token, "score desc")):
        with pytest.raises(InvalidFields):
            await page(company, order_by=order, page_size=1, page_token=token)


@pytest.mark.parametrize("generic", [False, True], ids=["known", "unknown"])
@pytest.mark.parametrize(
    "text",
    [
        "band = hot",
        "band = cold",
        "band = nowhere",
        "score >= 90",
        "score >= 0",
        "score < 0.5",
        'band = hot AND owner = "users/u1"',
        'score >= 20 AND channel = "channels/c7"',
    ],
)
async def test_leads_of_a_score_are_found_without_a_walk_over_the_leads(company, text, generic):
    check_reads_few(await plan_of(company, text, generic=generic))


@pytest.mark.parametrize("text", ["", "band = hot", 'channel = "channels/c7"', "state = NEW", "score < 30"])
@pytest.mark.parametrize("reach", [Reach.ALL, Reach.SUBTREE, Reach.TEAM, Reach.OWN])
async def test_an_order_by_score_is_read_from_an_index(company, reach, text):
    caller = Caller(name="users/u7", actor="users/u7", teams=frozenset({"teams/t2"}), subtree=frozenset({"teams/t2"}))
    work = Work(company.process.context, caller, reach=reach)
    request = leads_pb2.ListLeadsRequest(filter=text, page_size=20)
    sql, arguments = ranking.ordered(request, "40.25 00000000-0000-7000-8000-000000000100", work)
    (row,) = await company.rows(f"EXPLAIN (FORMAT JSON) {sql}", *arguments)
    found = [*nodes(json.loads(row["QUERY PLAN"])[0]["Plan"])]
    assert not [one for one in found if one["Node Type"] == "Seq Scan"], json.dumps(found[0], indent=1)
    sorts = [one["Plans"][0]["Plan Rows"] for one in found if one["Node Type"] == "Sort"]
    assert all(rows <= 2_000 for rows in sorts), json.dumps(found[0], indent=1)
