"""Makes streams and durables: `python -m chassis.streams [service …]` with an admin's NATS_URL.

Streams of all services there are, so that nobody waits for one that comes later; durables of the given ones, else of
this installation's (SERVICES). A service itself may only publish its own subjects and pull its own durables.
"""

import asyncio
import os
import sys
from importlib import import_module

import nats
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, DiscardPolicy, StreamConfig
from nats.js.errors import NotFoundError

from chassis import copies
from chassis.events import Reaction, reactions_of, stream
from chassis.settings import SERVICES, installed, package, required

MAX_AGE_SECONDS = 90 * 86400
MAX_BYTES = 8 * 1024**3
ACK_SECONDS = 10  # what a process that died had taken comes again after so long
MOST_PENDING = 2000  # delivered and not yet acknowledged


def reactions(service: str) -> list[Reaction]:
    module = import_module(f"{package(service)}.reactions")
    return [*copies.REACTIONS, *reactions_of(module)]


def subjects(service: str, producer: str) -> list[str]:
    """What `service` needs of `producer`'s stream; everything if one reaction takes every type."""
    found = {subject for reaction in reactions(service) for subject in reaction.subjects(producer)}
    everything = {subject for subject in found if subject.endswith(">")}
    return sorted(everything or found)


async def make(url: str, services: tuple[str, ...] = SERVICES) -> None:
    """Creates what is missing and updates what differs; running it again changes nothing."""
    client = await nats.connect(url, connect_timeout=5, max_reconnect_attempts=3)
    try:
        jetstream = client.jetstream()
        for service in SERVICES:
            await _stream(jetstream, service)
        for service in services:
            for producer in SERVICES:
                await _durable(jetstream, service, producer)
    finally:
        await client.close()


async def _stream(jetstream: JetStreamContext, service: str) -> None:
    config = StreamConfig(
        name=stream(service),
        subjects=[f"crm.{package(service)}.v1.>"],
        max_age=MAX_AGE_SECONDS,
        max_bytes=int(os.environ.get("STREAM_MAX_BYTES", MAX_BYTES)),
        num_replicas=int(os.environ.get("STREAM_REPLICAS", "1")),
        discard=DiscardPolicy.NEW,  # a full stream refuses, loudly; it never drops old events in silence
        duplicate_window=120,
    )
    try:
        await jetstream.stream_info(stream(service))
        await jetstream.update_stream(config)
    except NotFoundError:
        await jetstream.add_stream(config)


async def _durable(jetstream: JetStreamContext, service: str, producer: str) -> None:
    wanted = subjects(service, producer)
    if not wanted:
        return
    config = ConsumerConfig(
        durable_name=service,
        filter_subjects=wanted,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=ACK_SECONDS,
        deliver_policy=DeliverPolicy.ALL,
        max_ack_pending=MOST_PENDING,
    )
    await jetstream.add_consumer(stream(producer), config)


def main() -> None:
    services = tuple(sys.argv[1:]) or installed()
    asyncio.run(make(required("NATS_URL"), services))


if __name__ == "__main__":
    main()
