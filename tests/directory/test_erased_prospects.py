"""An erasure reaches who was found by a source, and whom the source tells of again."""

import json

import pytest
from directory_calls import OFFICER, call, completed, erasing_suite
from outgoing_servers import JsonServer
from prospect_calls import accept, answers, company, found, prospects_of, source
from prospect_calls import call as ask
from prospect_calls import run as run_again

ROOT = "users/root"
MARIA = {"name": "Мария Колева", "mail": "maria@koleva.example", "phone": "+359888123456", "job": "Управител"}


@pytest.fixture
async def suite(issuer):
    async for running in erasing_suite(issuer):
        yield running


@pytest.fixture
def web(monkeypatch):
    server = JsonServer()
    monkeypatch.setenv("PROSPECT_SOURCES", json.dumps([source(server)]))
    yield server
    server.close()


async def erase(suite, **whom):
    erasure = await call(suite, "CreateErasure", by=OFFICER.name, erasure=whom)
    await completed(suite, erasure.name)


async def said(leads):
    rows = await leads.rows("SELECT p::text AS told FROM prospects p")
    return " ".join(row["told"] for row in rows)


async def test_who_was_found_is_erased_by_address_and_not_found_again(suite, web):
    leads, told = suite["leads"], company(1, name="Мария Колева ЕТ", person=MARIA)
    (one,) = await prospects_of(leads, web, told, by=ROOT)
    await erase(suite, emails=[MARIA["mail"]])
    assert "Колева" not in await said(leads)
    kept = await ask(leads, "GetProspect", ROOT, name=one.name)
    assert (kept.state, kept.email, kept.company, kept.phone) == (3, "", "", "")
    search = await ask(leads, "GetProspectSearch", ROOT, name=one.prospect_search)
    answers(web, [told], [])
    await run_again(leads, search, ROOT)
    assert "Колева" not in await said(leads)
    (later,) = await prospects_of(leads, web, company(7, person=MARIA), by=ROOT)  # another item of the source
    assert (later.email, later.display_name, later.withheld) == ("", "", True)
    assert len(await found(leads, search, ROOT)) == 1


async def test_who_became_a_lead_is_erased_with_it(suite, web):
    leads = suite["leads"]
    (one,) = await prospects_of(leads, web, company(3, person=MARIA), by=ROOT)
    (result,) = await accept(leads, one, by=ROOT)
    await erase(suite, records=[result.lead])
    for table in ("prospects", "leads", "captures"):
        rows = await leads.rows(f"SELECT t::text AS told FROM {table} t")
        assert all("koleva" not in row["told"] and "Колева" not in row["told"] for row in rows), table
    kept = await ask(leads, "GetProspect", ROOT, name=one.name)
    assert (kept.state, kept.lead, kept.display_name) == (2, result.lead, "")
