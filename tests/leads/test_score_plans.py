"""How Postgres ranks leads among 20,000 that are scored: by the index, in its order, whoever asks."""

import json
from datetime import UTC, datetime

import pytest
from chassis.identity import Caller, Reach
from chassis.values import new_id
from chassis.work import Work
from crm.leads.v1 import scores_pb2
from harness import PEOPLE, start
from leads.rpc import lead_scores
from leads.score_tables import OVERRIDDEN
from list_plans import analyze, nodes

SCORES = (
    "INSERT INTO lead_scores (id, version, create_time, update_time, lead, owner, team, live, score, band, points,"
    " parts, settings_etag, override_score) SELECT gen_random_uuid(), 1, now(), now(), 'leads/' || n,"
    " 'users/u' || n % 50, 'teams/t' || n % 5, n % 3 > 0, n % 100, 'cold', n % 100, '[]', '1', 0"
    " FROM generate_series(1, 20000) n"
)


@pytest.fixture(scope="module")
async def desk(backend, issuer):
    running = await start("leads", backend, issuer, PEOPLE)
    await running.rows(SCORES)
    await analyze(running, "lead_scores")
    yield running
    await running.stop()


@pytest.mark.parametrize("asked", [{}, {"band": "warm"}, {"owner": "users/u7"}, {"owner": "users/u7", "band": "hot"}])
@pytest.mark.parametrize("reach", [Reach.ALL, Reach.SUBTREE, Reach.TEAM, Reach.OWN])
async def test_a_ranking_reads_an_index_in_its_order(desk, reach, asked):
    caller = Caller(name="users/u7", actor="users/u7", teams=frozenset({"teams/t2"}), subtree=frozenset({"teams/t2"}))
    work = Work(desk.process.context, caller, reach=reach)
    sql, arguments = await lead_scores.ranked(scores_pb2.RankLeadsRequest(**asked, page_size=20), work)
    (row,) = await desk.rows(f"EXPLAIN (FORMAT JSON) {sql}", *arguments)
    found = [*nodes(json.loads(row["QUERY PLAN"])[0]["Plan"])]
    assert not [one for one in found if one["Node Type"] == "Seq Scan"]
    assert all(one["Plans"][0]["Plan Rows"] <= 500 for one in found if one["Node Type"] == "Sort")
    assert any(one.get("Index Name", "").endswith("_rank") for one in found)


async def test_what_is_overridden_is_looked_up_by_its_key(desk):
    arguments = OVERRIDDEN.arguments({"leads": [new_id()], "now": datetime.now(UTC)})
    (row,) = await desk.rows(f"EXPLAIN (FORMAT JSON) {OVERRIDDEN.sql}", *arguments)
    assert "Seq Scan" not in row["QUERY PLAN"]
