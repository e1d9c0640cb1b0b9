"""Poison: what a reaction cannot digest is tried in bounds, then kept aside; everything else goes on meanwhile."""

import asyncio
import dataclasses
import os
import sys
import time
from itertools import pairwise

import asyncpg
import nats
import pytest
from chassis.events import every, latest, on
from crm.directory.v1 import events_pb2 as directory_events
from harness import ISSUER, definition, until
from opentelemetry.sdk.trace import TracerProvider
from team_events import (
    COUNT,
    a_team,
    created,
    effects,
    headers_of,
    letters,
    one_letter,
    publish,
    replay,
    updated,
)

from chassis import consumer, inbox, streams, telemetry

PAUSES = (0.1, 0.2, 0.4, 0.6, 0.8)
tried: list[tuple[str, float, str]] = []  # what a reaction was given, when, in which trace


@on(directory_events.TeamUpdated, keep=every)
async def count_every(event, work):
    await work.execute(COUNT, "every", event.team.name, event.team.display_name)


@on(directory_events.TeamUpdated, keep=latest)
async def keep_latest(event, work):
    await work.execute(COUNT, "latest", event.team.name, event.team.display_name)


@on(directory_events.TeamUpdated, directory_events.TeamCreated, keep=every)
async def suffer(event, work):
    """What the display name says."""
    said = event.team.display_name
    if said in ("hangs", "breaks", "reads a file", "slips", "says much"):
        tried.append((event.team.name, time.monotonic(), telemetry.trace_id()))
    if said == "breaks" and not await work.context.database.fetch("SELECT 1 FROM effect WHERE reaction = 'mended'", []):
        raise ValueError(f"no such \0 \ud800 thing about {event.team.name}")
    if said == "reads a file":
        open("/nonexistent")  # noqa: ASYNC230, SIM115 - an OSError that is not the database's
    if said == "slips":
        await work.context.database.fetch("SELECT 1", ["too many arguments"], work.connection)
    if said == "says much":
        raise ValueError("x" * 100_000)
    if said == "hangs":
        await asyncio.get_running_loop().create_future()


@pytest.fixture
async def leads(broker, starting, monkeypatch):
    """A leads service with three reactions more, and a table for their effects."""
    monkeypatch.setattr(consumer, "BACKOFF_SECONDS", PAUSES)
    monkeypatch.setattr(telemetry, "_tracer", TracerProvider().get_tracer("crm"))
    tried.clear()
    reactions = (count_every, keep_latest, suffer)
    running = await starting(defined=dataclasses.replace(definition("leads"), reactions=reactions))
    await make_effects(running.database.owner_url)
    return running


async def make_effects(owner_url: str) -> None:
    owner = await asyncpg.connect(owner_url)
    await owner.execute("CREATE TABLE effect (reaction text, subject text, said text)")
    await owner.close()


async def test_what_always_fails_is_tried_six_times_with_growing_pauses(broker, leads):
    name = a_team()
    await publish(broker, created(name, "breaks"))
    letter = await one_letter(leads)
    assert [tried_name for tried_name, _, _ in tried] == [name] * consumer.MOST_DELIVERIES
    assert letter.deliveries == consumer.MOST_DELIVERIES
    waited = [later - earlier for (_, earlier, _), (_, later, _) in pairwise(tried)]
    assert all(wait >= pause * 0.95 for wait, pause in zip(waited, PAUSES, strict=True)), waited
    assert waited == sorted(waited), waited


async def test_a_dead_letter_names_the_error_and_the_trace_of_the_last_try(broker, leads):
    name = a_team()
    await publish(broker, created(name, "breaks"))
    letter = await one_letter(leads)
    assert letter.error == f"ValueError: no such \ufffd ? thing about {name}"
    assert letter.trace_id == tried[-1][2]
    assert len({trace for _, _, trace in tried}) == consumer.MOST_DELIVERIES
    assert all(trace != "a" * 32 for _, _, trace in tried), "the reaction is a trace of its own"


async def test_a_long_error_is_kept_in_part(broker, leads):
    await publish(broker, created(a_team(), "says much"))
    assert len((await one_letter(leads)).error) == 2000


async def test_one_bad_event_in_a_run_costs_the_others_nothing(broker, leads):
    names = [a_team() for _ in range(consumer.RUN)]
    await publish(broker, *(updated(name, "breaks" if number == 7 else "fine") for number, name in enumerate(names)))
    for number, name in enumerate(names):
        if number != 7:
            assert await until(lambda name=name: effects(leads, name), "it is applied") == ["fine"]
    assert await letters(leads) == [], "the others were applied before the bad one was given up"
    letter = await one_letter(leads)
    assert (letter.subject, await effects(leads, names[7])) == (names[7], [])


async def test_later_events_of_the_same_record_are_applied_meanwhile_and_a_replay_does_not_undo_them(broker, leads):
    name = a_team()
    await publish(broker, updated(name, "breaks"), **{"ce-dataversion": "1"})
    await publish(broker, updated(name, "second"), **{"ce-dataversion": "2"})
    await publish(broker, updated(name, "third"), **{"ce-dataversion": "3"})
    assert await until(lambda: both(leads, name), "both later events are applied") == ["second", "third"]
    letter = await one_letter(leads)
    await leads.rows("INSERT INTO effect VALUES ('mended', '', '')")
    await replay(leads, letter.event_id)
    assert await effects(leads, name) == ["breaks", "second", "third"], "a fact that comes late is a fact"
    kept = await effects(leads, name, "latest")  # of events that come together the latest only
    assert kept[-1] == "third", "an older snapshot is not the latest"
    assert "breaks" not in kept


async def both(leads, name: str) -> list[str]:
    found = await effects(leads, name)
    return found if len(found) == 2 else []


async def test_a_reaction_that_hangs_is_ended_and_becomes_a_dead_letter(broker, leads, monkeypatch):
    monkeypatch.setattr(inbox, "APPLY_SECONDS", 1.0)
    name, other = a_team(), a_team()
    await publish(broker, updated(name, "hangs"), updated(other))
    assert await until(lambda: effects(leads, other), "the next event is applied")
    letter = await one_letter(leads)
    assert letter.error.startswith("ReactionTooLate: ")
    assert len([1 for tried_name, _, _ in tried if tried_name == name]) >= consumer.MOST_DELIVERIES


@pytest.mark.parametrize("said", ["reads a file", "slips"])
async def test_an_error_like_that_of_a_lost_database_is_still_the_reactions_own(broker, leads, said):
    """Both are of the classes by which a lost connection is known; the server is there, so nobody waits for it."""
    name, other = a_team(), a_team()
    await publish(broker, created(name, said), updated(other))
    assert await until(lambda: effects(leads, other), "the next event is applied")
    assert (await one_letter(leads)).subject == name


async def test_a_database_that_is_away_counts_against_no_event(broker, leads):
    name = a_team()
    await publish(broker, created(name, "breaks"))
    await until(lambda: _true(len(tried) >= 2), "it failed twice")
    before = len(tried)
    with broker.outage("postgres"):
        await asyncio.to_thread(time.sleep, 2.5)
        during = len(tried) - before
    letter = await one_letter(leads)
    assert during <= 1
    assert letter.deliveries == consumer.MOST_DELIVERIES
    # One that the outage interrupted is tried again, beside those that count.
    assert consumer.MOST_DELIVERIES <= len(tried) <= consumer.MOST_DELIVERIES + 1 + during


async def _true(fact: bool) -> bool:
    return fact


async def test_a_letter_that_cannot_be_stored_is_stored_later(broker, leads, monkeypatch):
    monkeypatch.setattr(consumer, "BACKOFF_SECONDS", (0.05,))
    owner = await asyncpg.connect(leads.database.owner_url)
    await owner.execute("ALTER TABLE dead_letter RENAME TO gone")
    await publish(broker, updated(a_team()), **{"ce-type": "crm.directory.v1.Nonsense"})
    name = a_team()
    await publish(broker, updated(name))
    assert await until(lambda: effects(leads, name), "the next event is applied")
    await owner.execute("ALTER TABLE gone RENAME TO dead_letter")
    await owner.close()
    assert (await one_letter(leads)).error


@pytest.mark.parametrize(
    "junk",
    [
        {"ce-type": "crm.directory.v1.TeamCreated"},  # on the subject of another event
        {"ce-type": "crm.leads.v1.LeadConverted"},
        {"ce-actor": "a\0b", "ce-time": ""},
        {"ce-dataversion": "9" * 30},
        {"ce-time": "2026-01-01"},
        {"ce-recordedtime": "9999999-01-01"},
    ],
    ids=str,
)
async def test_a_message_that_is_not_what_it_says_is_kept_and_stops_nothing(broker, leads, junk, monkeypatch):
    monkeypatch.setattr(consumer, "BACKOFF_SECONDS", (0.02,))
    name, other = a_team(), a_team()
    await publish(broker, updated(name), **junk)
    await publish(broker, updated(other))
    assert await until(lambda: effects(leads, other), "the event after the junk is applied")
    if junk.get("ce-time"):
        return  # a time without its zone is read as it stands
    letter = await one_letter(leads)
    assert letter.error
    assert await effects(leads, name) == []


@pytest.mark.parametrize("headers", [None, b"ce-id: \xff\xfe\r\n", b"no header at all\r\n"], ids=str)
async def test_a_message_without_readable_headers_is_kept_and_stops_nothing(broker, leads, headers):
    client = await nats.connect(broker.nats_url)
    payload, subject = b"junk", "crm.directory.v1.TeamUpdated"
    if headers is None:
        await client.jetstream().publish(subject, payload)
    else:
        head = b"NATS/1.0\r\n" + headers + b"\r\n"
        size = f"{len(head)} {len(head) + len(payload)}".encode()
        await client._send_command(b"HPUB " + subject.encode() + b" " + size + b"\r\n" + head + payload + b"\r\n")
        await client.flush()
    await client.close()
    other = a_team()
    await publish(broker, updated(other))
    assert await until(lambda: effects(leads, other), "the event after it is applied")
    assert (await one_letter(leads)).type == subject


async def test_an_id_in_capitals_is_the_same_event(broker, leads):
    name, (event_id,) = a_team(), [headers_of(updated(a_team()))["ce-id"]]
    await publish(broker, updated(name), **{"ce-id": event_id.upper()})
    await publish(broker, updated(name), **{"ce-id": event_id})
    other = a_team()
    await publish(broker, updated(other))
    assert await until(lambda: effects(leads, other), "the event after both is applied")
    assert await effects(leads, name) == ["North"]


DYING = """
import dataclasses, os, signal, sys
sys.path[:0] = [{tests!r}, {tests!r} + "/chassis"]
from chassis import streams
from chassis.service import run
from harness import definition
from test_poison import count_every
from crm.directory.v1 import events_pb2
from chassis.events import every, on

@on(events_pb2.TeamUpdated, keep=every)
async def die(event, work):
    if event.team.display_name == "kills":
        with open(os.environ["DEATHS"], "a") as deaths:
            print(os.getpid(), file=deaths)
        os.kill(os.getpid(), signal.SIGKILL)

run(dataclasses.replace(definition("leads"), reactions=(count_every, die)))
"""


@pytest.mark.timeout(120)
async def test_an_event_that_kills_its_process_is_given_up_and_takes_no_other_along(
    own_backend, issuer, starting, monkeypatch, tmp_path
):
    monkeypatch.setattr(streams, "ACK_SECONDS", 0.5)  # as if each restart took longer than the acknowledgement may
    own_backend.clear_streams()
    await streams.make(own_backend.nats_url, ("leads",))
    witness = await starting()  # for its database and its port; its own consumers stop here
    for one in witness.process._consumers:
        one.stop()
    await make_effects(witness.database.owner_url)
    names = [a_team() for _ in range(12)]
    await publish(own_backend, *(updated(name, "kills" if n == 4 else "fine") for n, name in enumerate(names)))
    innocent = [name for n, name in enumerate(names) if n != 4]
    deaths, process = tmp_path / "deaths", None
    try:
        async with asyncio.timeout(90):
            while not (await all_there(witness, innocent) and len(await letters(witness)) == 1):
                if process is None or process.returncode is not None:
                    process = await dying(own_backend, issuer, witness, deaths)
                await asyncio.sleep(0.05)
            (letter,) = await letters(witness)
    finally:
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()
    assert letter.subject == names[4]
    assert "NeverEnded" in letter.error
    assert len(deaths.read_text().split()) <= consumer.MOST_DELIVERIES
    assert [await effects(witness, name) for name in innocent] == [["fine"]] * len(innocent)


async def all_there(witness, names: list[str]) -> bool:
    return all([await effects(witness, name) for name in names])


async def dying(backend, issuer, witness, deaths) -> asyncio.subprocess.Process:
    """A process of leads on the witness's database, which some events kill."""
    from chassis.stack.ports import free_ports

    grpc_port, admin_port = free_ports(2)
    env = os.environ | {
        "DATABASE_URL": witness.database.url,
        "NATS_URL": backend.nats_url_for("leads"),
        "GRPC_ADDRESS": f"127.0.0.1:{grpc_port}",
        "ADMIN_ADDRESS": f"127.0.0.1:{admin_port}",
        "OIDC_ISSUER": ISSUER,
        "OIDC_JWKS_URL": issuer.jwks_url,
        "PAGE_TOKEN_KEY": "test",
        "DEATHS": str(deaths),
        "LOG_LEVEL": "ERROR",
    }
    tests = os.path.dirname(os.path.dirname(__file__))
    return await asyncio.create_subprocess_exec(sys.executable, "-c", DYING.format(tests=tests), env=env)
