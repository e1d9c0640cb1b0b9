"""Postgres' own programs, and what becomes of one that is left in the middle."""

import asyncio

import pytest
from chassis.stack.errors import StackError
from chassis.stack.tools import CHUNK, Tool

MUCH = "SELECT repeat('x', 1000) FROM generate_series(1, 20000)"  # more than pipes and buffers hold
END_SECONDS = 10


@pytest.fixture(scope="module")
def url(backend) -> str:
    return backend.create_database("leads").url


async def full(tool: Tool) -> None:
    """Returns when nothing is read from the program any more, since nobody takes it from us."""
    assert tool.process.stdout is not None
    while not tool.process.stdout._paused:
        await asyncio.sleep(0.01)


async def test_a_program_that_is_left_while_it_writes_is_ended(url):
    async with asyncio.timeout(END_SECONDS):
        async with Tool("psql", url, "-X", "-A", "-t", "-c", MUCH) as tool:
            await full(tool)
    assert tool.process.returncode == -9


async def test_an_error_in_the_middle_of_its_output_is_told(url):
    async with asyncio.timeout(END_SECONDS), Tool("psql", url, "-X", "-A", "-t", "-c", MUCH, "-c", "SELECT no") as tool:
        await full(tool)
        with pytest.raises(StackError, match='column "no" does not exist'):
            await tool.finish()


async def test_all_it_writes_can_be_read(url):
    size = 0
    async with Tool("psql", url, "-X", "-A", "-t", "-c", MUCH) as tool:
        while piece := await tool.read():
            assert len(piece) <= CHUNK
            size += len(piece)
        await tool.finish()
    assert size == 20_000 * 1001
