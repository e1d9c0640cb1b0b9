"""Searches for prospects over gRPC on a real database, by a real HTTP server that knows companies."""

import itertools
import json
from urllib.parse import parse_qs, urlsplit

import pytest
from chassis.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from crm.leads.v1 import operations_pb2
from crm.leads.v1 import prospects_pb2 as pb
from crm.type.v1 import operations_pb2 as types_pb2
from harness import PEOPLE, Person, start
from lead_calls import create
from outgoing_servers import JsonServer
from prospect_calls import ANA, a_search, answers, call, company, ended, found, person, run, source

BORIS, MIRA, ROOT = "users/boris", "users/mira", "users/root"
Operation, State = types_pb2.Operation, pb.Prospect.State
number = itertools.count(1)  # companies of one test are no other's


@pytest.fixture(scope="module")
async def company_desk(backend, issuer):
    people = [*PEOPLE, Person("users/sara", ("sdr",), "teams/north")]
    running = await start("leads", backend, issuer, people)
    yield running
    await running.stop()


@pytest.fixture
async def web():
    server = JsonServer()
    yield server
    server.close()


@pytest.fixture
async def desk(company_desk, web, monkeypatch):
    monkeypatch.setenv("PROSPECT_SOURCES", json.dumps([source(web)]))
    return company_desk


def some(many):
    return [company(next(number)) for _ in range(many)]


async def test_a_search_finds_page_after_page_what_the_source_says(desk, web):
    one = company(next(number), site="furna.example", nace="10.71", turnover=900000, uses=["Fornax"])
    one["person"] = {"name": "王芳", "mail": "Wang@Furna.example", "phone": "+359 888 123456", "job": "Закупки"}
    search = await a_search(desk, criteria={"countries": ["BG", "PT"], "industries": ["C10.71"], "employeesMin": 10})
    answers(web, [one, *some(2)], some(1), [])
    done = await run(desk, search)
    assert (done.state, done.done_items, done.failed_items) == (Operation.SUCCEEDED, 4, 0)
    asked = [parse_qs(urlsplit(path).query) for _, path, _, _ in web.asked]
    assert asked[0] == {"country": ["BG,PT"], "nace": ["C10.71"], "min": ["10"], "page": ["1"], "size": ["100"]}
    assert [one["page"] for one in asked] == [["1"], ["2"], ["3"]]
    assert web.asked[0][2]["x-key"] == "s3cret"
    first, *rest = await found(desk, search)
    assert len(rest) == 3
    assert (first.company, first.country, first.city) == (one["name"], "BG", "София")
    assert (first.website, first.industry, first.employees) == ("https://furna.example", "10.71", 12)
    assert (first.revenue, first.currency, list(first.competitors)) == (900000, "EUR", ["Fornax"])
    assert (first.display_name, first.email, first.job_title) == ("王芳", "wang@furna.example", "Закупки")
    assert (first.state, first.owner, first.source, first.withheld) == (State.NEW, ANA, "registry", False)
    assert (first.expire_time.seconds - first.fetch_time.seconds) == 90 * 86400
    assert await call(desk, "GetProspect", name=first.name) == first
    now = await call(desk, "GetProspectSearch", name=search.name)
    assert (now.found_count, now.resumable, now.operation) == (4, False, done.name)
    assert await desk.events(search.name) == [
        "ProspectSearchCreated", "ProspectSearchRun", "ProspectsFound", "ProspectsFound",
    ]  # fmt: skip


async def test_what_a_source_says_of_nobody_or_of_somebody_else_is_told_and_keeps_nobody_back(desk, web):
    search = await a_search(desk)
    abroad = company(next(number), where={"country": "CN"})
    odd = company(next(number), staff="many", person={"mail": "nobody"})
    answers(web, [{"id": 1}, abroad, "nonsense", odd], [])
    done = await run(desk, search)
    assert (done.state, done.done_items, done.failed_items) == (Operation.SUCCEEDED, 4, 3)
    assert [(one.subject, one.reason) for one in done.problems] == [
        ("page 1, item 1", "NO_COMPANY"), ("page 1, item 2", "NOT_LOOKED_FOR"), ("page 1, item 3", "NO_COMPANY"),
    ]  # fmt: skip
    (kept,) = await found(desk, search)
    assert (kept.company, list(kept.unfit_fields)) == (odd["name"], ["employees", "email"])


async def test_a_later_run_adds_what_is_new_and_leaves_what_is_there_and_what_was_dismissed(desk, web):
    search, first = await a_search(desk), some(3)
    answers(web, first, [])
    await run(desk, search)
    before = await found(desk, search)
    await call(desk, "DismissProspects", names=[before[0].name])
    answers(web, [{**one, "staff": 99} for one in first] + some(1), [])
    await run(desk, search)
    after = await found(desk, search)
    assert after[1:3] == before[1:]
    assert [one.state for one in after] == [State.DISMISSED, State.NEW, State.NEW, State.NEW]
    elsewhere = await a_search(desk)
    answers(web, first, [])
    await run(desk, elsewhere)
    assert [one.source_key for one in await found(desk, elsewhere)] == [str(one["id"]) for one in first[1:]]
    of_another = await a_search(desk, MIRA)
    answers(web, first[1:], [])
    await run(desk, of_another, MIRA)
    assert len(await found(desk, of_another, MIRA)) == 2


async def test_a_search_holds_no_more_than_it_may_and_goes_on_where_it_was(desk, web):
    search, companies = await a_search(desk, mostProspects=3), some(5)
    answers(web, companies[:2], companies[2:])
    done = await run(desk, search)
    assert (done.state, len(await found(desk, search))) == (Operation.SUCCEEDED, 3)
    with pytest.raises(FailedPrecondition, match="PROSPECT_SEARCH_FULL"):
        await run(desk, search)
    changed = {"name": search.name, "mostProspects": 10}
    assert (await call(desk, "UpdateProspectSearch", prospectSearch=changed)).resumable
    answers(web, companies[2:], [])
    await run(desk, search, resume=True)
    assert len(await found(desk, search)) == 5
    assert [path.partition("page=")[2][0] for _, path, _, _ in web.asked] == ["1", "2", "2", "3"]


async def test_a_source_that_is_away_is_asked_again_and_one_that_refuses_ends_the_run(desk, web):
    search = await a_search(desk)
    answers(web, some(1), 503, 403)
    done = await run(desk, search)
    assert (done.state, done.error_reason) == (Operation.FAILED, "SOURCE_REFUSED")
    assert "HTTP 403" in done.error_message
    assert "s3cret" not in done.error_message
    assert len(await found(desk, search)) == 1
    answers(web, some(1), [])
    assert (await run(desk, search, resume=True)).state == Operation.SUCCEEDED
    assert [path.partition("page=")[2][0] for _, path, _, _ in web.asked] == ["1", "2", "2", "2", "3"]


async def test_a_run_is_cancelled_and_nothing_else_runs_meanwhile(desk, web):
    search = await a_search(desk)
    answers(web, *[503] * 20)
    begun = await call(desk, "RunProspectSearch", name=search.name)
    for method, fields in (
        ("RunProspectSearch", {"name": search.name}),
        ("UpdateProspectSearch", {"prospectSearch": {"name": search.name, "criteria": {"countries": ["PT"]}}}),
    ):
        with pytest.raises(FailedPrecondition, match="PROSPECT_SEARCH_UNDER_WAY"):
            await call(desk, method, **fields)
    request = operations_pb2.CancelLeadOperationRequest(name=begun.name)
    await desk.call("LeadOperationService/CancelLeadOperation", request, by=ANA)
    await desk.rows("UPDATE operation SET due_time = now(), version = version + 1 WHERE state = 'RUNNING'")
    assert (await ended(desk, begun.name)).state == Operation.CANCELLED
    web.answers.clear()
    answers(web, some(1), [])
    assert (await run(desk, search, resume=True)).state == Operation.SUCCEEDED


async def test_a_search_asks_only_a_source_that_is_set_up_for_what_that_can_be_asked(desk, web, monkeypatch):
    with pytest.raises(InvalidArgument, match="market is not set up"):
        await a_search(desk, source="market")
    with pytest.raises(InvalidArgument, match=r"criteria\.competitors"):
        await a_search(desk, criteria={"competitors": ["Fornax"]})
    with pytest.raises(InvalidArgument, match="says nothing"):
        await a_search(desk, criteria={})
    for wrong in ({"countries": ["Bulgaria"]}, {"countries": ["BG"] * 2}, {"industries": ["c; drop"]}):
        with pytest.raises(InvalidArgument):
            await a_search(desk, criteria=wrong)
    with pytest.raises(InvalidArgument, match="most_prospects"):
        await a_search(desk, mostProspects=10_001)
    search = await a_search(desk)
    (told,) = (await call(desk, "ListProspectSources")).prospect_sources
    assert list(told.criteria) == ["countries", "industries", "employees_min", "employees_max"]
    assert (told.source, told.keep_days, "email" in told.fields) == ("registry", 90, True)
    monkeypatch.setenv("PROSPECT_SOURCES", "")
    with pytest.raises(FailedPrecondition, match="NO_SUCH_SOURCE"):
        await call(desk, "RunProspectSearch", name=search.name)


async def test_a_source_is_asked_by_a_body_and_by_where_the_next_page_is(company_desk, web, monkeypatch):
    body = {"filter": {"country": "{countries}", "uses": "{competitors}", "words": "{words}"}, "after": "{cursor}"}
    market = {"source": "market", "url": f"{web.url}/search", "body": body, "next": "/next"}
    monkeypatch.setenv("PROSPECT_SOURCES", json.dumps([source(web, **market)]))
    search = await a_search(
        company_desk, source="market", criteria={"countries": ["PT"], "competitors": ["Fornax Lda"]}
    )
    told = [{"found": [company(next(number), where={"country": "PT"})], "next": "a/b?c"}, {"found": []}]
    web.answers += [(200, {}, json.dumps(page).encode()) for page in told]
    assert (await run(company_desk, search)).state == Operation.SUCCEEDED
    assert len(await found(company_desk, search)) == 1
    looked_for = {"country": ["PT"], "uses": ["Fornax Lda"]}
    assert [body for _, _, _, body in web.asked] == [{"filter": looked_for}, {"filter": looked_for, "after": "a/b?c"}]


async def test_a_search_is_listed_changed_archived_and_restored(desk, web):
    search = await a_search(desk)
    changed = {"name": search.name, "channel": "fair", "etag": search.etag}
    assert (await call(desk, "UpdateProspectSearch", prospectSearch=changed)).channel == "channels/fair"
    await call(desk, "ArchiveProspectSearch", name=search.name)
    listed = (await call(desk, "ListProspectSearches", filter='source = "registry"')).prospect_searches
    assert search.name not in [one.name for one in listed]
    with pytest.raises(FailedPrecondition, match="PROSPECT_SEARCH_ARCHIVED_ALREADY"):
        await call(desk, "RunProspectSearch", name=search.name)
    await call(desk, "RestoreProspectSearch", name=search.name)
    assert search.name in [one.name for one in (await call(desk, "ListProspectSearches")).prospect_searches]


async def test_a_search_and_what_it_found_are_seen_by_those_who_reach_its_owner(desk, web):
    search = await a_search(desk)
    answers(web, some(1), [])
    await run(desk, search)
    for somebody, seen in ((ANA, 1), (MIRA, 1), (ROOT, 1), ("users/sara", 1), (BORIS, 0), ("users/chen", 0)):
        assert len(await found(desk, search, somebody)) == seen, somebody
    with pytest.raises(NotFound):
        await call(desk, "RunProspectSearch", BORIS, name=search.name)
    with pytest.raises(PermissionDenied):
        await a_search(desk, "users/dora")


async def test_what_is_known_here_is_told_with_why_and_only_to_whom_may_see_it(desk, web):
    mine = await create(desk, owner=ANA, company="Фурна Изгрев", email="mira@izgrev.example")
    his = await create(desk, owner=BORIS, company="Pão Quente", email="rui@quente.example")
    search, known = await a_search(desk), company(next(number), name="ФУРНА ИЗГРЕВ ЕООД", site="www.izgrev.example")
    other = company(next(number), name="Pão Quente Lda", site="quente.example")
    answers(web, [known, other, *some(1)], [])
    await run(desk, search)
    first, second, third = await found(desk, search)
    assert (first.match.lead, first.match.verdict) == (mine.name, 2)
    assert {line.field for line in first.match.evidence} == {"company", "domain"}
    assert (second.HasField("match"), third.HasField("match")) == (False, False)
    seen = await a_search(desk, MIRA)
    answers(web, [other], [])
    await run(desk, seen, MIRA)
    assert [one.match.lead for one in await found(desk, seen, MIRA)] == [his.name]


async def test_prospects_are_listed_by_country_and_state(desk, web):
    search = await a_search(desk)
    answers(web, [person(next(number)), company(next(number), where={})], [])
    await run(desk, search)
    assert len(await found(desk, search, also=' AND country = "BG" AND state = NEW')) == 1
    assert len(await found(desk, search, also=" AND state = ACCEPTED")) == 0
