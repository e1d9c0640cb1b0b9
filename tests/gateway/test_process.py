"""The gateway as a process: what it says when it cannot start, its admin port, and how it leaves."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import grpc
import httpx
import pytest
import pytest_asyncio

if TYPE_CHECKING:
    from conftest import Running

pytestmark = pytest.mark.asyncio(loop_scope="session")
IDENTIFIED = {"authorization": "Bearer anybody"}
LEAD = "/v1/leads/0190b5a0-7c3e-7000-8000-000000000001"


def dead_port() -> int:
    """A port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def environment(**settings: str) -> dict[str, str]:
    addresses = {name: f"127.0.0.1:{dead_port()}" for name in ("HTTP_ADDRESS", "GRPC_ADDRESS", "ADMIN_ADDRESS")}
    path = os.pathsep.join(path for path in sys.path if path)
    return {**os.environ, "PYTHONPATH": path, **addresses, **settings}


async def start(settings: dict[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", env=settings, stderr=asyncio.subprocess.PIPE
    )


async def ready(settings: dict[str, str], process: asyncio.subprocess.Process) -> None:
    """Waits until the admin port says so."""
    async with httpx.AsyncClient() as http:
        while True:
            assert process.returncode is None, (await process.stderr.read()).decode()
            try:
                answer = await http.get(f"http://{settings['ADMIN_ADDRESS']}/readyz")
            except httpx.TransportError:
                await asyncio.sleep(0.02)  # polls a process that is starting; there is nothing to wait on
                continue
            assert answer.status_code == 200
            return


async def refusing(settings: dict[str, str]) -> None:
    """Waits until the HTTP port takes no more connections."""
    host, _, port = settings["HTTP_ADDRESS"].partition(":")
    with contextlib.suppress(ConnectionError):
        while True:
            _, writer = await asyncio.open_connection(host, int(port))
            writer.close()
            await asyncio.sleep(0.02)  # polls a process that is leaving


@pytest_asyncio.fixture(loop_scope="session")
async def process(gateway: Running) -> AsyncIterator[tuple[asyncio.subprocess.Process, dict[str, str]]]:
    """A gateway process in front of the test's services."""
    settings = environment(UPSTREAM_LEADS=gateway.target)
    running = await start(settings)
    await ready(settings, running)
    yield running, settings
    if running.returncode is None:
        running.kill()
    await running.wait()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"HTTP_ADDRESS": ""}, "HTTP_ADDRESS is not set"),
        ({"GRPC_ADDRESS": "nowhere"}, "GRPC_ADDRESS=nowhere is not host:port"),
        ({"DESCRIPTORS": "/nonexistent.binpb"}, "DESCRIPTORS: there is no file /nonexistent.binpb"),
        ({"UPSTREAM_LEAD": "127.0.0.1:1"}, "UPSTREAM_LEAD names no service"),
    ],
)
async def test_a_wrong_setting_ends_the_start_with_one_sentence(settings: dict[str, str], sentence: str) -> None:
    process = await start(environment(**settings))
    _, error = await process.communicate()
    lines = error.decode().splitlines()
    assert process.returncode == 2
    assert len(lines) == 1
    assert lines[0].startswith(f"gateway: {sentence}")


@pytest.mark.parametrize("setting", ["HTTP_ADDRESS", "GRPC_ADDRESS", "ADMIN_ADDRESS"])
async def test_a_taken_port_is_named_by_its_setting(setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        process = await start(environment(**{setting: address}))
        _, error = await process.communicate()
    assert process.returncode == 2
    assert f"gateway: {setting}: cannot listen on {address}" in error.decode()


async def test_the_admin_port_says_what_was_answered(process: Any) -> None:
    _, settings = process
    async with httpx.AsyncClient(headers=IDENTIFIED) as http:
        await http.get(f"http://{settings['HTTP_ADDRESS']}{LEAD}")
        await http.get(f"http://{settings['HTTP_ADDRESS']}/nope")
        await http.get(f"http://{settings['HTTP_ADDRESS']}/docs")
        assert (await http.get(f"http://{settings['ADMIN_ADDRESS']}/livez")).status_code == 200
        text = (await http.get(f"http://{settings['ADMIN_ADDRESS']}/metrics")).text
    assert 'crm_gateway_requests_total{class="read",rpc="/crm.leads.v1.LeadService/GetLead",status="200"} 1' in text
    assert 'crm_gateway_requests_total{class="page",rpc="",status="404"} 1' in text
    assert 'crm_gateway_requests_total{class="page",rpc="",status="200"} 1' in text
    assert 'crm_gateway_request_seconds_bucket{le="+Inf"} 3' in text


async def test_sigterm_finishes_what_was_begun_and_accepts_nothing_new(gateway: Running, process: Any) -> None:
    running, settings = process
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def wait(request: Any, context: grpc.aio.ServicerContext) -> dict[str, str]:
        arrived.set()
        await go_on.wait()
        return {"name": "leads/1"}

    gateway.world.replies["GetLead"] = wait
    async with httpx.AsyncClient(base_url=f"http://{settings['HTTP_ADDRESS']}", headers=IDENTIFIED) as http:
        begun = asyncio.create_task(http.get(LEAD))
        await arrived.wait()
        running.send_signal(signal.SIGTERM)
        await refusing(settings)
        go_on.set()
        assert (await begun).json()["name"] == "leads/1"
    assert await asyncio.wait_for(running.wait(), 5) == 0


async def test_sigterm_without_work_ends_at_once(process: Any) -> None:
    running, _ = process
    running.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(running.wait(), 3) == 0
