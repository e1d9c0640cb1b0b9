"""Releases side by side: a producer that is ahead of its consumers, and behind them; a gateway behind and ahead.

One suite goes through an upgrade of leads, then of the others, then a step back of leads, and on again; each test looks
at what was seen on the way.
"""

import random
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import grpc
import httpx
import pytest
from chassis.settings import SERVICES
from failures.chaos.journal import Journal
from failures.chaos.load import Customers
from failures.chaos.rest import at_rest, insights_equal
from failures.chaos.stage import Stage
from failures.checker import Evidence, Findings, check
from failures.deploys.release import PRAISE, PRAISED, PRAISED_STATE, Release
from failures.deploys.restart import Restart, switch

CREATE, LIST = "/crm.leads.v1.LeadService/CreateLead", "/crm.leads.v1.LeadService/ListLeads"
REST_SECONDS = 60


@dataclass
class Seen:
    """What was answered and stored at each step; `http` are (status, body)."""

    http: dict[str, tuple[int, dict[str, Any]]] = field(default_factory=dict)
    grpc: dict[str, Any] = field(default_factory=dict)
    dead: dict[str, list[str]] = field(default_factory=dict)
    timeline: dict[str, list[str]] = field(default_factory=dict)
    state_in_insights: dict[str, str] = field(default_factory=dict)
    sales_took_in: dict[str, int] = field(default_factory=dict)
    restarts: list[Restart] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)


class Upgrade:
    """A suite on its way from this release to the next."""

    def __init__(self, stage: Stage, release: Release, customers: Customers) -> None:
        self.stage, self.release, self.customers, self.seen = stage, release, customers, Seen()
        self.http = httpx.AsyncClient(base_url=stage.address_book()["http"], headers=self._who(), timeout=15)

    def _who(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.stage.token('users/admin')}"}

    async def rest(self, step: str, method: str, path: str, **body: Any) -> dict[str, Any]:
        answer = await self.http.request(method, path, json=body or None)
        self.seen.http[step] = answer.status_code, answer.json()
        return answer.json()

    async def call(self, step: str, path: str, address: str = "", **fields: Any) -> Any:
        """A gRPC call with the next release's messages, by the gateway unless an address is given."""
        rpc = self.release.method(path)
        async with grpc.aio.insecure_channel(address or self.stage.address_book()["grpc"]) as channel:
            call = channel.unary_unary(
                path,
                request_serializer=rpc.request_class.SerializeToString,
                response_deserializer=rpc.reply_class.FromString,
            )
            try:
                found = await call(rpc.request_class(**fields), metadata=list(self._who().items()), timeout=10)
            except grpc.aio.AioRpcError as error:
                found = error.code()
        self.seen.grpc[step] = found
        return found

    async def story(self, name: str) -> None:
        """A whole customer, from lead to case, across all services."""
        await self.customers.win(name)

    async def switch(self, release: Release | None, *names: str) -> None:
        self.seen.restarts += await switch(self.stage, release, *names)

    async def migrate(self, service: str) -> None:
        await self.release.run("-m", "chassis.migrate", service, DATABASE_URL_OWNER=self.stage.owner_url(service))

    async def look(self, step: str, lead: str) -> None:
        """What consumers made of everything so far."""
        await at_rest(self.stage, REST_SECONDS)
        self.seen.dead[step] = [
            f"{service}: {row['type']} {row['error']}"
            for service in SERVICES
            for row in await self.rows(service, "SELECT type, error FROM dead_letter")
        ]
        told = await self.rows("insights", "SELECT type FROM timeline WHERE subject = $1 ORDER BY event_id", lead)
        self.seen.timeline[step] = [row["type"] for row in told]
        states = await self.rows("insights", "SELECT state FROM records WHERE name = $1", lead)
        self.seen.state_in_insights[step] = states[0]["state"]
        ids = [row["id"] for row in await self.rows("leads", "SELECT id FROM outbox WHERE type = $1", PRAISED)]
        taken = await self.rows("sales", "SELECT 1 FROM inbox WHERE event_id = any($1::uuid[])", ids)
        self.seen.sales_took_in[step] = len(taken)

    async def rows(self, service: str, sql: str, *arguments: Any) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.stage.database_url(service))
        try:
            return await connection.fetch(sql, *arguments)
        finally:
            await connection.close()


async def producer_ahead(up: Upgrade) -> str:
    """Leads is at the next release, everybody else is not; answers the name of a lead that was praised."""
    await up.migrate("leads")
    # As an upgrade goes: leads listens to itself, so its own stream brings it the new events before it tells any.
    await up.release.run("-m", "chassis.streams", "leads", NATS_URL=up.stage.nats_url)
    await up.switch(up.release, "leads")
    await up.story("producer-ahead")
    lead = (await up.rest("create", "POST", "/v1/leads", displayName="Ива", owner="users/ana"))["name"]
    await up.rest("unknown field", "POST", "/v1/leads", displayName="x", nickname="y")
    await up.rest("unknown method", "POST", f"/v1/{lead}:praise", words="great")
    await up.call("unknown method", PRAISE, name=lead, words="great")
    await up.call("unknown field", CREATE, lead={"display_name": "João", "nickname": "Joãozinho"})
    await up.call("praise", PRAISE, up.stage.address_book()["services"]["leads"], name=lead, words="很好")
    await up.rest("unknown value", "GET", f"/v1/{lead}")
    await up.rest("change", "PATCH", f"/v1/{lead}", note="told after the praise")
    await up.look("producer ahead", lead)
    return lead


async def all_ahead(up: Upgrade, lead: str) -> None:
    await up.release.run("-m", "chassis.streams", NATS_URL=up.stage.nats_url)
    await up.switch(up.release, "sales", "insights", "gateway")
    await up.rest("known method", "POST", f"/v1/{lead}:praise", words="still great")
    await up.rest("change after the upgrade", "PATCH", f"/v1/{lead}", note="told after the upgrade")
    await up.look("all ahead", lead)
    up.seen.differing = await insights_equal(up.stage, repair=False)
    # Before a step back nothing may stand in a state that the older code cannot read.
    await up.rest("leave the new state", "POST", f"/v1/{lead}:qualify", note="so that older code can read it")


async def consumers_ahead(up: Upgrade, lead: str) -> None:
    await up.switch(None, "leads")
    await up.story("consumers-ahead")
    await up.rest("method not there yet", "POST", f"/v1/{lead}:praise", words="too early")
    await up.call("method not there yet", PRAISE, name=lead, words="too early")
    await up.call("list by an older service", LIST)
    await up.look("consumers ahead", lead)


@pytest.fixture(scope="module")
async def seen(tmp_path_factory):
    folder = tmp_path_factory.mktemp("skew")
    release = Release(folder / "next")
    await release.build()
    stage, journal = Stage(folder / "data"), Journal(folder / "journal.jsonl")
    await stage.start()
    try:
        customers = Customers(stage.address_book()["http"], stage.token, journal, random.Random(4))
        await customers.prepare()
        up = Upgrade(stage, release, customers)
        await up.story("before")
        lead = await producer_ahead(up)
        await all_ahead(up, lead)
        await consumers_ahead(up, lead)
        await up.switch(release, "leads")
        await up.story("after")
        await at_rest(stage, REST_SECONDS)
        journal.close()
        databases = {service: stage.database_url(service) for service in SERVICES}
        up.seen.findings = await check(Evidence(folder / "journal.jsonl", databases, stage.nats_url))
        up.seen.findings.differing += await insights_equal(stage, repair=True)
        up.seen.surprises = customers.surprises
        await up.http.aclose()
        yield up.seen
    finally:
        await stage.stop()


pytestmark = pytest.mark.timeout(400)


async def test_an_upgrade_and_a_step_back_keep_every_promise(seen):
    found = seen.findings
    print(f"{found.writes} writes, {found.events} events, {found.effects} effects, {len(seen.restarts)} restarts")
    assert (found.all, seen.surprises) == ([], [])
    assert found.effects > 100
    assert [one.code for one in seen.restarts] == [0] * len(seen.restarts)


async def test_an_event_of_a_later_release_is_no_dead_letter(seen):
    assert seen.dead == {"producer ahead": [], "all ahead": [], "consumers ahead": []}


async def test_an_event_of_a_later_release_is_passed_over_and_taken_in_after_the_upgrade(seen):
    assert PRAISED not in seen.timeline["producer ahead"]
    assert seen.timeline["all ahead"].count(PRAISED) == 2  # one from before the upgrade, one after it
    assert (seen.sales_took_in["producer ahead"], seen.sales_took_in["all ahead"]) == (0, 2)


async def test_what_came_after_an_unknown_event_is_taken_in_at_once(seen):
    assert seen.timeline["producer ahead"][-1] == "crm.leads.v1.LeadUpdated"


async def test_an_unknown_value_is_kept_and_told_as_its_number(seen):
    status, lead = seen.http["unknown value"]
    assert (status, lead["state"], "nickname" in lead) == (200, PRAISED_STATE, False)
    assert seen.state_in_insights["producer ahead"] == str(PRAISED_STATE)
    assert seen.state_in_insights["all ahead"] == "PRAISED"


async def test_a_field_the_gateway_does_not_know_is_refused_in_json_and_passes_in_grpc(seen):
    status, problem = seen.http["unknown field"]
    assert (status, problem["violations"]) == (400, [{"field": "nickname", "reason": "unknown field"}])
    assert seen.grpc["unknown field"].nickname == "Joãozinho"


async def test_a_method_the_gateway_does_not_know_is_not_found(seen):
    status, problem = seen.http["unknown method"]
    assert (status, problem["reason"]) == (404, "NO_SUCH_PATH")
    assert seen.grpc["unknown method"] is grpc.StatusCode.UNIMPLEMENTED
    assert seen.grpc["praise"].name  # the service itself has it


async def test_a_method_the_service_does_not_have_yet_is_not_implemented(seen):
    status, problem = seen.http["method not there yet"]
    assert (status, problem["reason"]) == (501, "UNIMPLEMENTED")
    assert seen.grpc["method not there yet"] is grpc.StatusCode.UNIMPLEMENTED


async def test_older_code_reads_what_newer_code_wrote(seen):
    assert len(seen.grpc["list by an older service"].leads) > 3


async def test_the_new_method_works_for_everybody_after_the_upgrade(seen):
    status, lead = seen.http["known method"]
    assert (status, lead["state"]) == (200, "PRAISED")


async def test_insights_equals_a_rebuild_once_the_record_has_changed_after_the_upgrade(seen):
    assert seen.differing == []
