"""What an answered request leaves in memory: nothing, also before the garbage is collected. A gateway that carries
imports would grow by each of their bodies until then."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

import pytest
from gateway.transcode import WATCH_AFTER_SECONDS, Watch
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

if TYPE_CHECKING:
    from conftest import Running

pytestmark = pytest.mark.asyncio(loop_scope="session")
LEAD = "/v1/leads/0190b5a0-7c3e-7000-8000-000000000001"


def kept() -> dict[str, int]:
    """How many objects of a request there are."""
    alive = [type(thing).__name__ for thing in gc.get_objects()]
    return {kind.__name__: alive.count(kind.__name__) for kind in (RequestResponseCycle, Watch)}


@pytest.mark.parametrize("seconds", [0.0, WATCH_AFTER_SECONDS * 2], ids=["quick", "watched"])
async def test_an_answered_request_is_forgotten_at_once(gateway: Running, seconds: float) -> None:
    async def reply(request: Any, context: Any) -> dict[str, Any]:
        until = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < until:
            await asyncio.sleep(0.01)
        return {}

    gateway.world.replies["GetLead"] = reply
    await gateway.http.get(LEAD)
    gc.collect()
    gc.disable()
    try:
        before = kept()
        for _ in range(5):
            assert (await gateway.http.get(LEAD)).status_code == 200
        assert kept() == before
    finally:
        gc.enable()
