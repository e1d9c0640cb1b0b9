"""The rebuild from the outboxes of real neighbours, over real streams."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from chassis.errors import Aborted, PermissionDenied
from chassis.testing import Backend
from crm.insights.v1 import insights_pb2 as pb
from crm.leads.v1 import leads_pb2
from crm.marketing.v1 import marketing_pb2
from harness import start, until

from chassis import streams

NEIGHBOURS = ("leads", "marketing")


class TokenEndpoint:
    """Gives insights its own token, as the company's issuer would for its client credentials."""

    def __init__(self, token):
        class Serve(BaseHTTPRequestHandler):
            def do_POST(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps({"access_token": token, "expires_in": 600}).encode())

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Serve)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/token"


TOLD = 82  # events of the story below, with what services tell of their own accord


@pytest.fixture(scope="module")
async def suite(issuer):
    """Three services on servers of their own: durables are shared by name, so nobody else may read along."""
    endpoint = TokenEndpoint(issuer.token("services/insights"))
    with Backend.running() as backend, pytest.MonkeyPatch.context() as environment:
        await streams.make(backend.nats_url, (*NEIGHBOURS, "insights"))
        running = {name: await start(name, backend, issuer) for name in NEIGHBOURS}
        for name, neighbour in running.items():
            environment.setenv(f"UPSTREAM_{name.upper()}", neighbour.address)
        running["insights"] = await start("insights", backend, issuer, oidc_token_url=endpoint.url)
        await tell(running)
        await until(lambda: caught_up(running), "insights has every event")
        yield running
        for service in running.values():
            await service.stop()
    endpoint.server.shutdown()


async def tell(running):
    marketing, leads = running["marketing"], running["leads"]
    channel = marketing_pb2.CreateChannelRequest(channel={"display_name": "Fair"}, channel_id="fair")
    await marketing.call("MarketingService/CreateChannel", channel)
    touch = marketing_pb2.CreateTouchRequest(touch={"channel": "channels/fair"})
    journey = (await marketing.call("MarketingService/CreateTouch", touch)).journey_id
    for number in range(20):
        lead = {"display_name": f"Lead {number}", "owner": "users/ana", "channel": "fair", "journey_id": journey}
        made = await leads.call("LeadService/CreateLead", leads_pb2.CreateLeadRequest(lead=lead))
        await leads.call("LeadService/QualifyLead", leads_pb2.QualifyLeadRequest(name=made.name))


async def caught_up(running):
    told = 0
    for name in NEIGHBOURS:
        told += (await running[name].rows("SELECT count(*) AS n FROM outbox"))[0]["n"]
    return (await running["insights"].rows("SELECT count(*) AS n FROM inbox"))[0]["n"] == told == TOLD


async def rebuild(suite, repair=False, by="users/root"):
    request = pb.RebuildInsightsRequest(repair=repair)
    return await suite["insights"].call("InsightsService/RebuildInsights", request, by=by, timeout=60)


async def test_a_rebuild_from_the_outboxes_equals_the_live_data(suite):
    answer = await rebuild(suite)
    assert answer.live_digest == answer.rebuilt_digest
    assert (answer.events, list(answer.differing_tables)) == (TOLD, [])


async def test_a_row_somebody_changed_is_found_and_repaired(suite):
    await suite["insights"].rows("UPDATE records SET channel = 'channels/forged' WHERE collection = 'leads'")
    await suite["insights"].rows("DELETE FROM timeline WHERE type LIKE '%LeadQualified'")
    found = await rebuild(suite)
    assert found.live_digest != found.rebuilt_digest
    assert list(found.differing_tables) == ["records", "timeline", "figures"]
    assert (await rebuild(suite, repair=True)).live_digest == found.live_digest
    repaired = await rebuild(suite)
    assert repaired.live_digest == repaired.rebuilt_digest == found.rebuilt_digest


async def test_figures_that_are_not_what_a_recount_finds_are_found_and_repaired(suite):
    await suite["insights"].rows("UPDATE figures SET number = number + 1")
    await suite["insights"].rows("DELETE FROM figure_changes WHERE kind = 'orders'")
    found = await rebuild(suite, repair=True)
    assert list(found.differing_tables) == ["figures"]
    assert not (await rebuild(suite)).differing_tables


async def test_what_lacks_events_is_not_compared_but_can_be_repaired(suite, monkeypatch):
    monkeypatch.setattr("insights.rebuild.REST_SECONDS", 0.5)
    lost = "SELECT id FROM unnest(ARRAY(SELECT event_id FROM timeline LIMIT 5)) AS lost(id)"
    await suite["insights"].rows(f"DELETE FROM inbox WHERE event_id IN ({lost})")
    await suite["insights"].rows("DELETE FROM timeline WHERE event_id NOT IN (SELECT event_id FROM inbox)")
    with pytest.raises(Aborted, match="SOURCES_RESTLESS"):
        await rebuild(suite)
    assert list((await rebuild(suite, repair=True)).differing_tables) == ["timeline"]
    assert not (await rebuild(suite)).differing_tables


async def test_a_rebuild_leaves_no_table_behind(suite):
    async def only_the_live_one():
        rows = await suite["insights"].rows("SELECT count(*) AS n FROM pg_class WHERE relname = 'timeline'")
        return rows[0]["n"] == 1

    await rebuild(suite)
    await until(only_the_live_one, "the temporary table is gone with its connection")


async def test_events_too_large_for_one_answer_are_read_in_smaller_runs(suite):
    for half in range(2):
        rows = [{"display_name": f"Lead {half} {number}", "note": "x" * 10_000} for number in range(500)]
        await suite["leads"].call("LeadService/ImportLeads", leads_pb2.ImportLeadsRequest(leads=rows))
    answer = await rebuild(suite)
    assert (answer.events, list(answer.differing_tables)) == (1000 + TOLD, [])


async def test_only_operations_may_rebuild(suite):
    with pytest.raises(PermissionDenied):
        await rebuild(suite, by="users/mira")
