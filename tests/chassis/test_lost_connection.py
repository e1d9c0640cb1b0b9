"""A connection that the server ends while it is in use is told as lost, at whatever moment it ends."""

import asyncio

import asyncpg
import pytest
from chassis.database import Database
from chassis.errors import DatabaseAway, DatabaseLost

ROUNDS = 60
END_THE_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()"
)


@pytest.fixture
async def database(backend):
    made = await asyncio.to_thread(backend.create_database, "leads")
    opened = Database(made.url, 2)
    await opened.open()
    yield opened, made.url
    await opened.close()


async def worked_until_lost(database: Database) -> BaseException | None:
    """Short transactions one after the other, until one fails. None: this one was between two when it ended."""
    for _ in range(100):
        try:
            async with database.transaction() as connection:
                await connection.execute("SELECT 1")
                await asyncio.sleep(0)
        except Exception as failed:
            return failed
    return None


async def test_no_moment_of_an_end_is_taken_for_a_defect(database):
    opened, url = database
    other = await asyncpg.connect(url)
    ended = []
    for round_number in range(ROUNDS):
        workers = [asyncio.create_task(worked_until_lost(opened)) for _ in range(2)]
        await asyncio.sleep(0.001 * (round_number % 7))
        await other.execute(END_THE_OTHERS)
        ended += await asyncio.gather(*workers)
    await other.close()
    assert {type(failed) for failed in ended if failed} <= {DatabaseAway, DatabaseLost}, ended
    assert sum(failed is not None for failed in ended) > ROUNDS / 2
    assert await opened.answers()
