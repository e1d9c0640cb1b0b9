"""Timers: once, at their moment, whatever restarts or fails in between."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from chassis.errors import FailedPrecondition
from chassis.identity import service_caller
from chassis.timers import Timer, Timers
from chassis.work import Work
from harness import definition, start, until

KEYS = "SELECT key FROM timer WHERE kind = $1 ORDER BY key"


class Rang:
    """A kind of timer that writes down that it rang, in the transaction in which it does."""

    def __init__(self, kind="rings"):
        self.kind, self.tries, self.fails, self.pause = kind, [], 0, asyncio.Event()
        self.pause.set()
        self.rings = asyncio.Event()

    async def fire(self, due, work: Work):
        self.tries.append(due)
        await work.execute("INSERT INTO rang (key, due_time) VALUES ($1::text, $2::timestamptz)", due.key, due.due_time)
        self.rings.set()
        await self.pause.wait()
        if self.fails:
            self.fails -= 1
            raise FailedPrecondition(key=due.key)

    @property
    def timer(self):
        return Timer(self.kind, self.fire)


@pytest.fixture
async def leads(starting):
    running = await starting()
    owner = await asyncpg.connect(running.database.owner_url)
    await owner.execute("CREATE TABLE rang (key text, due_time timestamptz)")
    await owner.close()
    return running


def now():
    return datetime.now(UTC)


async def do(leads, step):
    """A unit of work of the service itself."""
    context = leads.process.context
    async with context.database.transaction() as connection:
        work = Work(context, service_caller("leads"), connection=connection)
        await step(work)
        work.prepare()
        await work.commit()


async def set_timer(leads, key="one", seconds=0.0, kind="rings", **data):
    due = now() + timedelta(seconds=seconds)
    await do(leads, lambda work: work.set_timer(kind, key, due, data))
    return due


async def rings(leads):
    return [row["key"] for row in await leads.rows("SELECT key FROM rang ORDER BY due_time, key")]


def timers(leads, *kinds):
    return Timers(leads.process.context, [kind.timer for kind in kinds])


async def fire_all(running):
    count = 0
    while await running.fire_next():
        count += 1
    return count


async def test_a_timer_rings_once_with_its_moment_and_what_was_left_with_it(leads):
    rang = Rang()
    due = await set_timer(leads, lead="leads/x")
    assert await fire_all(timers(leads, rang)) == 1
    (only,) = rang.tries
    assert (only.key, only.due_time, only.data) == ("one", due, {"lead": "leads/x"})
    assert await rings(leads) == ["one"]
    assert await leads.rows(KEYS, "rings") == []


async def test_a_timer_does_not_ring_before_its_moment(leads):
    await set_timer(leads, seconds=60)
    assert await fire_all(timers(leads, Rang())) == 0


async def test_setting_a_timer_again_moves_it(leads):
    await set_timer(leads)
    await set_timer(leads, seconds=60)
    assert await fire_all(timers(leads, Rang())) == 0


async def test_a_timer_that_was_taken_back_does_not_ring(leads):
    await set_timer(leads)
    await do(leads, lambda work: work.cancel_timer("rings", "one"))
    assert await fire_all(timers(leads, Rang())) == 0


async def test_timers_ring_in_the_order_of_their_moments(leads):
    for key, seconds in (("b", -10), ("c", -5), ("a", -20)):
        await set_timer(leads, key, seconds)
    rang = Rang()
    await fire_all(timers(leads, rang))
    assert [due.key for due in rang.tries] == ["a", "b", "c"]


async def test_a_timer_set_by_a_change_that_fails_was_never_set(leads):
    async def fail(work):
        await work.set_timer("rings", "one", now())
        await work.execute("SELECT 1 / 0")

    with pytest.raises(Exception, match="division by zero"):
        await do(leads, fail)
    assert await leads.rows(KEYS, "rings") == []


async def test_one_that_fails_leaves_nothing_lets_the_others_pass_and_is_tried_again(leads):
    rang = Rang()
    rang.fails = 1
    await set_timer(leads, "bad", -10)
    await set_timer(leads, "good")
    running = timers(leads, rang)
    await fire_all(running)
    assert await rings(leads) == ["good"]
    row = (await leads.rows("SELECT attempts, error, due_time FROM timer WHERE key = 'bad'"))[0]
    assert (row["attempts"], row["error"][:19]) == (1, "FailedPrecondition:")

    async def both():
        await running.fire_next()
        return await rings(leads) == ["bad", "good"]

    await until(both, "the one that failed rings")
    assert rang.tries[-1].due_time == row["due_time"]  # its own moment: nothing drifts


async def test_two_replicas_share_timers_and_none_rings_twice(leads):
    one, other = Rang(), Rang()
    for number in range(40):
        await set_timer(leads, f"{number:02}")
    counts = await asyncio.gather(*(fire_all(timers(leads, rang)) for rang in (one, other)))
    assert sum(counts) == 40
    assert await rings(leads) == sorted(f"{number:02}" for number in range(40))


async def test_a_process_that_dies_while_a_timer_rings_leaves_it_to_the_next(leads):
    dying, next_one = Rang(), Rang()
    dying.pause.clear()
    await set_timer(leads)
    task = asyncio.create_task(timers(leads, dying).fire_next())
    await asyncio.wait_for(dying.rings.wait(), 10)
    assert await fire_all(timers(leads, next_one)) == 0  # it is in the other one's hands
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await fire_all(timers(leads, next_one)) == 1
    assert await rings(leads) == ["one"]


async def test_kinds_of_a_later_release_wait_for_it(leads):
    await set_timer(leads, kind="unknown_here")
    assert await fire_all(timers(leads, Rang())) == 0
    assert len(await leads.rows(KEYS, "unknown_here")) == 1


async def test_a_running_service_rings_within_a_second_also_after_a_restart(leads, issuer, own_backend):
    rang = Rang()
    defined = replace(definition("leads"), timers=[rang.timer])
    await leads.stop()
    restarted = await start("leads", own_backend, issuer, database=leads.database, defined=defined)
    try:
        due = await set_timer(restarted, seconds=0.3)
        await until(lambda: rings(restarted), "it rings")
        assert timedelta(0) <= now() - due < timedelta(seconds=2)
        metrics = await restarted.process.metrics()
        assert "crm_timers_overdue 0" in metrics
    finally:
        await restarted.stop()


async def test_a_timer_may_set_itself_again(leads):
    async def again(due, work):
        if due.data["left"]:
            await work.set_timer("again", due.key, due.due_time + timedelta(seconds=1), {"left": due.data["left"] - 1})

    await set_timer(leads, kind="again", seconds=-10, left=3)
    running = Timers(leads.process.context, [Timer("again", again)])
    assert await fire_all(running) == 4
