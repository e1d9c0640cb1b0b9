"""Inbox: an event has its effect once; junk becomes a dead letter and the stream goes on."""

import dataclasses

import asyncpg
import nats
import pytest
from chassis.events import every, latest, on
from chassis.values import new_id
from crm.directory.v1 import events_pb2 as directory_events
from harness import definition, until
from team_events import COUNT, NEW, OLD, a_team, effects, letters, publish, updated

from chassis import consumer


@on(directory_events.TeamUpdated, keep=every)
async def count_every(event, work):
    await work.execute(COUNT, "every", event.team.name, event.team.display_name)


@on(directory_events.TeamUpdated, keep=latest)
async def keep_latest(event, work):
    await work.execute(COUNT, "latest", event.team.name, event.team.display_name)


@pytest.fixture
async def leads(broker, starting, monkeypatch):
    """A leads service with two reactions more, and a table for their effects."""
    monkeypatch.setattr(consumer, "BACKOFF_SECONDS", (0.05,))
    reactions = (count_every, keep_latest)
    running = await starting(defined=dataclasses.replace(definition("leads"), reactions=reactions))
    owner = await asyncpg.connect(running.database.owner_url)
    await owner.execute("CREATE TABLE effect (reaction text, subject text, said text)")
    await owner.close()
    return running


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
    (event_id,) = await publish(broker, updated(name))
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
