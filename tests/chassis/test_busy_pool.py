"""A pool whose connections are all in use is not a database that is away."""

import asyncio
import time

import pytest
from chassis.database import ACQUIRE_SECONDS, Database
from chassis.errors import DatabaseAway


@pytest.fixture
async def database(backend):
    made = await asyncio.to_thread(backend.create_database, "leads")
    opened = Database(made.url, 2)
    await opened.open()
    yield opened
    await opened.close()


async def test_who_waits_while_others_are_served_is_served(database):
    """Each waits for longer than a server that is away would be waited for."""

    async def use(_: int) -> None:
        async with database.connection() as connection:
            await connection.execute("SELECT pg_sleep($1)", ACQUIRE_SECONDS / 4)

    began = time.monotonic()
    await asyncio.gather(*map(use, range(14)))
    assert time.monotonic() - began > ACQUIRE_SECONDS * 1.5


async def test_who_waits_while_nobody_is_served_is_told_that_the_database_is_away(database):
    async with database.connection(), database.connection():
        began = time.monotonic()
        with pytest.raises(DatabaseAway):
            async with database.connection():
                pass
        assert ACQUIRE_SECONDS * 0.9 < time.monotonic() - began < 1
    assert await database.answers()


async def test_a_process_that_stood_still_does_not_blame_the_server(database):
    async def use() -> int:
        async with database.connection() as connection:
            return await connection.fetchval("SELECT 1")

    async with database.connection(), database.connection():
        waiting = asyncio.create_task(use())
        end = time.monotonic() + ACQUIRE_SECONDS * 1.2
        while time.monotonic() < end:
            if time.monotonic() < end - ACQUIRE_SECONDS:
                await asyncio.sleep(0)  # it begins to wait; afterwards nothing of this process runs
    assert await waiting == 1
