"""Events about teams as directory would tell them, and their dead letters, for tests of the inbox."""

from datetime import UTC, datetime
from typing import Any

import nats
from chassis.values import new_id
from crm.chassis.v1 import chassis_pb2
from crm.directory.v1 import directory_pb2
from crm.directory.v1 import events_pb2 as directory_events
from harness import until

OLD, NEW = "01900000-0000-7000-8000-000000000000", "01a00000-0000-7000-8000-000000000000"
COUNT = "INSERT INTO effect (reaction, subject, said) VALUES ($1::text, $2::text, $3::text)"


def team(name: str, said: str = "North") -> directory_pb2.Team:
    return directory_pb2.Team(name=name, display_name=said)


def created(name: str, said: str = "North") -> directory_events.TeamCreated:
    return directory_events.TeamCreated(team=team(name, said))


def updated(name: str, said: str = "North") -> directory_events.TeamUpdated:
    return directory_events.TeamUpdated(team=team(name, said))


def a_team() -> str:
    return f"teams/{new_id()}"


async def effects(leads, name: str, reaction: str = "every") -> list[str]:
    sql = "SELECT said FROM effect WHERE subject = $1 AND reaction = $2 ORDER BY said"
    return [row["said"] for row in await leads.rows(sql, name, reaction)]


def headers_of(message: Any, **more: str) -> dict[str, str]:
    event_id, now = new_id(), datetime.now(UTC).isoformat()
    record = getattr(message, message.DESCRIPTOR.fields[0].name)
    return {
        "ce-id": event_id, "ce-type": message.DESCRIPTOR.full_name, "ce-subject": record.name, "ce-dataversion": "1",
        "ce-epoch": NEW, "ce-source": "services/directory", "ce-time": now, "ce-recordedtime": now,
        "ce-partitionkey": record.name, "traceparent": f"00-{'a' * 32}-{'b' * 16}-01",
    } | more  # fmt: skip


async def publish(broker, *messages: Any, **headers: str) -> list[str]:
    """Puts events on directory's stream as directory would; answers their ids."""
    client = await nats.connect(broker.nats_url)
    ids = []
    for message in messages:
        values = headers_of(message, **headers)
        await client.jetstream().publish(message.DESCRIPTOR.full_name, message.SerializeToString(), headers=values)
        ids.append(values["ce-id"])
    await client.close()
    return ids


async def letters(leads, **asked: Any) -> list[chassis_pb2.DeadLetter]:
    request = chassis_pb2.ListDeadLettersRequest(**asked)
    return list((await leads.call("EventLogService/ListDeadLetters", request)).dead_letters)


async def one_letter(leads) -> chassis_pb2.DeadLetter:
    """The only dead letter, once the last try of its event has ended."""

    async def written() -> list[chassis_pb2.DeadLetter]:
        return [letter for letter in await letters(leads) if not letter.error.startswith("NeverEnded")]

    (letter,) = await until(written, "there is a dead letter")
    return letter


async def replay(leads, event_id: str, **how: Any) -> chassis_pb2.DeadLetter:
    request = chassis_pb2.ReplayDeadLetterRequest(event_id=event_id)
    return await leads.call("EventLogService/ReplayDeadLetter", request, **how)


async def discard(leads, event_id: str, reason: str = "a test team", **how: Any) -> chassis_pb2.DeadLetter:
    request = chassis_pb2.DiscardDeadLetterRequest(event_id=event_id, reason=reason)
    return await leads.call("EventLogService/DiscardDeadLetter", request, **how)
