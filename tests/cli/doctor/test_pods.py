"""Several pods behind one name, as a headless service has them: each is looked at."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from chassis.admin import Admin
from chassis.stack.ports import free_ports
from crmctl.doctor import processes
from crmctl.doctor.findings import Finding, Findings, Level
from crmctl.doctor.installation import Installation

from chassis import release


def metrics(off: float = 0.0, keys: int = 5, nats: int = 1, of: str = release.NUMBER) -> str:
    return (
        f'crm_release_info{{release="{of}"}} 1\ncrm_clock_seconds {time.time() + off:.3f}\n'
        f"crm_issuer_keys_age_seconds {keys}\ncrm_nats_connected {nats}\ncrm_pool_size 16\n"
    )


@asynccontextmanager
async def pods(monkeypatch: pytest.MonkeyPatch, *told: tuple[str, str]) -> AsyncIterator[Installation]:
    """An admin port on 127.0.0.1, 127.0.0.2 ... for each (what is missing, metrics), all of them behind one name."""
    (port,) = free_ports(1)
    admins, hosts = [], [f"127.0.0.{number}" for number in range(1, len(told) + 1)]
    for host, (missing, text) in zip(hosts, told, strict=True):
        admins.append(Admin(answering(missing), answering(text)))
        await admins[-1].start(f"{host}:{port}")

    async def resolved(name: str, _: int, **__: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in hosts]

    with monkeypatch.context() as patched:
        loop = asyncio.get_running_loop()
        real = loop.getaddrinfo
        known = lambda name, at, **more: (resolved if name == "leads-headless" else real)(name, at, **more)  # noqa: E731
        patched.setattr(loop, "getaddrinfo", known)
        yield Installation(("leads",), admin={"leads": f"leads-headless:{port}"})
    for admin in admins:
        await admin.stop()


def answering(text: str) -> Any:
    async def answer() -> str:
        return text

    return answer


async def examined(installation: Installation) -> tuple[list[Finding], list[str]]:
    found = Findings(5)
    seen = await processes.examine(installation, found)
    return [one for one in found.all if one.part != "gateway"], [one.name for one in seen]


async def test_every_pod_is_looked_at_and_one_that_is_not_ready_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    lacks = "the schema's service tables are at 0001, the code needs 0002 (run the migrations)"
    async with pods(monkeypatch, ("", metrics()), (lacks, metrics())) as installation:
        found, names = await examined(installation)
    assert names == ["leads 1", "leads 2"]
    levels = {one.check: one for one in found if one.check.startswith("process")}
    assert levels["process 1"].level is Level.OK
    assert (levels["process 2"].level, levels["process 2"].page) == (Level.FAIL, "CrmMigrationFailed")
    assert levels["process 2"].detail == lacks


@pytest.mark.parametrize(
    ("told", "check", "level"),
    [
        ({}, "clock", Level.OK),
        ({"off": 10}, "clock", Level.WARN),
        ({"off": -100}, "clock", Level.FAIL),
        ({"keys": 900}, "token keys", Level.OK),
        ({"keys": 901}, "token keys", Level.WARN),
        ({"keys": 80_000}, "token keys", Level.FAIL),
        ({"nats": 0}, "connection to NATS", Level.FAIL),
        ({"of": "0.0.9"}, "releases", Level.WARN),
    ],
)
async def test_what_a_pod_tells_is_judged(
    monkeypatch: pytest.MonkeyPatch, told: dict[str, Any], check: str, level: Level
) -> None:
    async with pods(monkeypatch, ("", metrics(**told))) as installation:
        found, _ = await examined(installation)
    assert [one.level for one in found if one.check == check] == [level]
    assert {one.level for one in found if one.check != check} == {Level.OK}


async def test_a_pod_of_a_release_that_tells_less_is_told_and_not_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with pods(monkeypatch, ("", "crm_nats_connected 1\n")) as installation:
        found, _ = await examined(installation)
    assert {one.check: one.level for one in found} == {"process": Level.OK, "releases": Level.WARN}


async def test_a_port_where_nobody_speaks_http_is_told() -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    found, names = await examined(Installation(("leads",), admin={"leads": f"127.0.0.1:{port}"}))
    server.close()
    assert (names, [one.level for one in found]) == ([], [Level.FAIL])
