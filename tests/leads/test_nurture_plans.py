"""How Postgres finds whom paths are for, who is on them and what became of them, among 20,000 leads."""

from datetime import UTC, datetime, timedelta

import pytest
from chassis.identity import service_caller
from chassis.work import Work
from harness import start
from lead_calls import create
from leads import nurture_tables, nurturing
from leads.domain.nurture import NurturePath
from list_plans import OF_ONE, analyze, check_reads_few, explained, many_leads, nodes, plan_of
from nurture_calls import call

MANY = 20_000
STAYS = (
    "INSERT INTO nurture_stays (id, lead_id, path, enter_time, leave_time, woken, sleeps_through, told)"
    f" SELECT gen_random_uuid(), {OF_ONE}, 'p' || n % 20, now() - n * interval '1 hour',"
    " CASE WHEN n % 100 > 0 THEN now() END, n % 100 > 0, '[]', '{}' FROM generate_series(1, {MANY}) n"
).replace("{MANY}", str(MANY))


@pytest.fixture(scope="module")
async def company(backend, issuer):
    running = await start("leads", backend, issuer)
    await create(running)
    peace = {
        "state": "CASE WHEN n % 100 = 0 THEN 'NURTURING' ELSE 'NEW' END",
        "nurture_path": "CASE WHEN n % 100 = 0 THEN 'p' || n % 20 ELSE '' END",
    }
    await many_leads(running, MANY, owner="'users/p' || n % 50", team="'teams/north'", **peace)
    await running.rows(STAYS)
    await analyze(running, "leads", "nurture_stays")
    yield running
    await running.stop()


NOW = datetime.now(UTC)
ASKED = {
    "states": ["NURTURING"], "start": NOW - timedelta(days=2), "end": NOW, "now": NOW, "everything": True, "me": [],
    "teams": [], "lead": f"00000000-0000-7000-8000-{99:012x}", "leads": [f"00000000-0000-7000-8000-{99:012x}"],
}  # fmt: skip
INDEXES = {
    "LATEST": "nurture_stays_lead",
    "PAST": "nurture_stays_lead",
    "NEWEST": "leads_state_id",
    "ON_IT": "leads_nurture_path",
    "BECAME": "nurture_stays_enter_time",
    "ENTERED": "nurture_stays_enter_time",
}


@pytest.mark.parametrize("generic", [False, True], ids=["known", "unknown"])
@pytest.mark.parametrize("name", INDEXES)
async def test_what_paths_ask_is_read_from_an_index(company, name, generic):
    query = getattr(nurture_tables, name)
    found = [*nodes(await explained(company, query.sql, query.arguments(ASKED), generic=generic))]
    assert INDEXES[name] in {one.get("Index Name") for one in found}, found
    assert not [one for one in found if one["Node Type"] == "Seq Scan"], found


@pytest.mark.parametrize("generic", [False, True], ids=["known", "unknown"])
async def test_the_leads_on_a_path_are_listed_by_its_index(company, generic):
    found = await plan_of(company, "nurture_path = p0", generic=generic)
    check_reads_few(found)
    assert "leads_nurture_path" in {one.get("Index Name") for one in nodes(found)}


async def test_the_leads_on_no_path_are_listed_too(company):
    assert (await plan_of(company, 'nurture_path = ""', generic=False))["Actual Rows"] == 51


async def test_a_stay_is_followed_by_its_lead(company):
    asked = (nurture_tables.FOLLOW, [f"leads/{ASKED['lead']}", NOW, True]), (nurture_tables.LEAVE, [ASKED["lead"], NOW])
    for sql, given in asked:
        found = [*nodes(await explained(company, sql, given, generic=True))]
        assert not [one for one in found if one["Node Type"] == "Seq Scan"], found


async def test_however_many_paths_and_leads_few_queries_are_asked(company, monkeypatch):
    database, asked = company.process.context.database, []
    fetch = type(database).fetch

    async def counted(self, sql, *more, **how):
        asked.append(sql)
        return await fetch(self, sql, *more, **how)

    monkeypatch.setattr(type(database), "fetch", counted)
    paths = [NurturePath(path=f"p{n}", filter=f'owner = "users/p{n}" AND score >= {n}', days=1) for n in range(30)]
    ids = [f"00000000-0000-7000-8000-{n:012x}" for n in range(1, 2001)]
    found = await nurturing.decisions(paths, ids, Work(company.process.context, service_caller("leads")))
    assert len(found) == len(ids)
    assert len([sql for sql in asked if "nurture_stays" in sql or "AS place" in sql]) == 2


async def test_of_one_lead_its_scores_are_looked_up_by_its_key(company, monkeypatch):
    database, asked = company.process.context.database, []
    fetch = type(database).fetch

    async def kept(self, sql, arguments, *more, **how):
        asked.append((sql, arguments))
        return await fetch(self, sql, arguments, *more, **how)

    monkeypatch.setattr(type(database), "fetch", kept)
    paths = [NurturePath(path="a", filter='score >= 40 AND labels:vip AND channel = "channels/x"', days=1)]
    await nurturing.decisions(paths, ASKED["leads"], Work(company.process.context, service_caller("leads")))
    ((sql, arguments),) = [one for one in asked if "AS place" in one[0]]
    found = [*nodes(await explained(company, sql, arguments, generic=False))]
    read = [one for one in found if one.get("Relation Name") == "leads"]
    assert read, found
    assert all(one["Node Type"].startswith("Index") for one in read), found


async def test_a_simulation_looks_at_the_newest_and_says_that_there_are_more(company):
    paths = [{"path": f"p{n}", "filter": f'owner = "users/p{n}"', "days": 1} for n in range(49)]
    asked = {"nurtureSettings": {"paths": [*paths, {"path": "rest", "days": 1}]}, "states": ["NEW"]}
    answer = await call(company, "Nurture/SimulateNurtureSettings", **asked)
    assert (answer.leads, answer.more) == (nurture_tables.MOST_SIMULATED, True)
    assert sum(one.leads for one in answer.shares) == answer.leads
    assert all(len(one.examples) == 10 for one in answer.shares if one.leads)
    few = await call(company, "Nurture/SimulateNurtureSettings")
    assert (few.leads, few.more) == (MANY // 100, False)
