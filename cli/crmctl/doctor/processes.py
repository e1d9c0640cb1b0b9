"""Every process by its admin port and its gRPC port: does it answer, is it ready, which release, whose clock."""

import asyncio
import re
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import httpx
from chassis.tokens import LEEWAY_SECONDS
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis import release, tls
from crmctl.doctor.findings import Findings, quoted
from crmctl.doctor.installation import GATEWAY, Installation

MOST_BYTES = 4 * 1024 * 1024
SKEW_WARN_SECONDS, SKEW_FAIL_SECONDS = 2.0, float(LEEWAY_SECONDS)  # from the second on fresh tokens are refused
KEYS_WARN_SECONDS, KEYS_FAIL_SECONDS = 900.0, 20 * 3600.0  # after a day without the issuer everybody is refused
LOOK = "kubectl get pods, and describe the pod; on this machine its log in the data folder says why."
CLOCKS = "Make the clocks agree (chrony, NTP) before anything else: tokens, waits and reports depend on them."


@dataclass(frozen=True)
class Process:
    """One process as its admin port shows it. `metrics` is Prometheus text."""

    name: str
    metrics: str

    @cached_property
    def _numbers(self) -> Mapping[str, float]:
        lines = re.findall(r"^(crm_\w+) ([-+.\deE]+)$", self.metrics, re.MULTILINE)
        return {name: float(value) for name, value in lines}

    def number(self, name: str) -> float | None:
        """A metric without labels; None if the process does not tell it."""
        return self._numbers.get(name)

    @property
    def release(self) -> str:
        """Empty if the process does not say: it is older than the saying."""
        found = re.search(r'^crm_release_info\{release="([\w.+-]+)"\}', self.metrics, re.MULTILINE)
        return found[1] if found else ""


async def examine(installation: Installation, found: Findings) -> list[Process]:
    """All admin ports at once; those that answered."""
    seen: list[Process] = []
    looks = []
    for part in (*installation.services, GATEWAY):
        if address := installation.admin.get(part):
            looks.append(found.tried(part, "process", _pods(part, address, found, seen), LOOK, "CrmServiceAway", 3))
        else:
            do = f"Name its admin port: --admin {part}=HOST:8090; a headless service's name stands for all its pods."
            found.warn(part, "process", "Not looked at: its admin port is not known.", do, "#doctor")
    await asyncio.gather(*looks)
    _releases(seen, found)
    return sorted(seen, key=lambda one: one.name)


async def _pods(part: str, address: str, found: Findings, seen: list[Process]) -> None:
    host, _, port = address.rpartition(":")
    loop = asyncio.get_running_loop()
    try:
        every = await loop.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except OSError as unknown:
        found.fail(
            part, "process", "The name of its admin port is not known here.", LOOK, "CrmServiceAway", str(unknown)
        )
        return
    hosts = sorted({str(one[4][0]) for one in every})
    if host == "localhost":
        hosts = ["localhost"]  # one process, two families of addresses
    looks = []
    for number, one in enumerate(hosts, 1):
        check = "process" if len(hosts) == 1 else f"process {number}"
        look = _pod(part, check, one, int(port), found, seen)
        looks.append(found.tried(part, check, look, LOOK, "CrmServiceAway", 2))
    await asyncio.gather(*looks)


async def _pod(part: str, check: str, host: str, port: int, found: Findings, seen: list[Process]) -> None:
    where = f"{host}:{port}"
    try:
        status, missing = await asyncio.wait_for(ask(host, port, "/readyz"), found.seconds)
    except TimeoutError:
        said = f"Its admin port does not answer within {found.seconds:g} seconds: it hangs, or calls do not reach it."
        do = "May this machine reach it (network policy)? If its log stands still, end it; another one takes over."
        found.fail(part, check, said, do, "CrmServiceAway", where)
        return
    except (OSError, ValueError) as away:
        found.fail(part, check, "Nobody answers on its admin port.", LOOK, "CrmServiceAway", f"{where}: {away}")
        return
    if status == 200:
        found.ok(part, check, "It answers and is ready.")
    else:
        page = "CrmMigrationFailed" if "schema" in missing else "CrmServiceAway"
        do = "Mend what it says it lacks; it serves as soon as that is there, without a restart."
        found.fail(part, check, "It answers and is not ready: calls to it fail.", do, page, missing.strip())
    name = check.replace("process", part)
    do = "Its metrics ask its database: look at that first."
    await found.tried(part, "metrics", _told(part, name, host, port, found, seen), do, "CrmServiceAway")


async def _told(part: str, name: str, host: str, port: int, found: Findings, seen: list[Process]) -> None:
    began = time.time()
    process = Process(name, (await ask(host, port, "/metrics"))[1])
    seen.append(process)
    if (clock := process.number("crm_clock_seconds")) is not None:
        skewed(part, "clock", ahead(clock, began, time.time()), found)
    if process.number("crm_nats_connected") == 0:
        do = "Is NATS there, and does this login fit? Changes are kept in the outbox meanwhile."
        found.fail(part, "connection to NATS", "It has no connection to NATS: nobody hears of it.", do, "CrmNatsAway")
    _keys(part, process, found)


def ahead(clock: float, began: float, ended: float) -> float:
    """How far a clock is ahead of ours at least (below 0: behind), that was read between two moments: an answer that
    took its time is no wrong clock."""
    return clock - ended if clock > ended else min(clock - began, 0.0)


def skewed(part: str, check: str, seconds: float, found: Findings) -> None:
    """How far a clock is ahead of ours (below 0: behind)."""
    off = abs(seconds)
    said = f"Its clock differs from this machine's by {off:.1f} seconds."
    figures: dict[str, Any] = {"seconds": round(seconds, 3)}
    if off >= SKEW_FAIL_SECONDS:
        found.fail(part, check, f"{said} Fresh tokens are refused.", CLOCKS, "CrmTokensRefused", **figures)
    elif off >= SKEW_WARN_SECONDS:
        found.warn(part, check, said, CLOCKS, "CrmTokensRefused", **figures)
    else:
        found.ok(part, check, "Its clock agrees with this machine's.", **figures)


def _keys(part: str, process: Process, found: Findings) -> None:
    age = process.number("crm_issuer_keys_age_seconds")
    if age is None:
        return
    do = "Can this part reach the issuer (OIDC_JWKS_URL)? Does the issuer answer?"
    said = f"It last heard from the issuer which keys are valid {age / 60:,.0f} minutes ago."
    if age > KEYS_FAIL_SECONDS:
        found.fail(part, "token keys", f"{said} After 24 hours it refuses everybody.", do, "CrmIssuerAway", age=age)
    elif age > KEYS_WARN_SECONDS:
        found.warn(part, "token keys", said, do, "CrmIssuerAway", age=age)
    else:
        found.ok(part, "token keys", "It knows the issuer's keys.", age=age)


def _releases(seen: list[Process], found: Findings) -> None:
    told = {one.name: one.release for one in seen}
    figures: dict[str, Any] = {"crmctl": release.NUMBER, **told}
    others = sorted({one or "an older one" for one in told.values()} - {release.NUMBER})
    if not told:
        return
    if not others:
        found.ok("suite", "releases", f"All that answer, and this crmctl, are of release {release.NUMBER}.", **figures)
        return
    said = f"This crmctl is of release {release.NUMBER}, and at work is also {', '.join(others)}."
    do = "While an upgrade runs that is well. If none does: did it end? Finish it, or helm rollback."
    found.warn("suite", "releases", said, do, "#upgrade-and-rollback", **figures)


async def answering(installation: Installation, found: Findings) -> None:
    """The gRPC port of each service, and the gateway's front door, as callers meet them."""
    looks = [
        found.tried(part, "gRPC", _serving(part, at, installation, found), LOOK, "CrmServiceAway")
        for part, at in installation.grpc.items()
    ]
    if installation.url:
        do = "Are its pods ready, and does the way to them (ingress, port-forward) lead there?"
        looks.append(found.tried(GATEWAY, "front door", _front_door(installation.url, found), do, "CrmServiceAway"))
    await asyncio.gather(*looks)


async def _serving(part: str, address: str, installation: Installation, found: Findings) -> None:
    if installation.tls_folder and not (installation.tls_folder / tls.AUTHORITY).is_file():
        found.fail(part, "gRPC", "TLS_FOLDER has no ca.crt to know it by.", "Give the folder.", "#clocks-and-keys")
        return
    channel = tls.channel(address, [])
    try:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=found.seconds)
    finally:
        await channel.close()
    if answer.status == health_pb2.HealthCheckResponse.SERVING:
        found.ok(part, "gRPC", "Its gRPC port serves.")
    else:
        found.fail(part, "gRPC", "Its gRPC port answers that it does not serve.", LOOK, "CrmServiceAway")


async def _front_door(url: str, found: Findings) -> None:
    do = "Are its pods ready, and does the way to them (ingress, port-forward) lead there?"
    try:
        async with httpx.AsyncClient(timeout=found.seconds) as client:
            status = (await client.get(f"{url.rstrip('/')}/docs")).status_code
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as away:
        found.fail(GATEWAY, "front door", "Nobody answers at the suite's address.", do, "CrmServiceAway", quoted(away))
        return
    if status == 200:
        found.ok(GATEWAY, "front door", "The suite's address answers.")
    else:
        said = f"The suite's address answers with {status}: something else may stand there."
        found.fail(GATEWAY, "front door", said, do, "CrmServiceAway", status=status)


async def ask(host: str, port: int, path: str) -> tuple[int, str]:
    """GET of an admin port: status and text, as far as MOST_BYTES. OSError, ValueError if nobody speaks HTTP there."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"GET {path} HTTP/1.0\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
        status = (await reader.readline()).split()[1:2]
        if not status:
            raise ValueError("no HTTP is spoken there")
        while (await reader.readline()).strip():
            pass
        body = b""
        while len(body) < MOST_BYTES and (piece := await reader.read(65536)):
            body += piece
        return int(status[0]), body.decode(errors="replace")
    finally:
        writer.close()
