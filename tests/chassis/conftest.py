"""What tests of the chassis share: streams on the broker, and a way from hypothesis back into the session's loop."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from chassis import streams


@pytest.fixture(scope="session")
async def broker(backend):
    """The broker with everybody's streams, and the durables of leads."""
    await streams.make(backend.nats_url, ("leads",))
    return backend


@pytest.fixture
def nothing() -> None:
    """No fixture at all."""
