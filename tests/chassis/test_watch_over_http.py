"""Watching leads as another system does it: a real HTTP client, a real gateway, a real service."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from chassis.stack.ports import free_ports
from harness import until
from lead_calls import create, log_call, update


@pytest.fixture
async def leads(broker, starting):
    return await starting()


@pytest.fixture
async def gateway(leads):
    """A gateway process of its own, as a client of it."""
    http_port, grpc_port, admin_port = free_ports(3)
    addresses = {"HTTP_ADDRESS": http_port, "GRPC_ADDRESS": grpc_port, "ADMIN_ADDRESS": admin_port}
    env = os.environ | {name: f"127.0.0.1:{port}" for name, port in addresses.items()}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", env=env | {"UPSTREAM_LEADS": leads.address}
    )
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{http_port}", timeout=30, trust_env=False) as client:

        async def answers() -> bool:
            try:
                return (await client.get("/openapi.json")).status_code == 200
            except httpx.HTTPError:
                return False

        await until(answers, "the gateway answers", 30)
        client.process = process
        yield client
    if process.returncode is None:
        process.terminate()
    assert await process.wait() == 0


@asynccontextmanager
async def watching(gateway, leads, by: str, last: str = "") -> AsyncIterator[AsyncIterator[dict]]:
    """The events of a watch: their data, with the id as `id`."""
    headers = {"authorization": f"Bearer {leads.issuer.token(by)}"} | ({"last-event-id": last} if last else {})
    async with gateway.stream("GET", "/v1/leads:watch", headers=headers) as answer:
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")
        yield told(answer.aiter_lines())


async def told(lines: AsyncIterator[str]) -> AsyncIterator[dict]:
    event: dict[str, str] = {}
    async for line in lines:
        if line:
            key, _, value = line.partition(": ")
            event[key] = value
        else:
            yield json.loads(event["data"]) | {"id": event.get("id", "")}
            event = {}


async def next_changes(events: AsyncIterator[dict], count: int) -> list[dict]:
    found: list[dict] = []
    async with asyncio.timeout(30):
        while len(found) < count:
            event = await anext(events)
            if event.get("lead") or event.get("gone"):
                found.append(event)
    return found


async def test_a_system_that_was_away_goes_on_by_the_id_of_the_last_event(leads, gateway):
    async with watching(gateway, leads, "users/ana") as events:
        await anext(events)
        lead = await create(leads, owner="users/ana", display_name="欧阳娜娜")
        (first,) = await next_changes(events, 1)
        assert (first["lead"]["name"], first["lead"]["displayName"], first["gone"]) == (lead.name, "欧阳娜娜", "")
    await log_call(leads, lead.name, by="users/ana", outcome="REACHED")
    await update(leads, lead.name, note="Търси пещ")
    async with watching(gateway, leads, "users/ana", last=first["id"]) as events:
        found = await next_changes(events, 2)
    assert [one["lead"]["etag"] for one in found] == ["2", "3"]


async def test_a_gateway_that_stops_ends_watches_with_a_proper_end(leads, gateway):
    async with watching(gateway, leads, "users/ana") as events:
        await anext(events)
        gateway.process.terminate()
        async with asyncio.timeout(10):
            assert [event async for event in events] == []


async def test_who_may_not_watch_gets_the_error_of_every_other_call(leads, gateway):
    answer = await gateway.get(
        "/v1/leads:watch", headers={"authorization": f"Bearer {leads.issuer.token('users/dora')}"}
    )
    assert (answer.status_code, answer.json()["reason"]) == (403, "NOT_PERMITTED")
