"""What a service's stream has and its outbox has not."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import asyncpg
import nats
import typer
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

from crmctl.problem import Problem
from crmctl.terminal import one_line

_BATCH = 500
_SECONDS = 5


@dataclass(frozen=True)
class Lost:
    """An event that was told and is no longer in its producer's outbox. `time` is ISO 8601, in UTC."""

    position: int
    id: str
    type: str
    subject: str
    time: str
    actor: str


def tell(lost: Sequence[Lost]) -> None:
    """A line for each, then how many."""
    for one in lost:
        typer.echo(one_line(f"{one.time[:19]}  {one.type:<22} {one.subject:<52} by {one.actor}"))
    records = len({one.subject for one in lost})
    typer.echo(f"{len(lost):,} events about {records:,} records" if lost else "nothing")


async def lost_events(service: str, database_url: str, nats_url: str) -> AsyncIterator[Lost]:
    """In the order of the stream, each event once. Raises Problem if either cannot be reached."""
    try:
        connection = await asyncpg.connect(database_url)
        client = await nats.connect(nats_url, allow_reconnect=False)
    except (OSError, nats.errors.Error, asyncpg.PostgresError) as away:
        raise Problem(f"The database of {service} or NATS cannot be reached: {away}") from None
    try:
        seen: set[str] = set()
        async for batch in _messages(client, f"crm-{service}"):
            ids = [(message.headers or {})["ce-id"] for message in batch]
            rows = await connection.fetch("SELECT id::text AS id FROM outbox WHERE id = any($1::uuid[])", ids)
            seen |= {row["id"] for row in rows}
            for message in batch:
                lost = _lost(message)
                if lost.id not in seen:
                    seen.add(lost.id)
                    yield lost
    finally:
        await client.close()
        await connection.close()


async def _messages(client: nats.NATS, stream: str) -> AsyncIterator[list[Msg]]:
    """The whole stream, through a consumer of our own that is gone afterwards."""
    jetstream = client.jetstream()
    try:
        left = (await jetstream.stream_info(stream)).state.messages
    except NotFoundError:
        raise Problem(f"There is no stream {stream}: run the preparation of streams first.") from None
    config = ConsumerConfig(ack_policy=AckPolicy.NONE, deliver_policy=DeliverPolicy.ALL, inactive_threshold=60)
    subscription = await jetstream.pull_subscribe("", stream=stream, config=config)
    try:
        while left > 0:
            batch = await subscription.fetch(min(_BATCH, left), timeout=_SECONDS)
            left -= len(batch)
            yield batch
    finally:
        await jetstream.delete_consumer(stream, (await subscription.consumer_info()).name)


def _lost(message: Msg) -> Lost:
    headers = message.headers or {}
    return Lost(
        position=message.metadata.sequence.stream,
        id=headers["ce-id"],
        type=headers["ce-type"].rpartition(".")[2],
        subject=headers["ce-subject"],
        time=headers["ce-time"],
        actor=headers.get("ce-actor", ""),
    )
