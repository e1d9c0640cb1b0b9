"""A suite of directory, leads and sales works; services switched on later reach the state of those from the start."""

import random
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import grpc
import httpx
import nats
import pytest
from chassis.settings import SERVICES, installed
from failures.chaos.journal import Journal
from failures.chaos.load import Customers
from failures.chaos.rest import at_rest, findings
from failures.chaos.stage import Stage
from failures.checker import Findings

SMALL = ("directory", "leads", "sales")
STORIES = 4
REST_SECONDS = 60
LIST_CONTRACTS = "/crm.contracts.v1.ContractService/ListContracts"
# Where each late service keeps what it makes of others' events.
MADE = {"contracts": "contracts", "service-desk": "accounts", "insights": "timeline"}

pytestmark = pytest.mark.timeout(400)


@dataclass
class Seen:
    small: dict[str, tuple[int, dict[str, Any], bool]] = field(default_factory=dict)  # status, body, Retry-After
    grpc: Any = None
    processes: set[str] = field(default_factory=set)
    live: dict[str, int] = field(default_factory=dict)  # rows that each late service has, switched on late
    findings: Findings = field(default_factory=Findings)
    surprises: list[str] = field(default_factory=list)


class Clients(Customers):
    """Customers won in a suite that knows no contracts yet."""

    async def win_only(self, story: str) -> dict[str, Any]:
        lead = await self.post(story, "/v1/leads", {"displayName": f"Lead {story}", "owner": "users/ana"})
        await self.post(story, f"/v1/{lead['name']}:qualify", {"note": "called"})
        asked = {"accountDisplayName": f"Account {story}", "opportunityOwner": "users/ana"}
        await self.post(story, f"/v1/{lead['name']}:convert", asked)
        lead = await self.until(f"/v1/{lead['name']}", lambda lead: lead.get("state") == "CONVERTED")
        await self.until(f"/v1/{lead['opportunity']}", lambda deal: deal.get("state") == "OPEN")
        amount = {"currencyCode": "EUR", "units": "900"}
        return await self.post(story, f"/v1/{lead['opportunity']}:win", {"amount": amount})


async def small_suite(stage: Stage, clients: Clients, seen: Seen) -> list[str]:
    """A customer's way in the small suite, and what it says of the services it lacks; the names of the won deals."""
    await clients.prepare()
    deals = [(await clients.win_only(f"small-{number}"))["name"] for number in range(STORIES)]
    seen.processes = set(stage.children)
    token = f"Bearer {stage.token('users/admin')}"
    async with httpx.AsyncClient(base_url=stage.address_book()["http"], headers={"authorization": token}) as http:
        for path in ("/v1/contracts", "/v1/cases", "/v1/reports/channels", "/v1/nonsense"):
            answer = await http.get(path)
            seen.small[path] = answer.status_code, answer.json(), "retry-after" in answer.headers
    async with grpc.aio.insecure_channel(stage.address_book()["grpc"]) as channel:
        try:
            await channel.unary_unary(LIST_CONTRACTS)(b"", metadata=[("authorization", token)], timeout=5)
        except grpc.aio.AioRpcError as refused:
            seen.grpc = refused.code()
    return deals


async def forget_the_beginning(stage: Stage, keep: int) -> None:
    """The beginning of the streams expires: whoever comes later has to ask the producers."""
    client = await nats.connect(stage.nats_url)
    try:
        for producer in ("leads", "sales"):
            await client.jetstream().purge_stream(f"crm-{producer}", keep=keep)
    finally:
        await client.close()


async def count(stage: Stage, service: str, table: str) -> int:
    connection = await asyncpg.connect(stage.database_url(service))
    try:
        return await connection.fetchval(f"SELECT count(*) FROM {table}")
    finally:
        await connection.close()


@pytest.fixture(scope="module", params=["with its streams", "with expired streams"])
async def seen(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("subset")
    expired = request.param == "with expired streams"
    seen, journal = Seen(), Journal(folder / "journal.jsonl")
    stage = Stage(folder / "data", services=SMALL)
    await stage.start()
    try:
        clients = Clients(stage.address_book()["http"], stage.token, journal, random.Random(3))
        early = await small_suite(stage, clients, seen)
        await at_rest(stage, REST_SECONDS)
        if expired:
            await forget_the_beginning(stage, keep=3)
    finally:
        await stage.stop()
    stage = Stage(folder / "data")
    await stage.start()
    try:
        clients = Clients(stage.address_book()["http"], stage.token, journal, random.Random(8))
        for number in range(STORIES):
            await clients.win(f"whole-{number}")
        for deal in early:
            contract = deal.replace("opportunities/", "contracts/")
            await clients.until(f"/v1/{contract}", lambda found: found.get("state") == "DRAFT")
        await at_rest(stage, REST_SECONDS)
        journal.close()
        seen.findings = await findings(stage, folder / "journal.jsonl")
        if expired:  # of what is not on the stream any more the checker says so; that is what was done to it
            seen.findings.unapplied = [
                said for said in seen.findings.unapplied if "is not on the stream at its number" not in said
            ]
        seen.live = {service: await count(stage, service, table) for service, table in MADE.items()}
        seen.surprises = clients.surprises
        yield seen
    finally:
        await stage.stop()


async def test_a_small_suite_runs_what_was_chosen_and_nothing_else(seen):
    assert seen.processes & set(SERVICES) == set(SMALL)
    assert "gateway" in seen.processes


@pytest.mark.parametrize("path", ["/v1/contracts", "/v1/cases", "/v1/reports/channels"])
async def test_a_service_that_is_not_installed_is_said_to_be_so_and_not_to_be_asked_again(seen, path):
    status, problem, retry = seen.small[path]
    assert (status, problem["reason"], retry) == (503, "SERVICE_NOT_CONFIGURED", False)
    assert seen.grpc is grpc.StatusCode.UNAVAILABLE


async def test_a_path_of_no_service_is_not_found(seen):
    assert seen.small["/v1/nonsense"][0] == 404


async def test_services_switched_on_later_reach_the_state_of_those_from_the_start(seen):
    """The checker looks up each effect of each event, also of those from before; insights equals a rebuild."""
    assert (seen.findings.all, seen.surprises) == ([], [])
    assert seen.live["contracts"] == 2 * STORIES
    assert seen.live["service-desk"] >= 2 * STORIES
    assert seen.live["insights"] > 10 * STORIES


@pytest.mark.parametrize(("given", "said"), [
    ("directory,leeds", "there is no service leeds"), ("leads,sales", "directory belongs to every installation"),
])  # fmt: skip
def test_a_choice_that_cannot_be_is_told_in_a_sentence(given, said):
    with pytest.raises(SystemExit, match=said):
        installed(given)


@pytest.mark.parametrize(("given", "chosen"), [
    ("", SERVICES), (" sales, directory,", ("directory", "sales")),
    ("service-desk,directory", ("directory", "service-desk")),
])  # fmt: skip
def test_a_choice_is_read_in_any_order_and_no_choice_is_everything(given, chosen):
    assert installed(given) == chosen
