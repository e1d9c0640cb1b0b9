"""What tests of the chassis share: a broker with streams, a caller in a hurry, and services of their own to break."""

import pytest

from chassis import streams
from harness import start


@pytest.fixture(scope="session")
async def broker(backend):
    """The servers, with everybody's streams and the durables of leads."""
    await streams.make(backend.nats_url, ("leads",))
    return backend


@pytest.fixture
async def starting(backend, issuer):
    """Starts services that this test alone may break: `await starting(**settings)`; all are stopped after it."""
    started = []

    async def one(service: str = "leads", **given):
        started.append(await start(service, backend, issuer, **given))
        return started[-1]

    yield one
    for running in started:
        await running.stop()
