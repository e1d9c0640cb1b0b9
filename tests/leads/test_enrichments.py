"""Enrichment over gRPC on a real database, by a real HTTP server that knows companies."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from chassis.errors import FailedPrecondition, NotFound
from crm.leads.v1 import enrichments_pb2
from crm.leads.v1 import events_pb2 as lead_events
from harness import PEOPLE, start, until
from lead_calls import create, read, update
from leads import enriching
from leads.domain.lead import Lead
from leads.outgoing.providers import Misconfigured
from leads.outgoing.sources import sources
from outgoing_servers import JsonServer

State = enrichments_pb2.LeadEnrichment.State
Outcome = enrichments_pb2.EnrichmentProposal.Outcome
ROSA = {"name": "Роза ООД", "staff": 12, "where": {"country": "BG"}, "branch": "bakery"}
FIELDS = {"company": "/name", "company_size": "/staff", "country": "/where/country", "labels.industry": "/branch"}


@pytest.fixture
def web():
    server = JsonServer()
    yield server
    server.close()


@pytest.fixture
async def desk(backend, issuer, web, monkeypatch):
    monkeypatch.setattr(enriching, "LOOK_SECONDS", 0.05)
    source = {
        "source": "registry",
        "url": f"{web.url}/companies?domain={{domain}}",
        "fields": FIELDS,
        "on_create": True,
    }
    monkeypatch.setenv("ENRICHMENT_SOURCES", json.dumps([source | {"headers": {"X-Key": "s3cret"}}]))
    running = await start("leads", backend, issuer, PEOPLE)
    yield running
    await running.stop()


def answers(web, document, status=200):
    web.answers.append((status, {}, json.dumps(document).encode()))


async def enrich(desk, lead, by="users/root", **fields):
    request = enrichments_pb2.EnrichLeadRequest(name=lead.name, **fields)
    return await desk.call("EnrichmentService/EnrichLead", request, by=by)


async def enrichment(desk, lead, by="users/root"):
    request = enrichments_pb2.GetLeadEnrichmentRequest(name=lead.name.replace("leads/", "leadEnrichments/"))
    return await desk.call("EnrichmentService/GetLeadEnrichment", request, by=by)


async def rosa(desk, **fields):
    return await create(desk, **({"owner": "users/ana", "email": "ana@rosa.example"} | fields))


async def test_a_preview_shows_and_a_call_fills_in_with_where_it_is_from(desk, web):
    made = await rosa(desk, company="Rosa")
    answers(web, ROSA)
    preview = await enrich(desk, made, validate_only=True)
    outcomes = {one.found.field: one.outcome for one in preview.proposals}
    assert outcomes == dict.fromkeys(FIELDS, Outcome.APPLIED) | {"company": Outcome.KEPT}
    assert preview.lead.company_size == 12
    assert await read(desk, made.name) == made
    with pytest.raises(NotFound):
        await enrichment(desk, made)
    done = await enrich(desk, made)
    assert done.lead == await read(desk, made.name)
    assert (done.lead.company, done.lead.company_size, done.lead.country) == ("Rosa", 12, "BG")
    assert dict(done.lead.labels) == {"industry": "bakery"}
    kept = await enrichment(desk, made)
    assert {one.field: one.source for one in kept.fields} == dict.fromkeys(set(FIELDS) - {"company"}, "registry")
    assert kept.state == State.DONE
    assert "LeadUpdated" in await desk.events(made.name)
    assert await desk.events(kept.name) == ["LeadEnriched"]
    ((_, path, headers, _),) = web.asked  # the preview's answer was kept
    assert path == "/companies?domain=rosa.example"
    assert headers["x-key"] == "s3cret"


async def test_what_a_person_changed_afterwards_stays(desk, web):
    made = await rosa(desk)
    answers(web, ROSA)
    await enrich(desk, made)
    await update(desk, made.name, company="Роза и син", country="")
    await desk.rows("DELETE FROM enrichment_answers")
    answers(web, ROSA | {"staff": 40})
    again = await enrich(desk, made)
    assert (again.lead.company, again.lead.country, again.lead.company_size) == ("Роза и син", "", 40)


async def test_a_new_lead_is_enriched_by_itself_and_its_making_waits_for_nobody(desk, web):
    answers(web, {}, 503)
    made = await rosa(desk)
    await desk.react(lead_events.LeadCreated(lead=made), version=1)

    async def failed():
        found = await enrichment(desk, made)
        return found if found.error == "registry: HTTP 503" else None

    waits = await until(failed, "the registry was away")
    assert (waits.state, waits.tries, waits.HasField("due_time")) == (State.WAITING, 1, True)
    answers(web, ROSA)
    await desk.rows("UPDATE lead_enrichments SET due_time = now(), version = version + 1")

    async def done():
        found = await enrichment(desk, made)
        return found if found.state == State.DONE else None

    assert (await until(done, "the registry answered")).error == ""
    assert (await read(desk, made.name)).company == "Роза ООД"


async def test_a_lead_with_a_history_and_one_that_ends_every_process_ask_nobody(desk, web):
    made = await rosa(desk)
    long_ago = datetime.now(UTC) - timedelta(days=2)
    await desk.react(lead_events.LeadCreated(lead=made), version=1, event_time=long_ago)
    assert await desk.rows("SELECT 1 FROM lead_enrichments") == []
    answers(web, {}, 503)
    await enrich(desk, made)
    await desk.rows("UPDATE lead_enrichments SET tries = 10, due_time = now(), version = version + 1")

    async def given_up():
        return (await enrichment(desk, made)).state == State.FAILED

    await until(given_up, "it was given up")
    assert (await enrichment(desk, made)).error == "crm: GAVE_UP"
    assert len(web.asked) == 1


async def test_a_source_that_refuses_is_seen_and_not_asked_again(desk, web):
    answers(web, {"secret": "s3cret"}, 403)
    made = await rosa(desk)
    answer = await enrich(desk, made)
    assert [(one.source, one.error) for one in answer.errors] == [("registry", "HTTP 403")]
    request = enrichments_pb2.ListLeadEnrichmentsRequest(filter="state = FAILED")
    for person, seen in (("users/ana", 1), ("users/boris", 0)):
        listed = await desk.call("EnrichmentService/ListLeadEnrichments", request, by=person)
        assert len(listed.lead_enrichments) == seen
    assert (await enrichment(desk, made)).error == "registry: HTTP 403"


async def test_nobody_asks_about_who_uses_an_address_that_anybody_may_have(desk, web):
    await enrich(desk, await rosa(desk, email="ana@gmail.com"))
    await enrich(desk, await rosa(desk, email=""))
    assert web.asked == []


async def test_ten_leads_of_a_company_are_one_question(desk, web):
    answers(web, ROSA)
    for number in range(10):
        made = await rosa(desk, email=f"{number}@rosa.example")
        assert (await enrich(desk, made)).lead.company_size == 12
    assert len(web.asked) == 1


async def test_whoever_is_handed_a_lead_sees_where_its_values_are_from(desk, web):
    made = await rosa(desk)
    await enrich(desk, made)
    made.owner, made.team = "users/boris", "teams/north"
    await desk.react(lead_events.LeadAssigned(lead=made), version=9)
    assert (await enrichment(desk, made, by="users/boris")).owner == "users/boris"
    with pytest.raises(NotFound):
        await enrichment(desk, made, by="users/ana")


async def test_without_a_source_there_is_nothing_to_ask(desk, monkeypatch):
    monkeypatch.setenv("ENRICHMENT_SOURCES", "")
    made = await rosa(desk)
    with pytest.raises(FailedPrecondition, match="NO_SOURCES"):
        await enrich(desk, made)
    await desk.react(lead_events.LeadCreated(lead=made), version=1)
    assert await desk.rows("SELECT 1 FROM lead_enrichments") == []


def source(**fields):
    return json.dumps([{"source": "s", "url": "https://x.example/{domain}", "fields": {"company": "/n"}} | fields])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no JSON"),
        ('[{"source": "s"}]', "is a list of"),
        (source(url="https://{domain}/x"), "no http"),
        (source(url="https://x.example/{email}"), "no other"),
        (source(url="https://x.example/{company.__class__}"), "no other"),
        (source(url="https://x.example/{company!r}"), "no other"),
        (source(url="https://x.example/{"), "no other"),
        (source(url="gopher://x.example/{company}"), "no http"),
        (source(fields={"email": "/e"}), "email is none"),
        (source(fields={"company": "n"}), "no JSON pointer"),
        (source(ttl_hours=0), "ttl_hours"),
        (f"[{source()[1:-1]},{source()[1:-1]}]", "one name"),
    ],
)
def test_sources_that_cannot_be_meant_are_told_in_a_sentence(monkeypatch, text, said):
    monkeypatch.setenv("ENRICHMENT_SOURCES", text)
    with pytest.raises(Misconfigured, match=said):
        sources()


@pytest.mark.parametrize(
    "domain", ["rosa.example/../../admin", "x?y=z&a=b", "a#b", "a b", "роза.example", "x\r\nHost: y"]
)
def test_what_a_lead_says_never_leaves_its_place_in_the_address(monkeypatch, domain):
    monkeypatch.setenv("ENRICHMENT_SOURCES", source(url="https://x.example/{company}/facts"))
    (one,) = sources()
    url = one.address_for(Lead(display_name="x", company=domain))
    assert url.startswith("https://x.example/")
    assert url.endswith("/facts")
    assert not set("?#&\r\n ") & set(url)
    assert url.count("/") == 4
