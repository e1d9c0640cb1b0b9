"""Inbox: an event has its effect once; what never works becomes a dead letter and the stream goes on."""

import dataclasses
from datetime import UTC, datetime

import asyncpg
import nats
import pytest
from chassis.errors import FailedPrecondition, NotFound, PermissionDenied
from chassis.events import every, latest, on
from chassis.values import new_id
from crm.chassis.v1 import chassis_pb2
from crm.directory.v1 import directory_pb2
from crm.directory.v1 import events_pb2 as directory_events
from harness import definition, until

from chassis import consumer

OLD, NEW = "01900000-0000-7000-8000-000000000000", "01a00000-0000-7000-8000-000000000000"
COUNT = "INSERT INTO effect (reaction, subject, said) VALUES ($1::text, $2::text, $3::text)"


@on(directory_events.TeamUpdated, keep=every)
async def count_every(event, work):
    await work.execute(COUNT, "every", event.team.name, event.team.display_name)


@on(directory_events.TeamUpdated, keep=latest)
async def keep_latest(event, work):
    await work.execute(COUNT, "latest", event.team.name, event.team.display_name)


@on(directory_events.TeamCreated, keep=every)
async def refuse_the_unlucky(event, work):
    await work.execute(COUNT, "before failing", event.team.name, event.team.display_name)
    found = await work.context.database.fetch("SELECT 1 FROM effect WHERE reaction = 'mended'", [], work.connection)
    if event.team.display_name == "unlucky" and not found:
        raise FailedPrecondition(team=event.team.name)


@pytest.fixture
async def leads(broker, starting, monkeypatch):
    """A leads service with three reactions more, and a table for their effects."""
    monkeypatch.setattr(consumer, "BACKOFF_SECONDS", (0.05,))
    reactions = (count_every, keep_latest, refuse_the_unlucky)
    running = await starting(defined=dataclasses.replace(definition("leads"), reactions=reactions))
    owner = await asyncpg.connect(running.database.owner_url)
    await owner.execute("CREATE TABLE effect (reaction text, subject text, said text)")
    await owner.close()
    return running


def team(name: str, said: str = "North"):
    return directory_pb2.Team(name=name, display_name=said)


def updated(name: str, said: str = "North"):
    return directory_events.TeamUpdated(team=team(name, said))


def a_team() -> str:
    return f"teams/{new_id()}"


async def effects(leads, name: str, reaction: str = "every") -> list[str]:
    sql = "SELECT said FROM effect WHERE subject = $1 AND reaction = $2 ORDER BY said"
    return [row["said"] for row in await leads.rows(sql, name, reaction)]


async def publish(broker, message, **headers: str) -> str:
    """Puts an event on directory's stream as directory would; answers its id."""
    event_id, now = new_id(), datetime.now(UTC).isoformat()
    record = getattr(message, message.DESCRIPTOR.fields[0].name)
    known = {
        "ce-id": event_id, "ce-type": message.DESCRIPTOR.full_name, "ce-subject": record.name, "ce-dataversion": "1",
        "ce-epoch": NEW, "ce-source": "services/directory", "ce-time": now, "ce-recordedtime": now,
        "ce-partitionkey": record.name, "traceparent": f"00-{'a' * 32}-{'b' * 16}-01",
    }  # fmt: skip
    client = await nats.connect(broker.nats_url)
    await client.jetstream().publish(message.DESCRIPTOR.full_name, message.SerializeToString(), headers=known | headers)
    await client.close()
    return (known | headers)["ce-id"]


async def letters(leads) -> list:
    request = chassis_pb2.ListDeadLettersRequest()
    return list((await leads.call("EventLogService/ListDeadLetters", request)).dead_letters)


async def unlucky(broker, leads):
    """An event that fails every delivery: its name and its dead letter."""
    name = a_team()
    await publish(broker, directory_events.TeamCreated(team=team(name, "unlucky")))
    (letter,) = await until(lambda: letters(leads), "the event is a dead letter")
    return name, letter


async def test_an_event_from_the_stream_has_its_effect(broker, leads):
    name = a_team()
    await publish(broker, updated(name))
    assert await until(lambda: effects(leads, name), "the effect is there") == ["North"]


async def test_an_event_delivered_twice_has_one_effect(leads):
    name, event_id = a_team(), new_id()
    assert await leads.react(updated(name), id=event_id)
    assert not await leads.react(updated(name), id=event_id)
    assert await effects(leads, name) == ["North"]


async def test_every_keeps_each_event_in_any_order(leads):
    name = a_team()
    for version, said in ((2, "two"), (1, "one"), (3, "three")):
        await leads.react(updated(name, said), version=version)
    assert await effects(leads, name) == ["one", "three", "two"]


async def test_latest_ignores_an_older_version(leads):
    name = a_team()
    for version, said in ((2, "two"), (1, "one"), (2, "two again"), (3, "three")):
        await leads.react(updated(name, said), version=version)
    assert await effects(leads, name, "latest") == ["three", "two"]


async def test_latest_accepts_lower_versions_of_a_new_epoch(leads):
    """The producer's database was restored from a backup: its versions begin again below what we have seen."""
    name = a_team()
    await leads.react(updated(name, "before"), version=9, epoch=OLD)
    await leads.react(updated(name, "after"), version=3, epoch=NEW)
    await leads.react(updated(name, "late"), version=10, epoch=OLD)
    assert await effects(leads, name, "latest") == ["after", "before"]


async def test_an_event_that_fails_every_time_becomes_a_dead_letter(broker, leads):
    name, letter = await unlucky(broker, leads)
    assert (letter.type, letter.subject) == ("crm.directory.v1.TeamCreated", name)
    assert "FailedPrecondition" in letter.error
    assert letter.deliveries == consumer.MOST_DELIVERIES
    assert await effects(leads, name, "before failing") == []


async def test_the_events_after_a_dead_letter_go_on(broker, leads):
    _, _ = await unlucky(broker, leads)
    name = a_team()
    await publish(broker, updated(name))
    assert await until(lambda: effects(leads, name), "the next event is applied")


async def test_a_dead_letter_is_replayed_once_the_cause_is_mended(broker, leads):
    name, letter = await unlucky(broker, leads)
    request = chassis_pb2.ReplayDeadLetterRequest(event_id=letter.event_id)
    with pytest.raises(FailedPrecondition) as refused:
        await leads.call("EventLogService/ReplayDeadLetter", request)
    assert refused.value.metadata["reason"] == "REPLAY_FAILED"
    await leads.rows("INSERT INTO effect VALUES ('mended', '', '')")
    assert (await leads.call("EventLogService/ReplayDeadLetter", request)).HasField("settle_time")
    assert await effects(leads, name, "before failing") == ["unlucky"]
    assert await letters(leads) == []
    with pytest.raises(FailedPrecondition):
        await leads.call("EventLogService/ReplayDeadLetter", request)


async def test_a_dead_letter_is_discarded_with_its_reason(broker, leads):
    _, letter = await unlucky(broker, leads)
    request = chassis_pb2.DiscardDeadLetterRequest(event_id=letter.event_id, reason="a test team")
    settled = await leads.call("EventLogService/DiscardDeadLetter", request)
    assert (settled.discard_reason, settled.HasField("settle_time")) == ("a test team", True)
    assert await letters(leads) == []


async def test_a_dead_letter_that_is_not_there_is_not_found(leads):
    with pytest.raises(NotFound):
        await leads.call("EventLogService/ReplayDeadLetter", chassis_pb2.ReplayDeadLetterRequest(event_id=new_id()))


async def test_dead_letters_are_not_for_salespeople(leads):
    for method, request in (
        ("ListDeadLetters", chassis_pb2.ListDeadLettersRequest()),
        ("ReplayDeadLetter", chassis_pb2.ReplayDeadLetterRequest(event_id=new_id())),
        ("DiscardDeadLetter", chassis_pb2.DiscardDeadLetterRequest(event_id=new_id(), reason="x")),
    ):
        with pytest.raises(PermissionDenied):
            await leads.call(f"EventLogService/{method}", request, by="users/ana")


@pytest.mark.parametrize(
    "junk",
    [
        {"ce-type": "crm.directory.v1.Nonsense"},
        {"ce-type": "os.system"},
        {"ce-dataversion": "many"},
        {"ce-time": "yesterday"},
        {"ce-id": "no uuid"},
        {"ce-epoch": "no uuid"},
        {"ce-time": ""},
    ],
    ids=str,
)
async def test_a_junk_message_becomes_a_dead_letter_and_does_not_stop_the_stream(broker, leads, junk):
    await publish(broker, updated(a_team()), **junk)
    name = a_team()
    await publish(broker, updated(name))
    assert await until(lambda: effects(leads, name), "the event after the junk is applied")
    (letter,) = await until(lambda: letters(leads), "the junk is kept")
    assert letter.error


async def test_a_payload_that_is_no_message_becomes_a_dead_letter(broker, leads):
    client = await nats.connect(broker.nats_url)
    await client.jetstream().publish("crm.directory.v1.TeamUpdated", b"\xff\xff\xff")
    await client.close()
    (letter,) = await until(lambda: letters(leads), "the junk is kept")
    assert "not an event of the suite" in letter.error


async def test_an_event_published_again_after_nats_lost_everything_has_one_effect(broker, leads):
    """What the relay of another service does when its stream is new: the same ids once more."""
    from chassis import streams

    name = a_team()
    event_id = await publish(broker, updated(name))
    await until(lambda: effects(leads, name), "the effect is there")
    broker.clear_streams()
    await streams.make(broker.nats_url, ("leads",))
    await publish(broker, updated(name), **{"ce-id": event_id})
    other = a_team()
    await publish(broker, updated(other))
    await until(lambda: effects(leads, other), "the event after it is applied")
    assert await effects(leads, name) == ["North"]


async def test_events_wait_for_a_database_that_is_away(broker, leads):
    name = a_team()
    with broker.outage("postgres"):
        await publish(broker, updated(name))
    assert await until(lambda: _there(leads, name), "the event is applied") == ["North"]
    assert await letters(leads) == []


async def _there(leads, name: str) -> list[str]:
    from chassis.errors import DatabaseAway

    try:
        return await effects(leads, name)
    except DatabaseAway:
        return []
