"""What tests of the chassis share: servers of their own to stop, and services of their own to break."""

import pytest
from chassis.testing import Backend
from harness import start
from outside import Sales, TokenEndpoint

from chassis import streams


@pytest.fixture(scope="session")
def own_backend():
    """A second Postgres and NATS: an outage here is nobody else's."""
    with Backend.running() as running:
        yield running


@pytest.fixture
async def broker(own_backend):
    """These servers with fresh streams, and the durables of leads."""
    own_backend.clear_streams()
    await streams.make(own_backend.nats_url, ("leads",))
    return own_backend


@pytest.fixture
async def starting(own_backend, issuer):
    """Starts services that this test alone may break: `await starting(**settings)`; all are stopped after it."""
    started = []

    async def one(service: str = "leads", **given):
        started.append(await start(service, own_backend, issuer, **given))
        return started[-1]

    yield one
    for running in started:
        await running.stop()


@pytest.fixture
def token_endpoint(issuer):
    running = TokenEndpoint(issuer)
    yield running
    running.close()


@pytest.fixture
async def neighbour(monkeypatch):
    """A sales service that answers; leads finds it by its setting."""
    running = Sales()
    monkeypatch.setenv("UPSTREAM_SALES", running.address)
    await running.start()
    yield running
    running.open.set()
    await running.stop()
