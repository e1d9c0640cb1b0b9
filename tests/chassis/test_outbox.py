"""Outbox and relay: what was written is told, each row at least once, whatever happens to the broker."""

import asyncio
import re

import asyncpg
import nats
import pytest
from chassis.events import decode
from chassis.sealing import WAIT_FOR_TURN
from chassis.unattended import unattended
from chassis.work import Work
from crm.leads.v1 import events_pb2, leads_pb2
from harness import until
from lead_calls import create, log_call
from leads.domain.lead import Lead
from relayed import on_the_stream, published

from chassis import outbox, streams

HEADERS = {
    "Nats-Msg-Id", "ce-id", "ce-type", "ce-subject", "ce-dataversion", "ce-correlationid", "ce-actor", "ce-time",
    "ce-recordedtime", "ce-origin", "ce-operation", "ce-elapsedus", "ce-specversion", "ce-source", "ce-partitionkey",
    "ce-epoch", "content-type",
}  # fmt: skip


async def test_an_event_reaches_the_stream_with_all_its_headers(broker, starting):
    leads = await starting()
    lead = await create(leads, by="users/root")
    await until(lambda: published(leads, 1), "the event is published")
    (message,) = await on_the_stream(broker)
    assert message.subject == "crm.leads.v1.LeadCreated"
    assert set(message.headers) >= HEADERS
    assert message.headers["Nats-Msg-Id"] == message.headers["ce-id"]
    event = decode(message.headers, message.data, message.seq)
    assert (event.subject, event.version, event.service) == (lead.name, 1, "leads")
    assert (event.actor, event.journey_id, event.operation) == (
        "users/root",
        lead.journey_id,
        "crm.leads.v1.LeadService/CreateLead",
    )
    assert event.message == events_pb2.LeadCreated(lead=lead, event_time=lead.contact_time)
    rows = await leads.rows("SELECT id, position FROM outbox")
    assert [(str(row["id"]), row["position"]) for row in rows] == [(event.id, message.seq)]


async def test_the_epoch_is_the_databases(broker, starting):
    leads = await starting()
    await create(leads)
    await until(lambda: published(leads, 1), "the event is published")
    (message,) = await on_the_stream(broker)
    assert message.headers["ce-epoch"] == str((await leads.rows("SELECT id FROM epoch"))[0]["id"])


async def test_events_of_one_record_are_told_in_their_order(broker, starting):
    leads = await starting()
    lead = await create(leads)
    for _ in range(5):
        await log_call(leads, lead.name)
    await until(lambda: published(leads, 6), "all are published")
    versions = [int(message.headers["ce-dataversion"]) for message in await on_the_stream(broker)]
    assert versions == [1, 2, 3, 4, 5, 6]


async def test_a_turn_that_another_replica_has_is_taken_soon_after(broker, starting, monkeypatch):
    monkeypatch.setattr(outbox, "POLL_SECONDS", 60.0)
    leads = await starting()
    other = await asyncpg.connect(leads.database.owner_url)
    try:
        async with other.transaction():
            await other.execute(WAIT_FOR_TURN)
            await create(leads)
            relay_tried = "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_try_advisory_xact_lock%'"
            await until(lambda: leads.rows(relay_tried), "the relay has tried")
            assert not await published(leads, 1)
        await until(lambda: published(leads, 1), "the event is published")
    finally:
        await other.close()


async def test_without_nats_writes_succeed_and_their_events_follow(broker, starting):
    leads = await starting()
    before = await create(leads)
    await until(lambda: published(leads, 1), "the first event is published")
    with broker.outage("nats"):
        during = [await create(leads) for _ in range(3)]
        assert not await leads.process.missing()
        waiting = await leads.rows("SELECT count(*) FROM outbox WHERE position IS NULL")
        assert waiting[0][0] == 3
    await until(lambda: published(leads, 4), "the events follow")
    subjects = [message.headers["ce-subject"] for message in await on_the_stream(broker)]
    assert sorted(subjects) == sorted(lead.name for lead in [before, *during])


async def test_a_service_started_without_nats_serves_and_tells_later(broker, starting):
    with broker.outage("nats"):
        leads = await starting()
        await create(leads)
    assert await until(lambda: published(leads, 1), "the event follows")


async def test_an_empty_nats_gets_everything_again(broker, starting):
    leads = await starting()
    names = [(await create(leads)).name for _ in range(3)]
    await until(lambda: published(leads, 3), "the events are published")
    broker.clear_streams()
    await streams.make(broker.nats_url, ("leads",))
    names.append((await create(leads)).name)

    async def all_there():
        return {message.headers["ce-subject"] for message in await on_the_stream(broker)} == set(names)

    assert await until(all_there, "all four events are on the new stream")
    await until(lambda: published(leads, 4), "all rows are marked again")
    positions = await leads.rows("SELECT position, id FROM outbox ORDER BY position")
    ids = {message.headers["ce-id"]: message.seq for message in await on_the_stream(broker)}
    assert {str(row["id"]) for row in positions} == set(ids)


async def test_a_stream_that_lost_its_end_gets_it_again(broker, starting):
    leads = await starting()
    names = [(await create(leads)).name for _ in range(4)]
    await until(lambda: published(leads, 4), "the events are published")
    await leads.rows("UPDATE relay_mark SET last_position = 99")
    await leads.rows("UPDATE outbox SET position = position + 95 WHERE position > 2")  # acknowledged, and then lost

    async def marked_again():
        return (await leads.rows("SELECT max(position) AS last FROM outbox"))[0]["last"] < 99

    assert await until(marked_again, "the relay noticed that the stream is shorter")
    await until(lambda: published(leads, 4), "all rows are marked")
    assert {message.headers["ce-subject"] for message in await on_the_stream(broker)} == set(names)


async def test_two_replicas_tell_each_event_once(broker, starting):
    one = await starting()
    other = await starting(database=one.database)
    await asyncio.gather(*(create(running) for running in (one, other) for _ in range(20)))
    await until(lambda: published(one, 40), "all are published")
    ids = [message.headers["ce-id"] for message in await on_the_stream(broker)]
    assert len(ids) == len(set(ids)) == 40


async def test_the_events_of_a_burst_are_all_told(broker, starting):
    from crm.leads.v1 import leads_pb2

    leads = await starting()
    rows = [leads_pb2.Lead(display_name=f"{number}") for number in range(700)]
    await leads.call("LeadService/ImportLeads", leads_pb2.ImportLeadsRequest(leads=rows))
    await until(lambda: published(leads, 700), "all are published")
    client = await nats.connect(broker.nats_url)
    assert (await client.jetstream().stream_info("crm-leads")).state.messages == 700
    await client.close()


async def test_the_log_is_read_in_the_order_of_the_stream(broker, starting):
    from crm.chassis.v1 import chassis_pb2

    leads = await starting()
    for _ in range(5):
        await create(leads)
    await until(lambda: published(leads, 5), "all are published")
    after, seen = 0, []
    while True:
        request = chassis_pb2.ReadEventsRequest(after=after, limit=2)
        answer = await leads.call("EventLogService/ReadEvents", request)
        seen += [event.position for event in answer.events]
        if len(answer.events) < 2:
            break
        after = seen[-1]
    assert seen == sorted(set(seen))
    assert len(seen) == 5
    event = decode(dict(answer.events[0].headers), answer.events[0].payload)
    assert re.fullmatch(r"leads/[0-9a-f-]{36}", event.subject)


async def test_the_log_is_not_for_salespeople(leads):
    from chassis.errors import PermissionDenied
    from crm.chassis.v1 import chassis_pb2

    with pytest.raises(PermissionDenied):
        await leads.call("EventLogService/ReadEvents", chassis_pb2.ReadEventsRequest(), by="users/ana")


async def test_numbers_given_twice_are_noticed_before_rows_are_marked(broker, starting):
    leads = await starting()
    names = [(await create(leads)).name for _ in range(4)]
    await until(lambda: published(leads, 4), "the events are published")
    # The stream is known for some seconds more: only the numbers of the next events tell that it lost its end.
    await leads.rows("UPDATE relay_mark SET last_position = 9")
    await leads.rows("UPDATE outbox SET position = position + 3 WHERE position > 2")
    names += [(await create(leads)).name for _ in range(3)]

    async def all_where_they_say():
        rows = await leads.rows("SELECT id::text AS id, position FROM outbox")
        stream = {message.headers["ce-id"]: message.seq for message in await on_the_stream(broker)}
        return len(rows) == 7 and all(stream.get(row["id"]) == row["position"] for row in rows)

    assert await until(all_where_they_say, "each row bears the number that its event has on the stream")
    assert {message.headers["ce-subject"] for message in await on_the_stream(broker)} == set(names)


async def test_what_the_stream_has_already_keeps_its_number_and_holds_nothing_up(broker, starting, monkeypatch):
    """After NATS came back empty, an event reaches the new stream before anybody noticed, and is not heard to have. It
    has the first number, and its turn comes last."""
    monkeypatch.setattr(outbox, "BATCH", 2)
    leads = await starting()
    for _ in range(5):
        await create(leads)
    await until(lambda: published(leads, 5), "all are published")
    told = await on_the_stream(broker)
    client = await nats.connect(broker.nats_url)
    try:
        await client.jetstream().delete_stream("crm-leads")
        await streams.make(broker.nats_url, ("leads",))
        last = told[-1]
        await client.jetstream().publish(last.subject, last.data, headers=last.headers)
    finally:
        await client.close()
    await create(leads)

    async def told_again() -> bool:
        return len(await on_the_stream(broker)) == 6 and await published(leads, 6)

    await until(told_again, "each event is in the new stream once")
    rows = await leads.rows("SELECT id::text AS id, position FROM outbox ORDER BY position")
    there = {message.seq: message.headers["ce-id"] for message in await on_the_stream(broker)}
    assert {row["position"]: row["id"] for row in rows} == there
    assert there[1] == last.headers["ce-id"]


async def looks(leads) -> tuple[int, int]:
    """How often the relay looked for events, and how many it published."""
    counts = dict(line.rsplit(" ", 1) for line in (await leads.process.metrics()).splitlines())
    return int(counts["crm_outbox_looked_total"]), int(counts["crm_outbox_published_total"])


async def test_reading_gives_the_relay_nothing_to_do(broker, starting):
    leads = await starting()
    lead = await create(leads)
    await until(lambda: published(leads, 1), "the event is published")
    before, told = await looks(leads)
    assert told == 1
    for _ in range(100):
        await leads.call("LeadService/GetLead", leads_pb2.GetLeadRequest(name=lead.name))
    after, _ = await looks(leads)
    assert after - before <= 3, "it looks once a second by itself"


async def test_writing_wakes_the_relay_before_it_would_look_by_itself(broker, starting, monkeypatch):
    monkeypatch.setattr(outbox, "POLL_SECONDS", 60.0)
    leads = await starting()
    lead = await create(leads)
    for number in range(1, 4):
        await until(lambda number=number: published(leads, number), "the event is published", seconds=5)
        await log_call(leads, lead.name)


async def test_what_nobody_asked_for_leaves_at_once_too(broker, starting, monkeypatch):
    monkeypatch.setattr(outbox, "POLL_SECONDS", 60.0)
    leads = await starting()
    lead = await create(leads)
    await until(lambda: published(leads, 1), "the first event is published", seconds=5)

    async def archive(work: Work) -> None:
        work.emit((await work.get(Lead, lead.name)).archive(work.now))

    await unattended(leads.process.context, "tidying up", archive)
    await until(lambda: published(leads, 2), "the event of the chore is published", seconds=5)
