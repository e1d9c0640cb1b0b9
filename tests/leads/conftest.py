"""A leads service with people of its own, to whom leads are given out."""

import pytest
from assignment_desk import CREW, OTHERS
from chassis.testing import Backend
from harness import PEOPLE, start

from chassis import streams


@pytest.fixture(scope="module")
async def desk(backend, issuer):
    running = await start("leads", backend, issuer, [*PEOPLE, *CREW, *OTHERS])
    await running.know(teams={"teams/crew": "teams/sales"})
    yield running
    await running.stop()


@pytest.fixture
async def fresh(desk):
    """Nothing is active, nobody is limited, and nobody has a lead."""
    yield desk
    for table in ("leads", "assignment_queue", "assignees", "assignment_runs", "assignment_turns"):
        await desk.rows(f"DELETE FROM {table}")
    await desk.rows("UPDATE assignment_policies SET active = false")
    await desk.rows("UPDATE assignment_duties SET policy = ''")


@pytest.fixture(scope="module")
async def own_broker():
    """A Postgres and a NATS with the stream of leads: what they say is published."""
    with Backend.running() as running:
        running.clear_streams()
        await streams.make(running.nats_url, ("leads",))
        yield running
