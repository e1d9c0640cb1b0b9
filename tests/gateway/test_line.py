"""The line at the door: who finds no place waits for a moment, and no longer than a refusal may take."""

import asyncio
import time

import pytest
from gateway.admission import Admission, Refused
from gateway.line import LONGEST, MOST_OF_ONE, WAIT_SECONDS


@pytest.fixture
def lane():
    """A service with four places."""
    lane = Admission(["leads"]).lanes["leads"]
    lane.limit.places = lane.shares.most = 4.0
    return lane


async def works(lane, caller: int) -> str:
    """A call that takes a few turns of the loop; how it ended."""
    try:
        place = await lane.place(caller)
    except Refused as refused:
        return refused.error.reason
    for _ in range(5):
        await asyncio.sleep(0)
    place.leave()
    return "OK"


async def in_line(lane, count: int) -> None:
    """Returns when so many wait."""
    while len(lane.line) < count:
        await asyncio.sleep(0)


async def taken(lane, *callers: int) -> list:
    return [lane.enter(caller) for caller in callers]


def is_empty(lane) -> bool:
    return len(lane.line) == lane.shares.taken == 0 and not lane.line._of


async def test_many_calls_of_one_caller_are_served_one_after_the_other(lane):
    assert {*await asyncio.gather(*(works(lane, 1) for _ in range(MOST_OF_ONE)))} == {"OK"}
    assert is_empty(lane)


async def test_who_waits_in_vain_is_told_in_time(lane):
    held = await taken(lane, 1, 2, 3, 4)
    began = time.monotonic()
    assert await works(lane, 5) == "TOO_BUSY"
    assert WAIT_SECONDS <= time.monotonic() - began < 0.1
    assert len(lane.line) == 0
    assert lane.refused == {"TOO_BUSY": 1}
    for place in held:
        place.leave()
    assert is_empty(lane)


async def test_who_has_its_share_is_told_that_it_is_its_own_doing(lane):
    await taken(lane, 1, 1, 1)
    assert await works(lane, 1) == "TOO_MANY_AT_ONCE"


async def test_somebody_new_is_not_behind_a_caller_that_has_its_share(lane):
    await taken(lane, 1, 1, 1)
    behind = [asyncio.create_task(works(lane, 1)) for _ in range(3)]
    await in_line(lane, 3)
    assert await works(lane, 2) == "OK"
    assert {await one for one in behind} <= {"OK", "TOO_MANY_AT_ONCE"}


async def test_a_place_that_becomes_free_is_for_who_has_waited_longest(lane):
    held, order = await taken(lane, 1, 2, 3, 4), []

    async def waits(caller: int) -> None:
        (await lane.place(caller)).leave()
        order.append(caller)

    waiting = [asyncio.create_task(waits(caller)) for caller in (5, 6, 7)]
    await in_line(lane, 3)
    held[0].leave()
    await asyncio.gather(*waiting)
    assert order == [5, 6, 7]


async def test_the_line_is_bounded_for_each_and_for_all(lane):
    await taken(lane, 1, 2, 3, 4)
    greedy = [asyncio.create_task(works(lane, 9)) for _ in range(2 * MOST_OF_ONE)]
    await in_line(lane, MOST_OF_ONE)
    others = [asyncio.create_task(works(lane, caller)) for caller in range(10, 60)]
    await in_line(lane, LONGEST)
    assert {*await asyncio.gather(*greedy, *others)} == {"TOO_BUSY"}
    assert len(lane.line) == 0


async def test_who_leaves_while_waiting_takes_no_place(lane):
    held = await taken(lane, 1, 2, 3, 4)
    waiting = [asyncio.create_task(works(lane, caller)) for caller in (5, 6)]
    await in_line(lane, 2)
    waiting[0].cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    for place in held:
        place.leave()
    assert is_empty(lane)


async def test_who_leaves_in_the_moment_of_its_turn_gives_the_place_back(lane):
    held = await taken(lane, 1, 2, 3, 4)
    waiting = asyncio.create_task(works(lane, 5))
    await in_line(lane, 1)
    held[0].leave()  # its turn has come; it does not know yet
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    for place in held:
        place.leave()
    assert is_empty(lane)
