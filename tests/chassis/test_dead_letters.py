"""Dead letters: listed in pages, replayed once the cause is mended, discarded with a reason, and all of it audited."""

import asyncio
import dataclasses
import subprocess
import sys

import asyncpg
import httpx
import msgspec
import pytest
from chassis.errors import CrmError, FailedPrecondition, InvalidFields, NotFound, PermissionDenied
from chassis.events import every, on
from chassis.values import new_id
from crm.chassis.v1 import chassis_pb2
from crm.directory.v1 import events_pb2 as directory_events
from harness import ADMIN, definition, until
from team_events import COUNT, a_team, created, discard, effects, headers_of, letters, one_letter, publish, replay

from chassis import consumer

MEND = "INSERT INTO effect VALUES ('mended', '', '')"
ENTRIES = "SELECT kind, actor, subject, details FROM audit_entry WHERE kind LIKE '%REPLAY%' OR kind = 'DISCARDED'"


@on(directory_events.TeamCreated, directory_events.TeamUpdated, keep=every)
async def refuse_the_unlucky(event, work):
    await work.execute(COUNT, "every", event.team.name, event.team.display_name)
    found = await work.context.database.fetch("SELECT 1 FROM effect WHERE reaction = 'mended'", [], work.connection)
    if event.team.display_name != "lucky" and not found:
        raise FailedPrecondition(team=event.team.name, said=event.team.display_name)


@pytest.fixture
async def leads(broker, starting, monkeypatch):
    """A leads service with a reaction that fails until somebody mends its cause, and a table for its effects."""
    monkeypatch.setattr(consumer, "BACKOFF_SECONDS", (0.02,))
    running = await starting(defined=dataclasses.replace(definition("leads"), reactions=(refuse_the_unlucky,)))
    owner = await asyncpg.connect(running.database.owner_url)
    await owner.execute("CREATE TABLE effect (reaction text, subject text, said text)")
    await owner.close()
    return running


@pytest.fixture
def crmctl(leads):
    """The real command against this service: `await crmctl("events", "dead", "leads")`."""

    def run(arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "crmctl", *arguments]
        command += ["--address", leads.address, "--token", leads.issuer.token(ADMIN)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    async def in_thread(*arguments: str) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(run, arguments)

    return in_thread


async def unlucky(broker, leads, said: str = "unlucky"):
    """An event that fails every delivery: its name and its dead letter."""
    name = a_team()
    await publish(broker, created(name, said))
    return name, await one_letter(leads)


async def storm(leads, count: int, message=None) -> list[str]:
    """Dead letters as the consumer writes them; answers their ids, oldest first."""
    ids = []
    for _ in range(count):
        event = message or created(a_team(), "unlucky")
        values = headers_of(event)
        await leads.process._inbox.bury(values, event.SerializeToString(), 6, ValueError("no"), "c" * 32)
        ids.append(values["ce-id"])
    return ids


async def audited(leads) -> list[tuple[str, str]]:
    return [(row["kind"], row["subject"]) for row in await leads.rows(f"{ENTRIES} ORDER BY id")]


async def test_an_event_that_fails_every_time_becomes_a_dead_letter(broker, leads):
    name, letter = await unlucky(broker, leads)
    assert (letter.type, letter.subject) == ("crm.directory.v1.TeamCreated", name)
    assert "FailedPrecondition" in letter.error
    assert letter.deliveries == consumer.MOST_DELIVERIES
    assert await effects(leads, name) == []


async def test_the_events_after_a_dead_letter_go_on(broker, leads):
    await unlucky(broker, leads)
    name = a_team()
    await publish(broker, created(name, "lucky"))
    assert await until(lambda: effects(leads, name), "the next event is applied")


async def test_a_dead_letter_is_replayed_once_the_cause_is_mended(broker, leads):
    name, letter = await unlucky(broker, leads)
    with pytest.raises(FailedPrecondition) as refused:
        await replay(leads, letter.event_id)
    assert refused.value.metadata["reason"] == "REPLAY_FAILED"
    await leads.rows(MEND)
    assert (await replay(leads, letter.event_id)).HasField("settle_time")
    assert await effects(leads, name) == ["unlucky"]
    assert await letters(leads) == []
    with pytest.raises(FailedPrecondition, match="ALREADY_SETTLED"):
        await replay(leads, letter.event_id)
    with pytest.raises(FailedPrecondition, match="ALREADY_SETTLED"):
        await discard(leads, letter.event_id)
    assert await audited(leads) == [("REPLAY_FAILED", name), ("REPLAYED", name)]


async def test_a_dead_letter_is_discarded_with_its_reason(broker, leads):
    name, letter = await unlucky(broker, leads)
    settled = await discard(leads, letter.event_id)
    assert (settled.discard_reason, settled.HasField("settle_time")) == ("a test team", True)
    assert await letters(leads) == []
    (entry,) = await leads.rows(ENTRIES)
    assert (entry["kind"], entry["actor"], entry["subject"]) == ("DISCARDED", ADMIN, name)
    details = msgspec.json.decode(entry["details"])
    assert (details["event"], details["reason"]) == (letter.event_id, "a test team")


async def test_a_discarded_event_has_no_effect_when_it_is_published_again(broker, leads):
    name, letter = await unlucky(broker, leads)
    await discard(leads, letter.event_id)
    await leads.rows(MEND)
    broker.clear_streams()
    from chassis import streams

    await streams.make(broker.nats_url, ("leads",))
    other = a_team()
    await publish(broker, created(name, "unlucky"), **{"ce-id": letter.event_id})
    await publish(broker, created(other, "lucky"))
    assert await until(lambda: effects(leads, other), "the event after it is applied")
    assert await effects(leads, name) == []


async def test_two_replays_at_once_have_one_effect_and_one_of_them_is_told(broker, leads):
    name, letter = await unlucky(broker, leads)
    await leads.rows(MEND)
    answers = await asyncio.gather(*(replay(leads, letter.event_id) for _ in range(8)), return_exceptions=True)
    assert [isinstance(answer, chassis_pb2.DeadLetter) for answer in answers].count(True) == 1
    assert all(isinstance(answer, (chassis_pb2.DeadLetter, FailedPrecondition)) for answer in answers)
    assert await effects(leads, name) == ["unlucky"]
    assert await audited(leads) == [("REPLAYED", name)]


async def test_of_a_replay_and_a_discard_at_once_one_wins_and_the_trail_agrees(broker, leads):
    await leads.rows(MEND)
    for event_id in await storm(leads, 10):
        both = await asyncio.gather(replay(leads, event_id), discard(leads, event_id), return_exceptions=True)
        assert any(isinstance(answer, chassis_pb2.DeadLetter) for answer in both), both
        assert all(isinstance(answer, (chassis_pb2.DeadLetter, CrmError)) for answer in both), both
    for name, kinds in (await by_subject(leads)).items():
        assert len(kinds) == 1, (name, kinds)
        assert await effects(leads, name) == (["unlucky"] if kinds == ["REPLAYED"] else [])


async def by_subject(leads) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for kind, subject in await audited(leads):
        found.setdefault(subject, []).append(kind)
    return found


async def test_a_replay_that_races_with_a_redelivery_has_one_effect(broker, leads):
    """The same event comes from the stream again while somebody replays its letter."""
    await leads.rows(MEND)
    event = created(a_team(), "unlucky")
    (event_id,) = await storm(leads, 1, event)
    await asyncio.gather(
        *(publish(broker, event, **{"ce-id": event_id}) for _ in range(3)),
        *(replay(leads, event_id) for _ in range(3)),
        return_exceptions=True,
    )
    other = a_team()
    await publish(broker, created(other, "lucky"))
    assert await until(lambda: effects(leads, other), "the event after it is applied")
    assert await effects(leads, event.team.name) == ["unlucky"]
    assert await letters(leads) == []


async def test_what_was_applied_in_the_meantime_cannot_be_discarded_only_settled(leads):
    event = created(a_team(), "lucky")
    (event_id,) = await storm(leads, 1, event)
    await leads.react(event, id=event_id)
    with pytest.raises(FailedPrecondition, match="ALREADY_APPLIED"):
        await discard(leads, event_id)
    await replay(leads, event_id)
    assert await effects(leads, event.team.name) == ["lucky"]


@pytest.mark.parametrize("act", [replay, discard])
async def test_a_dead_letter_that_is_not_there_is_not_found(leads, act):
    with pytest.raises(NotFound):
        await act(leads, new_id())
    with pytest.raises(InvalidFields):
        await act(leads, "x' OR true --")


async def test_dead_letters_are_not_for_salespeople(leads):
    for act in (replay, discard):
        with pytest.raises(PermissionDenied):
            await act(leads, new_id(), by="users/ana")
    with pytest.raises(PermissionDenied):
        await leads.call("EventLogService/ListDeadLetters", chassis_pb2.ListDeadLettersRequest(), by="users/ana")


async def test_a_storm_of_letters_is_listed_in_pages_each_once_and_by_type(leads):
    wanted = await storm(leads, 23)
    updated = directory_events.TeamUpdated()
    updated.team.name = a_team()
    await storm(leads, 2, updated)
    seen, token = [], ""
    while True:
        request = chassis_pb2.ListDeadLettersRequest(page_size=5, page_token=token, type="crm.directory.v1.TeamCreated")
        page = await leads.call("EventLogService/ListDeadLetters", request)
        seen += [letter.event_id for letter in page.dead_letters]
        token = page.next_page_token
        if not token:
            break
        if len(seen) == 10:
            await discard(leads, seen[0])  # what is settled meanwhile moves nobody
    assert seen == wanted
    assert len(await letters(leads)) == 24
    for wrong in ("garbage", token_of_another_list(page, seen)):
        with pytest.raises(InvalidFields):
            await letters(leads, page_token=wrong)


def token_of_another_list(page, seen) -> str:
    from chassis.filtering import digest, make_token

    return make_token(b"test", f"2026-01-01T00:00:00+00:00 {seen[-1]}", digest("dead letters", "another type"))


async def test_open_letters_and_failed_tries_are_counted_for_the_alarm(broker, leads):
    await unlucky(broker, leads)
    await storm(leads, 2)
    metrics = await asyncio.to_thread(lambda: httpx.get(f"http://{leads.admin_address}/metrics").text)
    assert "crm_dead_letters_open 3\n" in metrics
    assert f"crm_events_failed_total {consumer.MOST_DELIVERIES}\n" in metrics


async def test_the_command_lists_replays_and_discards(broker, leads, crmctl):
    name, letter = await unlucky(broker, leads, "un\x1b[2Jlucky\nleads has no dead letters.")
    listed = await crmctl("events", "dead", "leads")
    assert [name in listed.stdout, letter.trace_id in listed.stdout, "6 deliveries" in listed.stdout] == [True] * 3
    assert "\x1b" not in listed.stdout
    assert "\nleads has no" not in listed.stdout
    failed = await crmctl("events", "replay", "leads", letter.event_id)
    assert (failed.returncode, "failed once more" in failed.stderr) == (1, True)
    await leads.rows(MEND)
    replayed = await crmctl("events", "replay", "leads", letter.event_id)
    assert (replayed.returncode, replayed.stdout) == (0, f"leads applied crm.directory.v1.TeamCreated of {name}.\n")
    again = await crmctl("events", "replay", "leads", letter.event_id)
    assert (again.returncode, "replayed or discarded before" in again.stderr) == (1, True)
    (other,) = await storm(leads, 1)
    assert (await crmctl("events", "discard", "leads", other)).returncode == 2, "a reason is needed"
    dropped = await crmctl("events", "discard", "leads", other, "--reason", "a test")
    assert (dropped.returncode, dropped.stdout.endswith(": a test\n")) == (0, True)
    assert (await crmctl("events", "dead", "leads")).stdout == "leads has no dead letters.\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["replay", "leads", new_id()], "no such record"),
        (["replay", "leads", "'; DROP TABLE dead_letter; --"], "event_id"),
        (["replay", "leads"], "--all"),
        (["replay", "leads", new_id(), "--all"], "not both"),
        (["discard", "leads", new_id(), "--reason", "x" * 1001], "reason"),
        (["discard", "leads", "--reason", "x"], "--all"),
    ],
)
async def test_a_command_that_cannot_be_followed_says_why_in_one_sentence(crmctl, arguments, said):
    answer = await crmctl("events", *arguments)
    assert answer.returncode == 1
    assert said in answer.stderr
    assert "Traceback" not in answer.stderr


async def test_a_storm_is_replayed_by_type_with_one_command_and_failures_stop_nothing(leads, crmctl):
    await storm(leads, 30, None)
    await leads.rows(MEND)
    bad = headers_of(created(a_team())) | {"ce-time": "never"}
    await leads.process._inbox.bury(bad, b"", 1, ValueError("no"), "")
    updated = directory_events.TeamUpdated()
    updated.team.name = a_team()
    await storm(leads, 1, updated)
    answer = await crmctl("events", "replay", "leads", "--type", "crm.directory.v1.TeamCreated", "--all")
    assert answer.returncode == 1
    assert "leads applied 30 of 31 events." in answer.stdout
    assert bad["ce-id"] in answer.stderr
    assert len(await letters(leads)) == 2
    rest = await crmctl("events", "discard", "leads", "--all", "--reason", "a test")
    assert (rest.returncode, "leads discarded 2 of 2 events." in rest.stdout) == (0, True)
    assert await letters(leads) == []
