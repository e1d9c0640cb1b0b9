"""NATS: the streams and durables that the code wants, their replicas, and how far everybody has read."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import nats
import nats.errors
from chassis.events import stream
from chassis.settings import SERVICES
from chassis.streams import subjects
from nats.js import JetStreamContext
from nats.js.api import ClusterInfo, ConsumerInfo
from nats.js.errors import APIError, NotFoundError, ServiceUnavailableError

from crmctl.doctor.findings import Findings, quoted
from crmctl.doctor.installation import Installation

Wanted = Mapping[tuple[str, str], list[str]]  # (service, producer) → the subjects its durable brings

PART = "nats"
MANY_WAIT = 1_000  # the alert's
FULL_WARN, FULL_FAIL = 0.8, 0.95
MOST_BEHIND = 1_000  # operations of a replica behind its leader
MAKE = "Make them: helm upgrade with the same values, or python -m chassis.streams with an administrator's NATS_URL."
AWAY = "Do its pods run (three of them, in a cluster)? Does NATS_URL lead there, with an administrator's login?"


def wanted(services: Iterable[str]) -> Wanted:
    """What durables should bring. It loads what all services react to, which takes a second or more."""
    pairs = ((service, producer) for service in services for producer in SERVICES)
    return {pair: found for pair in pairs if (found := subjects(*pair))}


async def examine(installation: Installation, durables: Wanted, found: Findings) -> None:
    """Everything that NATS says; one finding if it says nothing."""
    if not installation.nats_url:
        do = "Set NATS_URL with an administrator's login, and ask again."
        found.warn(PART, "server", "Not looked at: its address is not known.", do, "#doctor")
        return
    client = nats.NATS()
    try:
        await asyncio.wait_for(client.connect(installation.nats_url, **_once(found.seconds)), found.seconds)
        jetstream = client.jetstream(timeout=found.seconds)
        await jetstream.account_info()
    except (TimeoutError, OSError, ValueError, nats.errors.Error, APIError, ServiceUnavailableError) as away:
        said = f"It does not let us in ({type(away).__name__}): calls succeed, and nobody hears of them."
        found.fail(PART, "server", said, AWAY, "CrmNatsAway", quoted(away))
        await _closed(client)
        return
    its = client.connected_server_version
    version = f"{its.major}.{its.minor}.{its.patch}"
    found.ok(PART, "server", f"NATS {version} answers, and JetStream with it.", version=version)
    try:
        await _everything(jetstream, installation, durables, found)
    finally:
        await _closed(client)


async def _everything(
    jetstream: JetStreamContext, installation: Installation, durables: Wanted, found: Findings
) -> None:
    looks = {
        f"stream of {one}": _stream(jetstream, one, one in installation.services, installation.local, found)
        for one in SERVICES
    }
    for (service, producer), brings in durables.items():
        looks[f"{service} on {producer}"] = _durable(jetstream, service, producer, brings, found)
    await asyncio.gather(*(found.tried(PART, name, look, AWAY, "CrmNatsAway") for name, look in looks.items()))


async def _stream(jetstream: JetStreamContext, service: str, ours: bool, local: bool, found: Findings) -> None:
    check = f"stream of {service}"
    try:
        info = await jetstream.stream_info(stream(service))
    except NotFoundError:
        said = f"The stream of {service} is not there: what happens in it waits in its outbox."
        if ours:
            found.fail(PART, check, said, MAKE, "CrmOutboxStuck")
        else:
            found.warn(PART, check, f"{said} It is not part of this installation.", MAKE, "CrmOutboxStuck")
        return
    most, taken = info.config.max_bytes or 0, info.state.bytes
    replicas = info.config.num_replicas or 1
    figures: dict[str, Any] = {
        "messages": info.state.messages, "bytes": taken, "most_bytes": most, "last": info.state.last_seq,
        "replicas": replicas,
    }  # fmt: skip
    figures["replicas_in_step"], away = in_step(info.cluster, replicas)
    full = taken / most if most > 0 else 0.0
    room = "Raise nats.streams.maxBytes (and NATS' disk) and run helm upgrade; nothing is dropped until then."
    if full >= FULL_FAIL:
        said = f"The stream of {service} is {full:.0%} full: at 100 % it refuses, and its outbox grows."
        found.fail(PART, check, said, room, "CrmOutboxStuck", **figures)
    elif full >= FULL_WARN:
        found.warn(PART, check, f"The stream of {service} is {full:.0%} full.", room, "CrmOutboxStuck", **figures)
    elif away:
        said = f"{away} of {replicas} replicas of the stream of {service} are away or behind: the next loss stops it."
        do = "Bring the NATS server back that is missing; it catches up by itself."
        found.warn(PART, check, said, do, "CrmNatsAway", **figures)
    elif replicas == 1 and not local:
        said = f"The stream of {service} has one replica: while its server is away, nobody hears of anything."
        do = "Run three NATS servers and set nats.streams.replicas to 3."
        found.warn(PART, check, said, do, "CrmNatsAway", **figures)
    else:
        said = f"The stream of {service} has {info.state.messages:,} events, and is {full:.0%} full."
        found.ok(PART, check, said, **figures)


def in_step(cluster: ClusterInfo | None, replicas: int) -> tuple[int, int]:
    """How many replicas hold everything, the leader among them, and how many do not."""
    others = (cluster.replicas or []) if cluster else []
    steady = [one for one in others if one.current and not one.offline and (one.lag or 0) <= MOST_BEHIND]
    there = 1 + len(steady)
    return there, max(replicas - there, 0)


async def _durable(
    jetstream: JetStreamContext, service: str, producer: str, brings: list[str], found: Findings
) -> None:
    check = f"{service} on {producer}"
    try:
        info = await jetstream.consumer_info(stream(producer), service)
    except NotFoundError:
        said = f"The durable of {service} on what {producer} says is not there: it hears nothing of {producer}."
        found.fail(PART, check, said, MAKE, "CrmEventsWait")
        return
    lag = (info.num_pending or 0) + (info.num_ack_pending or 0)
    figures = _figures(info, lag)
    if sorted(info.config.filter_subjects or [info.config.filter_subject or ""]) != brings:
        said = f"The durable of {service} on {producer} was made by another release: it brings other events."
        found.warn(PART, check, said, MAKE, "CrmEventsWait", **figures)
    elif lag > MANY_WAIT:
        said = f"{lag:,} events of {producer} wait for {service}: what it shows lags behind."
        do = "Does it fall? Then it needs time. Else replicas of it, or its log: does it fail at events?"
        found.warn(PART, check, said, do, "CrmEventsWait", **figures)
    elif info.num_redelivered:
        said = f"{info.num_redelivered:,} events of {producer} come to {service} again and again: it fails at them."
        do = "Its log says `event … failed` and why; after six tries an event is a dead letter."
        found.warn(PART, check, said, do, "CrmEventsFail", **figures)
    else:
        found.ok(PART, check, f"{service} has taken in what {producer} said, but for {lag:,} events.", **figures)


def _figures(info: ConsumerInfo, lag: int) -> Mapping[str, Any]:
    return {
        "lag": lag,
        "pending": info.num_pending or 0,
        "unacknowledged": info.num_ack_pending or 0,
        "redelivered": info.num_redelivered or 0,
        "pulling": info.num_waiting or 0,
        "taken_in": info.ack_floor.stream_seq if info.ack_floor else 0,
    }


def _once(seconds: float) -> dict[str, Any]:
    async def quiet(_: Exception) -> None:
        """What is wrong becomes a finding; the client would write a traceback."""

    return {
        "name": "crmctl-doctor", "allow_reconnect": False, "connect_timeout": seconds, "max_reconnect_attempts": 1,
        "reconnect_time_wait": 0, "error_cb": quiet,
    }  # fmt: skip


async def _closed(client: nats.NATS) -> None:
    try:
        await asyncio.wait_for(client.close(), 1)
    except (TimeoutError, OSError, nats.errors.Error):
        return
