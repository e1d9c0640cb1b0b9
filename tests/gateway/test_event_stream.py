"""Methods with many answers over HTTP: Server-Sent Events that begin, go on and end as a browser expects."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import grpc
import httpx
import pytest

from gateway import limits

if TYPE_CHECKING:
    from conftest import Running

pytestmark = pytest.mark.asyncio(loop_scope="session")
URL = "/v1/shelves/a:watch"


def events(text: str) -> list[dict[str, str]]:
    """The fields of each event."""
    blocks = [block for block in text.split("\n\n") if block]
    return [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]


async def test_each_answer_is_an_event_and_the_stream_ends_with_the_method(gateway: Running) -> None:
    answer = await gateway.http.get(URL)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")
    assert answer.headers["cache-control"] == "private, no-store"
    found = events(answer.text)
    assert [json.loads(one["data"])["i32"] for one in found] == [0, 1, 2]
    assert found[0]["retry"] == "1000"
    assert gateway.admission.streams.taken == 0


async def test_an_error_before_the_first_answer_is_an_error_like_every_other(gateway: Running) -> None:
    gateway.world.watch_fails_at_once = True
    gateway.world.fail("Watch", grpc.StatusCode.PERMISSION_DENIED, "no")
    answer = await gateway.http.get(URL)
    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")


async def test_an_error_in_the_middle_is_the_last_event(gateway: Running) -> None:
    gateway.world.fail("Watch", grpc.StatusCode.ABORTED, "list again")
    answer = await gateway.http.get(URL)
    *told, last = events(answer.text)
    assert (answer.status_code, len(told), last["event"]) == (200, 3, "problem")
    assert json.loads(last["data"])["status"] == 409


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED])
async def test_a_stream_that_breaks_off_just_ends_and_the_caller_comes_again(
    gateway: Running, code: grpc.StatusCode
) -> None:
    gateway.world.fail("Watch", code, "Socket closed")
    answer = await gateway.http.get(URL)
    assert (answer.status_code, len(events(answer.text))) == (200, 3)
    assert "problem" not in answer.text


async def test_a_stream_holds_no_place_of_its_service_and_one_of_the_streams(gateway: Running) -> None:
    ended = asyncio.Event()

    async def forever(request: Any, context: Any) -> None:
        await ended.wait()

    gateway.world.replies["Watch"] = forever
    async with gateway.http.stream("GET", URL) as answer:
        await anext(answer.aiter_bytes())
        assert gateway.admission.streams.taken == 1
        assert sum(lane.shares.taken for lane in gateway.admission.lanes.values()) == 0
    await given_back(gateway)
    ended.set()


async def given_back(gateway: Running) -> None:
    async with asyncio.timeout(10):
        while gateway.admission.streams.taken:
            await asyncio.sleep(0.01)


async def test_a_caller_who_leaves_ends_the_services_call(gateway: Running) -> None:
    arrived, cancelled = asyncio.Event(), asyncio.Event()

    async def wait(request: Any, context: Any) -> None:
        arrived.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    gateway.world.replies["Watch"] = wait
    async with gateway.http.stream("GET", URL) as answer:
        await anext(answer.aiter_bytes())
        await arrived.wait()
    await asyncio.wait_for(cancelled.wait(), 10)


async def test_streams_are_so_many_and_no_more_over_http_too(gateway: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway.admission.streams, "most", 2)
    ended = asyncio.Event()

    async def forever(request: Any, context: Any) -> None:
        await ended.wait()

    gateway.world.replies["Watch"] = forever
    async with gateway.http.stream("GET", URL) as answer:
        await anext(answer.aiter_bytes())
        refused = await gateway.http.get(URL)
        assert refused.status_code == 429
    await given_back(gateway)
    ended.set()


async def test_a_gateway_that_stops_ends_its_streams_properly(gateway: Running) -> None:
    async def forever(request: Any, context: Any) -> None:
        await asyncio.Event().wait()

    gateway.world.replies["Watch"] = forever
    try:
        async with gateway.http.stream("GET", URL) as answer:
            parts = answer.aiter_bytes()
            await anext(parts)
            gateway.admission.streams.stop()
            async with asyncio.timeout(5):
                rest = [part async for part in parts]  # no exception: the last chunk came
            assert b"problem" not in b"".join(rest)
    finally:
        gateway.admission.streams.stopping = False


async def test_who_does_not_read_a_stream_is_cut_off(gateway: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "UNREAD_SECONDS", 0.3)
    rpc = next(rpc for rpc in gateway.contract.rpcs if rpc.name == "Watch")
    gateway.world.streamed["Watch"] = [rpc.reply_class(texts=["x" * 1_000_000]) for _ in range(40)]
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port, limit=1024)
    writer.write(f"GET {URL} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\r\n\r\n".encode())
    async with asyncio.timeout(20):
        while not gateway.admission.streams.taken:
            await asyncio.sleep(0.01)
    await given_back(gateway)
    writer.close()


async def test_a_head_of_a_stream_is_not_served(gateway: Running) -> None:
    answer = await gateway.http.head(URL)
    assert answer.status_code == 405
    assert gateway.world.seen == []


async def test_the_description_says_that_it_is_a_stream(gateway: Running) -> None:
    document = (await gateway.http.get("/openapi.json")).json()
    assert list(document["paths"]["/v1/leads:watch"]["get"]["responses"]["200"]["content"]) == ["text/event-stream"]


async def test_a_browser_goes_on_where_it_was(gateway: Running) -> None:
    """EventSource sends the last id in a header; it wins over the token in the address, which is older."""
    gateway.world.streamed["WatchLeads"] = [{"resume_token": "after"}]
    answer = await gateway.http.get(
        "/v1/leads:watch", params={"resumeToken": "old"}, headers={"last-event-id": "newer"}
    )
    assert [(one["id"], json.loads(one["data"])["resumeToken"]) for one in events(answer.text)] == [("after", "after")]
    assert gateway.world.last.request.resume_token == "newer"
    with pytest.raises(httpx.LocalProtocolError):
        await gateway.http.get("/v1/leads:watch", headers={"last-event-id": "a\nb"})
