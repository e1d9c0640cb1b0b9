"""Operations: a part at a time, once each, whatever fails in between; results that an erasure reaches."""

from dataclasses import replace

import asyncpg
import pytest
from chassis.errors import Aborted, FailedPrecondition, Unavailable
from chassis.identity import Caller
from chassis.operating import LEASE, MOST_ATTEMPTS, Operating
from chassis.operation import MOST_PROBLEMS, State
from chassis.operations import FORGET_RESULTS, Task
from chassis.work import Work
from chassis.writing import LostRace
from harness import definition
from leads.domain.operation import LeadOperation

from chassis import operations

ADMIN = Caller(name="users/admin", actor="users/admin", roles=("administrator",))


class Counting:
    """A task of five parts that writes each down in the transaction in which it is done. `fails` says of a part's
    number what it raises after it has written; each is raised once unless it is to be for ever."""

    def __init__(self):
        self.fails, self.for_ever = {}, False
        self.task = Task("counting", "leads.read", self.part)

    async def part(self, operation, work: Work):
        number = operation.done_items
        await work.context.database.fetch("INSERT INTO counted VALUES ($1::integer)", [number], work.connection)
        error = self.fails.get(number) if self.for_ever else self.fails.pop(number, None)
        if error:
            raise error
        if number % 2:
            operation.fail(f"rows/{number}", FailedPrecondition(row=number))
        else:
            operation.count(1)
        await operations.write(operation, b"%d\n" % number, work)
        return operation.done_items < 5


@pytest.fixture
async def leads(starting):
    running = await starting()
    owner = await asyncpg.connect(running.database.owner_url)
    await owner.execute("CREATE TABLE counted (number integer)")
    await owner.close()
    return running


async def begin(leads, task, **request):
    context = leads.process.context
    async with context.database.transaction() as connection:
        work = Work(context, ADMIN, connection=connection)
        operation = await operations.begin(LeadOperation, task, request, work)
        work.prepare()
        await work.commit()
    return operation.id


async def stored(leads, key):
    return await Work(leads.process.context, ADMIN).find_one(LeadOperation, id=key)


async def due(leads):
    await leads.rows("UPDATE operation SET due_time = now() WHERE state = 'RUNNING'")


async def counted(leads):
    return [row["number"] for row in await leads.rows("SELECT number FROM counted ORDER BY number")]


@pytest.fixture
def counting():
    return Counting()


@pytest.fixture
def operating(leads, counting):
    return Operating(leads.process.context, [counting.task])


async def test_each_part_is_done_once_and_what_failed_is_told(leads, counting, operating):
    key = await begin(leads, counting.task)
    while await operating.do_next():
        pass
    done = await stored(leads, key)
    assert (done.state, done.done_items, done.failed_items) == (State.SUCCEEDED, 5, 2)
    assert [(one.subject, one.reason) for one in done.problems] == [
        ("rows/1", "FAILED_PRECONDITION"), ("rows/3", "FAILED_PRECONDITION"),
    ]  # fmt: skip
    assert await counted(leads) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("error", [Aborted(), RuntimeError("a bug")])
async def test_a_part_that_fails_for_now_leaves_nothing_and_is_done_again(leads, counting, operating, error):
    key = await begin(leads, counting.task)
    counting.fails[2] = error
    while await operating.do_next():
        pass
    waiting = await stored(leads, key)
    if waiting.state is State.RUNNING:
        assert (waiting.attempts, await counted(leads)) == (1, [0, 1])
        await due(leads)
        while await operating.do_next():
            pass
    assert (await stored(leads, key)).state is State.SUCCEEDED
    assert await counted(leads) == [0, 1, 2, 3, 4]


async def test_what_is_refused_for_good_ends_the_operation(leads, counting, operating):
    key = await begin(leads, counting.task)
    counting.fails[2] = FailedPrecondition()
    while await operating.do_next():
        pass
    ended = await stored(leads, key)
    assert (ended.state, ended.error_reason, ended.done_items) == (State.FAILED, "FAILED_PRECONDITION", 2)
    assert await counted(leads) == [0, 1]
    assert ended.expire_time == ended.end_time


async def test_a_part_that_fails_again_and_again_is_given_up_without_a_word_about_the_inside(
    leads, counting, operating
):
    key = await begin(leads, counting.task)
    counting.fails[1], counting.for_ever = RuntimeError("a secret"), True
    for _ in range(MOST_ATTEMPTS + 1):
        await due(leads)
        while await operating.do_next():
            pass
    ended = await stored(leads, key)
    assert (ended.state, ended.error_reason) == (State.FAILED, "PART_FAILED")
    assert "secret" not in ended.error_message
    assert not await operating.do_next()


async def test_two_operations_take_turns(leads, counting, operating):
    keys = [await begin(leads, counting.task) for _ in range(2)]
    for _ in range(4):
        await operating.do_next()
    assert [(await stored(leads, key)).done_items for key in keys] == [2, 2]


async def test_of_many_problems_the_first_are_kept():
    operation = LeadOperation(kind="counting", owner="users/ana", team="")
    for number in range(MOST_PROBLEMS + 5):
        operation.fail(f"rows/{number}", FailedPrecondition())
    assert (operation.failed_items, len(operation.problems)) == (MOST_PROBLEMS + 5, MOST_PROBLEMS)


async def test_an_erasure_takes_results_and_ends_what_is_being_made(leads, counting, operating):
    done, begun = await begin(leads, counting.task, filter="a name"), ""
    while await operating.do_next():
        pass
    begun = await begin(leads, counting.task, filter="a name")
    await operating.do_next()
    await operating.do_next()
    assert len(await leads.rows(FORGET_RESULTS)) == 2
    assert not await leads.rows("SELECT 1 FROM operation_part")
    while await operating.do_next():
        pass
    kept, ended = await stored(leads, done), await stored(leads, begun)
    assert (kept.state, kept.request, ended.state, ended.request) == (State.SUCCEEDED, {}, State.CANCELLED, {})
    assert kept.expire_time <= ended.end_time
    assert not await leads.rows(FORGET_RESULTS)


async def test_a_service_without_tasks_has_nothing_to_do(starting):
    running = await starting(defined=replace(definition("leads"), tasks=[]))
    assert running.process._operating._tasks == {}


# ---- operations that ask outside


class Asking(Counting):
    """Each part is given what was asked for it. `answers` are raised if they are errors; `races` answers are heard
    while somebody else changes what the part writes."""

    def __init__(self):
        super().__init__()
        self.answers, self.asked, self.heard, self.races = [], 0, [], 0
        self.task = Task("asking", "leads.read", self.digest, self.ask)

    async def ask(self, operation, work: Work):
        assert work.connection is None  # no transaction is open
        self.asked += 1
        answer = self.answers.pop(0) if self.answers else f"answer {operation.done_items}"
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def digest(self, operation, work: Work, answer):
        if self.races:
            self.races -= 1
            raise LostRace()
        self.heard.append(answer)
        return await self.part(operation, work)


@pytest.fixture
def asking(leads):
    found = Asking()
    found.operating = Operating(leads.process.context, [found.task])
    return found


async def test_each_part_is_given_what_was_asked_for_it(leads, asking):
    key = await begin(leads, asking.task)
    while await asking.operating.do_next():
        pass
    assert (await stored(leads, key)).state is State.SUCCEEDED
    assert asking.heard == [f"answer {number}" for number in range(5)]


async def test_nothing_is_asked_twice_because_somebody_else_was_faster(leads, asking):
    key = await begin(leads, asking.task)
    asking.races = 3
    await asking.operating.do_next()
    assert ((await stored(leads, key)).done_items, asking.asked) == (1, 1)


async def test_who_is_away_is_asked_again_and_the_end_says_why(leads, asking):
    key = await begin(leads, asking.task)
    asking.answers = [Unavailable()] * MOST_ATTEMPTS
    await asking.operating.do_next()
    waiting = await stored(leads, key)
    assert (waiting.state, waiting.attempts) == (State.RUNNING, 1)
    assert not await asking.operating.do_next()
    for _ in range(MOST_ATTEMPTS):
        await due(leads)
        await asking.operating.do_next()
    ended = await stored(leads, key)
    assert (ended.state, ended.error_reason, asking.asked) == (State.FAILED, "UNAVAILABLE", MOST_ATTEMPTS)


async def test_who_dies_while_asking_is_followed_by_another_once_the_lease_is_over(leads, asking):
    key = await begin(leads, asking.task)
    await leads.process.context.database.fetch(LEASE, [["asking"]])  # and nothing more is heard of it
    assert not await asking.operating.do_next()
    await due(leads)
    while await asking.operating.do_next():
        pass
    assert (await stored(leads, key)).state is State.SUCCEEDED
    assert await counted(leads) == [0, 1, 2, 3, 4]


async def test_an_answer_that_comes_after_the_lease_is_not_used(leads, asking):
    key = await begin(leads, asking.task)
    ask = asking.ask

    async def late(operation, work):
        await due(leads)
        await leads.rows("UPDATE operation SET version = version + 1")
        return await ask(operation, work)

    operating = Operating(leads.process.context, [Task("asking", "leads.read", asking.digest, late)])
    await operating.do_next()
    assert ((await stored(leads, key)).done_items, asking.heard) == (0, [])


async def test_what_is_cancelled_asks_nobody_more(leads, asking):
    key = await begin(leads, asking.task)
    await asking.operating.do_next()
    await leads.rows("UPDATE operation SET cancel_time = now()")
    await asking.operating.do_next()
    assert ((await stored(leads, key)).state, asking.asked) == (State.CANCELLED, 1)
