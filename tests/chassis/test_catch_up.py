"""Catching up: what the stream does not bring any more comes from the producer itself."""

import asyncio

import asyncpg
import nats
import pytest
from chassis.errors import FailedPrecondition
from chassis.events import latest, on
from chassis.service import Service
from chassis.values import new_id
from crm.chassis.v1 import chassis_pb2
from crm.directory.v1 import directory_pb2
from crm.directory.v1 import events_pb2 as directory_events
from harness import definition, until


@pytest.fixture
async def directory(broker, starting, monkeypatch):
    """A directory that leads can ask."""
    running = await starting("directory")
    monkeypatch.setenv("UPSTREAM_DIRECTORY", running.address)
    return running


@pytest.fixture
def leads_starts(starting, token_endpoint):
    """Starts leads as a client that can identify itself to directory."""

    async def one(**given):
        return await starting(oidc_token_url=token_endpoint.url, client_secret="secret", **given)

    return one


async def make_team(directory, said: str) -> str:
    request = directory_pb2.CreateTeamRequest(team=directory_pb2.Team(display_name=said), team_id=f"t-{new_id()}")
    return (await directory.call("DirectoryService/CreateTeam", request)).name


async def knows(leads, team: str) -> bool:
    return bool(await leads.rows("SELECT 1 FROM team WHERE name = $1", team))


async def acknowledged(broker, position: int) -> bool:
    client = await nats.connect(broker.nats_url)
    try:
        info = await client.jetstream().consumer_info("crm-directory", "leads")
        return info.ack_floor.stream_seq >= position
    finally:
        await client.close()


async def marked(leads) -> int:
    rows = await leads.rows("SELECT position FROM inbox_mark WHERE producer = 'directory'")
    return rows[0]["position"] if rows else 0


async def restored(broker, leads_starts, directory):
    """Leads on a copy of its database that was taken before the second of two teams was made; and that team."""
    leads = await leads_starts()
    first = await make_team(directory, "first")
    await until(lambda: knows(leads, first), "leads knows the first team")
    await leads.stop()
    earlier = await asyncio.to_thread(broker.create_database, "leads", leads.database)
    leads = await leads_starts(database=leads.database)
    second = await make_team(directory, "second")
    await until(lambda: knows(leads, second), "leads knows the second team")
    position = await marked(leads)
    await until(lambda: acknowledged(broker, position), "the second team is acknowledged")
    await leads.stop()
    return earlier, second


@pytest.mark.parametrize("epoch_minted", [True, False])
async def test_a_restored_database_gets_what_was_acknowledged_for_it(broker, leads_starts, directory, epoch_minted):
    earlier, team = await restored(broker, leads_starts, directory)
    if epoch_minted:
        owner = await asyncpg.connect(earlier.owner_url)
        await owner.execute("INSERT INTO epoch (id) VALUES ($1::uuid)", new_id())
        await owner.close()
    leads = await leads_starts(database=earlier)
    assert await until(lambda: knows(leads, team), "leads knows the second team again")


async def test_what_was_read_from_the_producer_has_one_effect(broker, leads_starts, directory):
    earlier, team = await restored(broker, leads_starts, directory)
    leads = await leads_starts(database=earlier)
    await until(lambda: knows(leads, team), "leads knows the second team again")
    third = await make_team(directory, "third")
    await until(lambda: knows(leads, third), "the stream goes on")
    rows = await leads.rows("SELECT count(*) AS all, count(DISTINCT event_id) AS events FROM inbox")
    assert rows[0]["all"] == rows[0]["events"]


async def test_a_new_service_gets_what_has_expired_from_the_stream(broker, leads_starts, directory):
    team = await make_team(directory, "older than the stream")

    async def told():
        return not await directory.rows("SELECT 1 FROM outbox WHERE position IS NULL")

    await until(told, "the event is published")
    client = await nats.connect(broker.nats_url)
    await client.jetstream().purge_stream("crm-directory")
    await client.close()
    leads = await leads_starts()
    assert await until(lambda: knows(leads, team), "leads knows the team")


async def test_a_service_that_missed_nothing_asks_nobody(broker, leads_starts, directory):
    leads = await leads_starts()
    team = await make_team(directory, "seen")
    await until(lambda: knows(leads, team), "leads knows the team")
    await leads.stop()
    before = directory.process._edge.calls.copy()
    leads = await leads_starts(database=leads.database)
    next_team = await make_team(directory, "next")
    await until(lambda: knows(leads, next_team), "leads goes on")
    asked = {method for method, _ in directory.process._edge.calls.keys() - before.keys()}
    assert "crm.chassis.v1.EventLogService/ReadEvents" not in asked


@on(directory_events.TeamCreated, keep=latest)
async def refuse(event, work):
    raise FailedPrecondition(team=event.team.name)


async def test_what_fails_while_catching_up_becomes_a_dead_letter(broker, leads_starts, directory):
    earlier, team = await restored(broker, leads_starts, directory)
    known = definition("leads")
    failing = Service(known.name, known.rpcs, known.tables, (refuse,), known.sagas)
    leads = await leads_starts(database=earlier, defined=failing)

    async def buried():
        answer = await leads.call("EventLogService/ListDeadLetters", chassis_pb2.ListDeadLettersRequest())
        return [letter for letter in answer.dead_letters if letter.subject == team]

    letters = await until(buried, "the second team is a dead letter")
    assert "FailedPrecondition" in letters[0].error
