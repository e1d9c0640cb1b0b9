"""Methods with many answers as Server-Sent Events: one event for each answer, its token as the event's id, so that a
browser's EventSource goes on by itself where it was.

A stream holds none of its service's places; it is one of limits.STREAMS, shared fairly with those of the gRPC port.
"""

import asyncio
from time import perf_counter
from typing import Any

import grpc
from chassis.statuses import RETRY_SECONDS
from starlette.types import Receive, Scope, Send

from gateway import json_text, limits
from gateway.admission import Streams
from gateway.codec import Codec, Values
from gateway.contract import Rpc, Rule
from gateway.limits import ClientGone
from gateway.problems import Problem, broken_off, from_rpc
from gateway.tracing import Exchange
from gateway.transcode import Transcoder, Watch, ascii_text

HEAD = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"private, no-store"),
    (b"x-accel-buffering", b"no"),  # proxies that would collect events are told not to
    (b"x-content-type-options", b"nosniff"),
]
TOKEN = "resume_token"


class EventStream(Transcoder):
    """The endpoint of a rule whose method streams."""

    streams = True

    def __init__(self, codec: Codec, rpc: Rpc, rule: Rule, channel: grpc.aio.Channel | None, streams: Streams) -> None:
        super().__init__(codec, rpc, rule, channel)
        self._streams = streams
        self._has_token = TOKEN in rpc.reply.fields_by_name

    async def __call__(self, scope: Scope, receive: Receive, send: Send, variables: dict[str, str]) -> None:
        if scope["method"] == "HEAD":
            raise Problem.method_not_allowed("HEAD", [self.rule.method])
        exchange: Exchange = scope["exchange"]
        headers = dict(scope["headers"])
        with self._streams.place(hash(headers.get(b"authorization"))) as keep:
            call = keep(await self._begin(scope, receive, headers, variables))
            watch = Watch(call, receive)
            try:
                await self._tell(call, scope, exchange, send)
            except asyncio.CancelledError:
                if watch.gone:
                    raise ClientGone from None
                raise
            finally:
                watch.stop()

    def _seconds(self, headers: dict[bytes, bytes]) -> float | None:
        """As long as the service keeps it, unless the caller says otherwise."""
        asked = b"request-timeout" in headers or b"grpc-timeout" in headers
        return limits.deadline(headers) if asked else None

    async def _values(
        self, scope: Scope, receive: Receive, headers: dict[bytes, bytes], variables: dict[str, str]
    ) -> Values:
        values = await super()._values(scope, receive, headers, variables)
        if last := headers.get(b"last-event-id"):
            values[TOKEN] = ascii_text(last, "Last-Event-ID")
        return values

    async def _tell(self, call: Any, scope: Scope, exchange: Exchange, send: Send) -> None:
        """Begins the answer with the first message: who is refused gets an error like everybody else."""
        try:
            reply = await self._next(call)
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error, self.rpc.upstream, "") from None
        if place := scope.get("place"):
            place.leave(self.rpc.path)
        scope["opened"] = perf_counter()
        exchange.status = 200
        trace = [(b"traceparent", exchange.traceparent.encode()), (b"x-trace-id", exchange.trace_id.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": trace + HEAD})
        out = b"retry: %d\n" % (RETRY_SECONDS * 1000)
        while reply is not grpc.aio.EOF:
            await self._send_part(out + self._event(reply), scope, send)
            out = b""
            try:
                reply = await self._next(call)
            except grpc.aio.AioRpcError as error:
                out = self._last(error, exchange)
                break
        await send({"type": "http.response.body", "body": out, "more_body": False})

    async def _next(self, call: Any) -> Any:
        try:
            return await call.read()
        except asyncio.CancelledError:
            if self._streams.stopping:
                return grpc.aio.EOF
            raise

    def _event(self, reply: Any) -> bytes:
        token = b"id: %s\n" % getattr(reply, TOKEN).encode() if self._has_token else b""
        return token + b"data: %s\n\n" % json_text.render(self._encode(reply))

    def _last(self, error: grpc.aio.AioRpcError, exchange: Exchange) -> bytes:
        """What is said at the end: nothing if the caller only has to come again."""
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED or broken_off(error, self.rpc.upstream):
            return b""
        problem = from_rpc(error, self.rpc.upstream, "")
        return b"event: problem\ndata: %s\n\n" % problem.body(exchange.trace_id)

    async def _send_part(self, part: bytes, scope: Scope, send: Send) -> None:
        """Cuts off who does not read."""
        try:
            await asyncio.wait_for(
                send({"type": "http.response.body", "body": part, "more_body": True}), limits.UNREAD_SECONDS
            )
        except TimeoutError:
            if cycle := scope["cycle"]():
                cycle.transport.abort()
            raise ClientGone from None
