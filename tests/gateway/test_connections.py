"""Clients that behave badly, one at a time: what they may take, how they are answered, and that nothing is left."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import socket
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from crm.leads.v1 import leads_pb2, leads_pb2_grpc
from gateway.limit import FIRST, Limit
from google.rpc import error_details_pb2, status_pb2

from gateway import limits, line

if TYPE_CHECKING:
    from conftest import Running

pytestmark = pytest.mark.asyncio(loop_scope="session")
LEAD = "/v1/leads/0190b5a0-7c3e-7000-8000-000000000001"
HEAD = f"GET {LEAD} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer a\r\n".encode()
POST = b"POST /v1/leads HTTP/1.1\r\nhost: x\r\nauthorization: Bearer a\r\ncontent-type: application/json\r\n"


class Client:
    """A raw connection to the gateway, open for as long as it is referred to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, gateway: Running, sent: bytes = b"") -> Client:
        client = cls(*await asyncio.open_connection("127.0.0.1", gateway.port))
        client.writer.write(sent)
        return client

    async def ended(self) -> bytes:
        """All that came until the gateway closed."""
        got = b""
        with contextlib.suppress(ConnectionError):
            while part := await asyncio.wait_for(self.reader.read(65_536), 10):
                got += part
        self.writer.close()
        return got

    async def answer(self) -> tuple[int, dict[str, str], Any]:
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)).decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        body = await self.reader.readexactly(int(headers["content-length"]))
        return int(head[0].split()[1]), headers, json.loads(body)


async def at_rest(gateway: Running) -> None:
    """Waits until no place is taken and nothing arrives any more."""
    lanes = gateway.admission.lanes.values()
    async with asyncio.timeout(10):
        while any(lane.shares.taken for lane in lanes) or gateway.admission.arriving.taken:
            await asyncio.sleep(0.01)
    assert not any(lane.shares.held for lane in lanes)


@pytest.fixture
def held(gateway: Running) -> Any:
    """Calls of GetLead and CreateLead that wait until they are let go; `arrived` counts them."""

    class Held:
        def __init__(self) -> None:
            self.arrived, self.go_on, self.cancelled = 0, asyncio.Event(), 0

        async def __call__(self, request: Any, context: Any) -> dict[str, str]:
            self.arrived += 1
            try:
                await self.go_on.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
            return {"name": "leads/1"}

        async def until(self, count: int) -> None:
            async with asyncio.timeout(10):
                while self.arrived < count:
                    await asyncio.sleep(0.01)

    one = Held()
    gateway.world.replies |= {"GetLead": one, "CreateLead": one}
    yield one
    one.go_on.set()


@pytest.fixture
def places(gateway: Running) -> Any:
    """Sets the places of leads, and gives it what it had afterwards."""
    lane = gateway.admission.lanes["leads"]

    def give(number: int) -> None:
        lane.limit._opened = math.inf  # no window ends: the number stays
        lane.limit.places = lane.shares.most = float(number)

    yield give
    lane.limit = Limit()
    lane.shares.most = FIRST


# ---- Refusals


async def test_who_has_its_share_of_the_places_gets_429_and_everybody_503_when_there_are_none(
    gateway: Running, held: Any, places: Any
) -> None:
    places(3)
    busy = [await Client.open(gateway, HEAD + b"\r\n") for _ in range(2)]
    await held.until(2)
    trace = b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n"
    status, headers, problem = await (await Client.open(gateway, HEAD + trace)).answer()
    assert (status, headers["retry-after"], problem["reason"]) == (429, "1", "TOO_MANY_AT_ONCE")
    assert problem["traceId"] == headers["x-trace-id"] == "0af7651916cd43dd8448eb211c80319c"
    other = await Client.open(gateway, HEAD.replace(b"Bearer a", b"Bearer b") + b"\r\n")
    await held.until(3)
    status, headers, problem = await (await Client.open(gateway, HEAD.replace(b"r a", b"r c") + b"\r\n")).answer()
    assert (status, headers["retry-after"], problem["reason"]) == (503, "1", "TOO_BUSY")
    assert len(problem["traceId"]) == 32
    held.go_on.set()
    assert [(await client.answer())[0] for client in (*busy, other)] == [200] * 3
    await at_rest(gateway)


async def in_line(gateway: Running, count: int) -> None:
    """Returns when so many calls wait for a place of leads."""
    async with asyncio.timeout(10):
        while len(gateway.admission.lanes["leads"].line) != count:
            await asyncio.sleep(0.001)


async def test_who_waits_in_the_line_is_answered_when_a_place_becomes_free(
    gateway: Running, held: Any, places: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "WAIT_SECONDS", 10.0)
    places(2)
    first = await Client.open(gateway, HEAD + b"\r\n")
    await held.until(1)
    second = await Client.open(gateway, POST + b"content-length: 2\r\n\r\n{}")
    await in_line(gateway, 1)
    assert held.arrived == 1
    held.go_on.set()
    assert [(await client.answer())[0] for client in (first, second)] == [200, 200]
    await at_rest(gateway)


async def test_who_leaves_the_line_is_neither_served_nor_refused(
    gateway: Running, held: Any, places: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "WAIT_SECONDS", 10.0)
    places(2)
    lane = gateway.admission.lanes["leads"]
    first, refused = await Client.open(gateway, HEAD + b"\r\n"), dict(lane.refused)
    await held.until(1)
    second = await Client.open(gateway, HEAD + b"\r\n")
    await in_line(gateway, 1)
    second.writer.transport.abort()
    await in_line(gateway, 0)
    held.go_on.set()
    assert (await first.answer())[0] == 200
    await at_rest(gateway)
    assert (held.arrived, lane.refused) == (1, refused)


async def test_a_refused_connection_goes_on_and_pages_are_never_refused(
    gateway: Running, held: Any, places: Any
) -> None:
    places(2)
    first = await Client.open(gateway, HEAD + b"\r\n")
    await held.until(1)
    client = await Client.open(gateway, POST + b"content-length: 2\r\n\r\n{}")
    assert (await client.answer())[0] == 429
    client.writer.write(b"HEAD /v1/leads HTTP/1.1\r\nhost: x\r\nauthorization: Bearer a\r\n\r\n")
    assert b" 429 " in await client.reader.readuntil(b"\r\n\r\n")
    client.writer.write(b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n")
    assert (await client.answer())[0] == 200
    client.writer.write(b"GET /v1/cases HTTP/1.0\r\nhost: x\r\nauthorization: Bearer a\r\n\r\n")
    assert b"200" in (await client.ended())[:20]  # another service has places of its own
    held.go_on.set()
    assert (await first.answer())[0] == 200
    await at_rest(gateway)


async def test_the_grpc_port_refuses_with_a_reason_and_a_pause_and_shares_the_places(
    gateway: Running, held: Any, places: Any
) -> None:
    places(2)
    first = await Client.open(gateway, HEAD + b"\r\n")
    await held.until(1)
    stub = leads_pb2_grpc.LeadServiceStub(gateway.grpc)
    for token, code, reason in (
        ("a", grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_AT_ONCE"),
        ("b", None, ""),
        ("c", grpc.StatusCode.UNAVAILABLE, "TOO_BUSY"),
    ):
        call = stub.GetLead(leads_pb2.GetLeadRequest(name="x"), metadata=[("authorization", f"Bearer {token}")])
        if code is None:
            waiting = asyncio.ensure_future(call)
            await held.until(2)
            continue
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        status = status_pb2.Status.FromString(dict(caught.value.trailing_metadata())["grpc-status-details-bin"])
        info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
        assert any(detail.Unpack(info) for detail in status.details)
        assert any(detail.Unpack(retry) for detail in status.details)
        assert (caught.value.code(), info.reason, retry.retry_delay.seconds) == (code, reason, 1)
    held.go_on.set()
    await waiting
    assert (await first.answer())[0] == 200
    await at_rest(gateway)


# ---- Slow and endless senders


async def test_a_body_that_trickles_holds_no_place_and_gets_408(
    gateway: Running, places: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    places(2)
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.5)
    slow = [await Client.open(gateway, POST + b"content-length: 100\r\n\r\n{") for _ in range(8)]
    async with asyncio.timeout(5):
        while gateway.admission.arriving.taken < 8:
            await asyncio.sleep(0.01)
    assert (await gateway.http.get(LEAD)).status_code == 200
    for client in slow:
        status, _, problem = await client.answer()
        assert (status, problem["reason"]) == (408, "BODY_TOO_SLOW")
    await at_rest(gateway)


async def test_one_caller_may_have_half_of_the_bodies_on_their_way(gateway: Running, places: Any) -> None:
    places(200)
    slow = [await Client.open(gateway, POST + b"content-length: 9\r\n\r\n{") for _ in range(limits.ARRIVING)]
    refused = slow[limits.ARRIVING // 2 :]
    assert {(await client.answer())[2]["reason"] for client in refused} == {"TOO_MANY_AT_ONCE"}
    for client in slow:
        client.writer.close()
    await at_rest(gateway)


async def test_an_endless_chunked_body_is_refused_read_for_a_while_and_cut_off(gateway: Running) -> None:
    client = await Client.open(gateway, POST + b"transfer-encoding: chunked\r\n\r\n")
    answer = asyncio.create_task(client.ended())
    chunk, sent = b"10000\r\n" + b" " * 65_536 + b"\r\n", 0
    with contextlib.suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(20):
            while True:
                client.writer.write(chunk)
                await client.writer.drain()
                sent += 65_536
    assert sent < limits.BODY_BYTES + limits.DROPPED_BYTES + (16 << 20)  # the rest lay in the kernel's buffers
    assert b"BODY_TOO_LARGE" in await answer
    await at_rest(gateway)


async def test_a_huge_body_is_refused_by_its_length_alone(gateway: Running) -> None:
    client = await Client.open(gateway, POST + b"content-length: 99999999999\r\nexpect: 100-continue\r\n\r\n")
    status, _, problem = await client.answer()
    assert (status, problem["reason"]) == (413, "BODY_TOO_LARGE")
    client.writer.close()
    await at_rest(gateway)


@pytest.mark.parametrize(
    ("sent", "said"), [(b"", b""), (b"GET /v1/leads HT", b"HEAD_TOO_SLOW"), (b"GET / HTTP/1.1\r\nx: y\r\n", b" 408 ")]
)
async def test_a_head_that_does_not_come_ends_the_connection(
    gateway: Running, monkeypatch: pytest.MonkeyPatch, sent: bytes, said: bytes
) -> None:
    monkeypatch.setattr(limits, "HEAD_SECONDS", 0.3)
    answer = await (await Client.open(gateway, sent)).ended()
    assert said in answer
    assert bool(said) == bool(answer)


async def test_a_connection_that_stays_idle_after_its_answer_is_closed(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "IDLE_SECONDS", 0.3)
    client = await Client.open(gateway, HEAD + b"\r\n")
    assert (await client.answer())[0] == 200
    assert await client.ended() == b""


# ---- Readers, pipelines, numbers


async def test_an_answer_that_nobody_reads_is_cut_off(gateway: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway.world.answer("ListLeads", leads=[{"note": "x" * 100_000}] * 38)
    lazy = socket.socket()
    lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # else the kernel would take it all
    lazy.connect(("127.0.0.1", gateway.port))
    lazy.sendall(HEAD.replace(LEAD.encode(), b"/v1/leads") + b"\r\n")
    async with asyncio.timeout(10):
        while not gateway.connections.unsent:
            await asyncio.sleep(0.05)
    await at_rest(gateway)  # it holds no place
    monkeypatch.setattr(limits, "UNSENT_BYTES", 1 << 20)
    before = gateway.connections.cut_off
    async with asyncio.timeout(10):
        while gateway.connections.unsent:
            await asyncio.sleep(0.05)
    assert gateway.connections.cut_off == before + 1
    lazy.close()


async def test_requests_ahead_of_their_answers_are_answered_in_order_up_to_a_bound(gateway: Running) -> None:
    client = await Client.open(gateway, (HEAD + b"\r\n") * limits.PIPELINED)
    assert [(await client.answer())[0] for _ in range(limits.PIPELINED)] == [200] * limits.PIPELINED
    client.writer.write((HEAD + b"\r\n") * 1000)
    assert (await client.ended()).count(b"HTTP/1.1 ") < 1000
    await at_rest(gateway)


async def test_more_connections_than_the_bound_are_told_so_and_closed(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    early = await Client.open(gateway, HEAD + b"\r\n")
    assert (await early.answer())[0] == 200
    monkeypatch.setattr(gateway.connections, "most", len(gateway.connections.open))
    answer = await (await Client.open(gateway)).ended()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 1" in answer
    early.writer.write(HEAD + b"\r\n")
    assert (await early.answer())[0] == 200


async def test_a_hundred_callers_who_leave_mid_call_leave_nothing_behind(
    gateway: Running, held: Any, places: Any
) -> None:
    places(200)
    await gateway.http.get("/docs")
    before = len(asyncio.all_tasks())
    clients = [await Client.open(gateway, HEAD + b"\r\n") for _ in range(50)]
    clients += [await Client.open(gateway, POST + b"content-length: 2\r\n\r\n{}") for _ in range(50)]
    await held.until(100)
    for client in clients:
        client.writer.transport.abort()
    await at_rest(gateway)
    async with asyncio.timeout(10):
        while held.cancelled < 100 or len(asyncio.all_tasks()) > before:
            await asyncio.sleep(0.02)


# ---- The gRPC port


async def test_a_grpc_call_that_sends_nothing_holds_no_place_and_ends(
    gateway: Running, places: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    places(2)
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.5)
    silent = [gateway.grpc.stream_unary("/crm.leads.v1.LeadService/GetLead")() for _ in range(5)]
    for call in silent:
        await call.wait_for_connection()
    assert (await gateway.http.get(LEAD)).status_code == 200
    for call in silent:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await at_rest(gateway)


async def test_endless_streams_are_so_many_and_no_more(gateway: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway.admission.streams, "most", 4)
    ended = asyncio.Event()

    async def forever(request: Any, context: Any) -> None:
        await ended.wait()

    gateway.world.replies["Watch"] = forever
    rpc = next(rpc for rpc in gateway.contract.rpcs if rpc.name == "Watch")
    watch = gateway.grpc.unary_stream(rpc.path)
    calls = [watch(b"", metadata=[("authorization", "a")]) for _ in range(2)]
    for call in calls:
        await call.read()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await watch(b"", metadata=[("authorization", "a")]).read()
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert gateway.admission.streams.taken == 2
    for call in calls:
        call.cancel()
    async with asyncio.timeout(10):
        while gateway.admission.streams.taken:
            await asyncio.sleep(0.01)
    ended.set()
