"""Watching leads: each change within reach, in order, once; what leaves is told as gone; every watch ends cleanly."""

import asyncio
import random

import grpc
import grpc.aio
import pytest
from chassis.errors import Aborted, InvalidArgument, PermissionDenied, ResourceExhausted, Unauthenticated
from chassis.identity import Caller, Reach
from chassis.values import unix_time
from crm.leads.v1 import leads_pb2, watch_pb2
from harness import Person, until
from hypothesis import given
from hypothesis import strategies as st
from lead_calls import create, log_call, read, update
from lead_watch import PATH, Watcher
from relayed import published

from chassis import feed, streams, watch_calls, watching


@pytest.fixture
async def leads(broker, starting):
    return await starting()


async def assign(leads, name, owner):
    request = leads_pb2.AssignLeadRequest(name=name, owner=owner)
    return await leads.call("LeadService/AssignLead", request, by="users/root")


async def test_a_watcher_is_told_of_each_change_with_what_get_would_say(leads):
    async with Watcher(leads, "users/ana") as ana:
        lead = await create(leads, owner="users/ana", display_name="欧阳娜娜", note="Търси пещ")
        await log_call(leads, lead.name, by="users/ana", outcome="REACHED")
        await ana.hears((lead.name, "1"), (lead.name, "2"))
        last = next(one.lead for one in reversed(ana.heard) if one.HasField("lead"))
        assert last == await read(leads, lead.name, by="users/ana")


async def test_only_what_is_in_reach_is_told_and_what_leaves_it_is_gone_without_its_data(leads):
    async with (
        Watcher(leads, "users/ana") as ana,
        Watcher(leads, "users/chen") as chen,
        Watcher(leads, "users/mira") as mira,
    ):
        lead = await create(leads, owner="users/ana", note="a secret")
        await ana.hears((lead.name, "1"))
        foreign = await create(leads, owner="users/chen")
        await assign(leads, lead.name, "users/chen")
        await update(leads, lead.name, note="another secret")
        await chen.hears((foreign.name, "1"), (lead.name, "2"), (lead.name, "3"))
        await ana.hears((lead.name, "1"), (lead.name, "gone"))
        assert ana.told == [(lead.name, "1"), (lead.name, "gone")]
        gone = next(one for one in ana.heard if one.gone)
        assert not gone.HasField("lead")
        await mira.hears((lead.name, "1"), (foreign.name, "1"), (lead.name, "2"), (lead.name, "3"))


def entry(versions, number):
    """What the feed says of a version of a lead; each version is its owner's name."""
    before = versions[number - 1] if number else None

    def lead(owner):
        return None if owner is None else leads_pb2.Lead(name="leads/x", owner=owner)

    # The entry's properties are worked out from payloads when they are first asked for; here they are given.
    one = feed.Entry(feed.Mark(number + 1), "leads/x", ("", b""), None, None)
    one.__dict__.update({"record": lead(versions[number]), "before": lead(before), "latest": lead(versions[-1])})
    return one


class Me:
    caller, reach = Caller("users/me", "users/me"), Reach.OWN


@given(st.lists(st.sampled_from(["users/me", "users/other", ""]), min_size=1, max_size=8))
def test_whoever_takes_in_what_he_is_told_has_what_he_may_see_and_never_more(versions):
    held = False
    for number in range(len(versions)):
        said = watching.told(Me, "leads", entry(versions, number))
        if said is None:
            continue
        record, gone = said
        if gone:
            assert versions[number - 1] == "users/me" != versions[number]
            held = False
        else:
            assert record.owner == "users/me" == versions[-1]
            held = True
    assert held is (versions[-1] == "users/me")


async def test_a_watcher_who_resumes_is_not_shown_what_a_lead_was_while_it_was_not_his(leads):
    async with Watcher(leads, "users/ana") as ana:
        lead = await create(leads, owner="users/ana")
        await ana.hears((lead.name, "1"))
    await update(leads, lead.name, note="written while ana was away, and still hers")
    await assign(leads, lead.name, "users/chen")
    await until(lambda: published(leads), "everything is published")
    async with Watcher(leads, "users/ana", ana.token) as again:
        await again.hears((lead.name, "gone"))
        assert again.told == [(lead.name, "gone")]


async def test_resuming_anywhere_on_any_replica_loses_nothing_and_doubles_nothing(broker, starting):
    """Two replicas of one service, four writers, and a watcher who is cut off again and again."""
    first = await starting()
    second = await starting(database=first.database)
    chance, replicas = random.Random(11), (first, second)
    expected: list[tuple[str, str]] = []

    async def write(number: int) -> None:
        service = replicas[number % 2]
        for _ in range(6):
            lead = await create(service, owner=f"users/{('ana', 'boris')[number % 2]}")
            await log_call(service, lead.name, outcome="REACHED")
            await update(service, lead.name, note=f"by {number}")
            expected.extend((lead.name, etag) for etag in "123")

    begun = Watcher(first, "users/mira")
    await begun.opened()
    await begun.leave()
    writing = asyncio.gather(*map(write, range(4)))
    told, token = list(begun.told), begun.token
    while not writing.done() or len(told) < len(expected):
        watcher = Watcher(chance.choice(replicas), "users/mira", token)
        some, missing = chance.randrange(1, 10), len(expected) - len(told)

        async def heard_some(watcher=watcher, some=some, missing=missing) -> bool:
            return len(watcher.told) >= (missing if writing.done() else some)

        await until(heard_some, "some changes are told", 60)
        await watcher.leave()
        told, token = told + watcher.told, watcher.token
    await writing
    assert sorted(told) == sorted(expected)
    for name in {name for name, _ in told}:
        assert [etag for one, etag in told if one == name] == ["1", "2", "3"]


async def test_one_reader_reads_the_log_for_everybody(leads):
    watchers = [Watcher(leads, by) for by in ("users/mira", "users/ana", "users/root") for _ in range(4)]
    for watcher in watchers:
        await watcher.opened()
    before = leads.process.context.feed.reads
    lead = await create(leads, owner="users/ana")
    for watcher in watchers:
        await watcher.hears((lead.name, "1"))
    # While everybody waited the one reader looked some times; nobody else did.
    assert leads.process.context.feed.reads - before < 12
    for watcher in watchers:
        await watcher.leave()

    async def nobody() -> bool:
        return leads.process.context.feed.watchers == leads.process._edge.watches.open.total() == 0

    await until(nobody, "nobody watches")


async def test_whoever_hears_nothing_hears_a_sign_of_life_that_moves_the_token_on(leads, monkeypatch):
    monkeypatch.setattr(watching, "HEARTBEAT_SECONDS", 0.2)
    async with Watcher(leads, "users/ana") as ana:
        await create(leads, owner="users/chen")

        async def moved_on() -> bool:
            return len(ana.heard) > 4 and ana.token != ana.heard[0].resume_token

        await until(moved_on, "signs of life, with another token")
        assert ana.told == []


@pytest.mark.parametrize("token", ["x", "AAAA", "é", "=" * 900])
async def test_a_token_that_is_not_ours_is_refused(leads, token):
    watcher = Watcher(leads, "users/ana", token)
    error = await watcher.ended()
    assert isinstance(error, InvalidArgument)
    assert "resume_token" in str(error)


async def test_a_token_of_somebody_else_or_of_another_reach_begins_no_watch(leads):
    async with Watcher(leads, "users/ana") as ana:
        token = ana.token
    assert isinstance(await Watcher(leads, "users/boris", token).ended(), Aborted)
    await leads.know(Person("users/ana", ("salesperson",), "teams/south"))
    assert isinstance(await Watcher(leads, "users/ana", token).ended(), Aborted)


@pytest.mark.parametrize(
    ("person", "error"),
    [
        (Person("users/mira", ("sales_manager",), "teams/north"), Aborted),
        (Person("users/mira", ("agent",), "teams/sales"), PermissionDenied),
        (Person("users/mira", ("sales_manager",), "teams/sales", active=False), Unauthenticated),
    ],
    ids=["another team", "another role", "gone"],
)
async def test_a_watch_ends_before_the_next_change_when_the_watchers_rights_changed(leads, person, error):
    watcher = Watcher(leads, "users/mira")
    await watcher.opened()
    lead = await create(leads, owner="users/ana")
    await watcher.hears((lead.name, "1"))
    await leads.know(person)
    await update(leads, lead.name, note="not for mira any more")
    assert isinstance(await watcher.ended(), error)
    assert watcher.told == [(lead.name, "1")]
    await watcher.leave()


async def test_somebody_without_the_permission_watches_nothing(leads):
    assert isinstance(await Watcher(leads, "users/dora").ended(), PermissionDenied)
    assert isinstance(await Watcher(leads, "users/nobody").ended(), Unauthenticated)


async def test_a_watch_ends_without_an_error_when_its_token_expires(leads, monkeypatch):
    monkeypatch.setattr(watching, "HEARTBEAT_SECONDS", 0.1)
    async with Watcher(leads, "users/ana") as ana:
        monkeypatch.setattr(leads.process._tokens, "_clock", lambda: unix_time() + 3600)
        assert await ana.ended() is None


async def test_a_watch_ends_without_an_error_after_some_minutes(leads, monkeypatch):
    monkeypatch.setattr(watching, "HEARTBEAT_SECONDS", 0.1)
    monkeypatch.setattr(watch_calls, "WATCH_SECONDS", 0.3)
    async with Watcher(leads, "users/ana") as ana:
        assert await ana.ended() is None


async def test_a_watch_ends_without_an_error_when_the_service_stops(broker, starting):
    leads = await starting()
    watcher = Watcher(leads, "users/ana")
    await watcher.opened()
    async with asyncio.timeout(4):  # the drain waits 5 s for calls that do not end
        await leads.process.drain()
    assert await watcher.ended() is None
    await watcher.leave()


async def test_one_caller_has_only_so_many_watches(leads, monkeypatch):
    monkeypatch.setattr(watch_calls, "MOST_OF_ONE", 2)
    async with Watcher(leads, "users/ana"), Watcher(leads, "users/ana") as second:
        assert isinstance(await Watcher(leads, "users/ana").ended(), ResourceExhausted)
        async with Watcher(leads, "users/boris") as boris:
            assert boris.heard
        await second.leave()
        async with Watcher(leads, "users/ana") as third:
            assert third.heard


async def test_who_does_not_read_is_dropped_and_goes_on_where_he_was(leads, monkeypatch):
    monkeypatch.setattr(watch_calls, "WRITE_SECONDS", 0.3)
    monkeypatch.setattr(watch_calls, "REFUSE_SECONDS", 0.1)
    channel = grpc.aio.insecure_channel(leads.address, options=[("grpc.http2.lookahead_bytes", 1024)])
    call = channel.unary_stream(PATH, response_deserializer=watch_pb2.WatchLeadsResponse.FromString)(
        b"", metadata=[("authorization", f"Bearer {leads.issuer.token('users/ana')}")]
    )
    first = await call.read()
    lead = await create(leads, owner="users/ana")
    number = 0

    async def dropped() -> bool:
        nonlocal number
        number += 1
        await update(leads, lead.name, note=f"{number} " + "дълго" * 1900)
        return leads.process._edge.watches.open.total() == 0

    await until(dropped, "the watch is dropped", 60)
    call.cancel()
    await channel.close()
    async with Watcher(leads, "users/ana", first.resume_token) as again:
        await again.hears((lead.name, str(number + 1)))
        assert again.told == [(lead.name, str(etag)) for etag in range(1, number + 2)]


async def test_whoever_is_further_back_than_is_kept_in_memory_reads_the_log_and_catches_up(leads, monkeypatch):
    monkeypatch.setattr(feed, "BATCH", 3)
    async with Watcher(leads, "users/ana") as ana:
        pass
    lead = await create(leads, owner="users/ana")
    for number in range(40):
        await update(leads, lead.name, note=f"{number}")
    async with Watcher(leads, "users/ana", ana.token) as again:
        await again.hears((lead.name, "40"), (lead.name, "41"))
        assert again.told == [(lead.name, str(etag)) for etag in range(1, 42)]
        await update(leads, lead.name, note="live again")
        await again.hears((lead.name, "42"))


async def test_a_watch_does_not_go_on_in_another_stream(broker, leads):
    """NATS came back with an empty folder: positions are given anew."""
    async with Watcher(leads, "users/ana") as ana:
        for _ in range(3):
            lead = await create(leads, owner="users/ana")
        await ana.hears((lead.name, "1"))
        broker.clear_streams()
        await streams.make(broker.nats_url, ("leads",))
        assert isinstance(await ana.ended(), Aborted)
    await until(lambda: published(leads, 3), "everything is published again")
    assert isinstance(await Watcher(leads, "users/ana", ana.token).ended(), Aborted)


async def test_an_event_about_a_lead_that_did_not_change_is_no_change(leads):
    """A call changes the lead; who is told of it is not told twice by the events of its clock and its cadence."""
    async with Watcher(leads, "users/ana") as ana:
        lead = await create(leads, owner="users/ana")
        request = leads_pb2.QualifyLeadRequest(name=lead.name)
        await update(leads, lead.name, company="Роза", email="ana@rosa.example", phone="+351211234567", note="x")
        await leads.call("LeadService/QualifyLead", request, by="users/ana")
        last = await update(leads, lead.name, note="the end")
        await ana.hears((lead.name, last.etag))
        assert ana.told == [(lead.name, str(etag)) for etag in range(1, int(last.etag) + 1)]
