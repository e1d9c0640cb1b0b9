"""One gRPC port for all services: calls pass through as bytes, in the shape their descriptors say."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeAlias

import grpc
from chassis.statuses import to_status
from google.protobuf import duration_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status

from gateway import limits, problems
from gateway.admission import CALLER, EVERYBODY, Admission, Refused
from gateway.contract import Contract, Rpc
from gateway.upstreams import Upstreams

# What a service may know of the caller; everything else a caller sends stays here.
PASSED = ("authorization", "crm-actor", "traceparent")
REFUSALS = {error.reason: to_status(error) for error in (CALLER, EVERYBODY)}
Context: TypeAlias = grpc.aio.ServicerContext


OPTIONS = [
    ("grpc.max_receive_message_length", limits.BULK_MESSAGE_BYTES),
    ("grpc.max_send_message_length", limits.BULK_MESSAGE_BYTES),
    ("grpc.max_metadata_size", limits.HEAD_BYTES),
    # A taken port must be an error here, not shared in silence with the other process.
    ("grpc.so_reuseport", 0),
    ("grpc.max_allowed_incoming_connections", limits.GRPC_CONNECTIONS),
    # More calls at a time on one connection wait in the client; it may open another.
    ("grpc.max_concurrent_streams", 100),
    # A connection without calls is closed after five minutes, and every one after half an hour, so that balancers can
    # spread them anew and no stream is endless. Clients connect again by themselves.
    ("grpc.max_connection_idle_ms", 300_000),
    ("grpc.max_connection_age_ms", 1_800_000),
    ("grpc.max_connection_age_grace_ms", 330_000),  # longer than a watch lasts
    # A client that is gone without a word is noticed; one that pings more often than each 10 s is told to stop.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_ping_strikes", 2),
]


def build(
    contract: Contract, upstreams: Upstreams, admission: Admission
) -> tuple[grpc.aio.Server, health.HealthServicer]:
    """The server (no port bound yet) and its health, which the drain turns to NOT_SERVING."""
    server = grpc.aio.server(options=OPTIONS)
    server.add_generic_rpc_handlers((Proxy(contract, upstreams, admission),))
    status = Health(contract, upstreams)
    health_pb2_grpc.add_HealthServicer_to_server(status, server)
    reflection.enable_server_reflection(
        [*sorted({rpc.service for rpc in contract.public}), "grpc.health.v1.Health", reflection.SERVICE_NAME],
        server,
        pool=reflected(contract),
    )
    return server, status


def reflected(contract: Contract) -> DescriptorPool:
    """What reflection shows: the public methods, and health beside them."""
    pool = DescriptorPool()
    for file in contract.public_files():
        pool.Add(file)
    pool.AddSerializedFile(health_pb2.DESCRIPTOR.serialized_pb)
    return pool


class Proxy(grpc.GenericRpcHandler):
    """Finds the handler of a public method; internal and unknown ones are UNIMPLEMENTED alike, and visitors'."""

    def __init__(self, contract: Contract, upstreams: Upstreams, admission: Admission) -> None:
        served = [rpc for rpc in contract.public if not rpc.anonymous]
        self._handlers = {rpc.path: handler(rpc, upstreams.channel(rpc.upstream), admission) for rpc in served}

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        return self._handlers.get(details.method)


def handler(rpc: Rpc, channel: grpc.aio.Channel | None, admission: Admission) -> grpc.RpcMethodHandler:
    """A handler without serializers: requests and answers stay bytes. Every request is read as a stream, also where
    there is one: a caller who is refused, or sends nothing, is then noticed before it has sent everything."""
    make: Callable[..., grpc.RpcMethodHandler] = getattr(
        grpc, f"stream_{'stream' if rpc.server_streaming else 'unary'}_rpc_method_handler"
    )
    if channel is None:
        return make(refused(rpc))
    shape = f"{'stream' if rpc.client_streaming else 'unary'}_{'stream' if rpc.server_streaming else 'unary'}"
    call = getattr(channel, shape)(rpc.path)
    if rpc.client_streaming or rpc.server_streaming:
        answer = Streaming(rpc, call, admission)
        return make(answer.many if rpc.server_streaming else answer.one)
    return make(Unary(rpc, call, admission).answer)


class Unary:
    """Passes calls of a method with one answer; their deadline is the caller's, at most the cap."""

    def __init__(self, rpc: Rpc, call: Any, admission: Admission) -> None:
        self._rpc, self._call = rpc, call
        self._lane = admission.lanes[rpc.upstream]
        self._largest = limits.BULK_MESSAGE_BYTES if rpc.bulk else limits.MESSAGE_BYTES

    async def answer(self, requests: AsyncIterator[bytes], context: Context) -> bytes:
        place = None
        learn = False
        try:
            place = await self._lane.place(caller(context))
            place.pause()
            request = await only(requests, context, self._largest)
            await place.resume()
            left = context.time_remaining()
            seconds = limits.DEFAULT_SECONDS if left is None else min(left, limits.MAX_SECONDS)
            upstream = self._call(request, timeout=seconds, metadata=passed(context))
            try:
                reply = await upstream
                learn = True
            except grpc.aio.AioRpcError as error:
                learn = error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
                await fail(context, error, self._rpc.upstream)
            await introduce(upstream, context)
            context.set_trailing_metadata(tuple(await upstream.trailing_metadata()))
            return reply
        except Refused as full:
            await context.abort_with_status(REFUSALS[full.error.reason])
            raise AssertionError("abort raises") from full
        finally:
            if place is not None:
                place.leave(self._rpc.path, learn, answered=not context.cancelled())


async def only(requests: AsyncIterator[bytes], context: Context, largest: int) -> bytes:
    """The one request of a call, if it comes in time and is not too large."""
    try:
        async with asyncio.timeout(limits.BODY_SECONDS):
            async for request in requests:
                if len(request) > largest:
                    text = f"the request may have {largest} bytes, not {len(request)}"
                    await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, text)
                return request
    except TimeoutError:
        text = f"the request did not arrive within {limits.BODY_SECONDS:g} seconds"
        await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, text)
    await context.abort(grpc.StatusCode.INTERNAL, "the call ended without a request")
    raise AssertionError("abort raises")


class Streaming:
    """Passes calls with several requests or answers. A watch has no deadline but the caller's and the connection's
    age; it is one of so many streams, and none of its service's places: it would hold one for as long as it lasts."""

    def __init__(self, rpc: Rpc, call: Any, admission: Admission) -> None:
        self._rpc, self._call, self._streams = rpc, call, admission.streams

    async def one(self, requests: AsyncIterator[bytes], context: Context) -> bytes:
        try:
            with self._streams.place(caller(context)) as keep:
                upstream = keep(self._call(requests, timeout=context.time_remaining(), metadata=passed(context)))
                reply: bytes = await upstream
                await introduce(upstream, context)
                context.set_trailing_metadata(tuple(await upstream.trailing_metadata()))
                return reply
        except Refused as full:
            await context.abort_with_status(REFUSALS[full.error.reason])
        except grpc.aio.AioRpcError as error:
            await fail(context, error, self._rpc.upstream)
        raise AssertionError("abort raises")

    async def many(self, requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        try:
            with self._streams.place(caller(context)) as keep:
                sent: Any = requests
                if not self._rpc.client_streaming:
                    sent = await only(requests, context, limits.MESSAGE_BYTES)
                upstream = keep(self._call(sent, timeout=context.time_remaining(), metadata=passed(context)))
                await introduce(upstream, context)
                async for reply in upstream:
                    yield reply
                context.set_trailing_metadata(tuple(await upstream.trailing_metadata()))
        except Refused as full:
            await context.abort_with_status(REFUSALS[full.error.reason])
        except grpc.aio.AioRpcError as error:
            await fail(context, error, self._rpc.upstream)
        except asyncio.CancelledError:
            if not self._streams.stopping:
                raise


def caller(context: Context) -> int:
    """Who calls, for fair shares: the token, or without one the address."""
    for key, value in context.invocation_metadata() or ():
        if key == "authorization":
            return hash(value.encode() if isinstance(value, str) else value)
    return hash(context.peer().rpartition(":")[0])


def refused(rpc: Rpc) -> Callable[[Any, Context], Any]:
    """Refuses the calls of a service that is not running here."""

    async def answer(request: Any, context: Context) -> None:
        await context.abort(grpc.StatusCode.UNAVAILABLE, problems.not_configured(rpc.upstream))

    async def answers(request: Any, context: Context) -> AsyncIterator[bytes]:
        await answer(request, context)
        yield b""  # never reached: abort raises

    return answers if rpc.server_streaming else answer


async def introduce(upstream: Any, context: Context) -> None:
    """Passes the initial metadata on, if the service sent any."""
    initial = tuple(await upstream.initial_metadata())
    if initial:
        await context.send_initial_metadata(initial)


async def fail(context: Context, error: grpc.aio.AioRpcError, upstream: str) -> None:
    """Ends the call with the service's own status, details and trailing metadata; if the service broke off, with
    UNAVAILABLE and a reason that says whether the call may have been executed."""
    if broken := problems.broken_off(error, upstream):
        reason, text = broken
        status = status_pb2.Status(code=code_pb2.UNAVAILABLE, message=text)
        status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain="crm"))
        delay = duration_pb2.Duration(seconds=problems.RETRY_AFTER_SECONDS)
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
        await context.abort_with_status(rpc_status.to_status(status))
    await context.abort(error.code(), error.details() or "", tuple(error.trailing_metadata() or ()))


def passed(context: Context) -> list[tuple[str, str]]:
    return [(key, value) for key, value in context.invocation_metadata() or () if key in PASSED]


class Health(health.HealthServicer):
    """The gateway's own health under ""; a service's name is answered by the service itself, never from memory."""

    def __init__(self, contract: Contract, upstreams: Upstreams) -> None:
        super().__init__()
        self._stubs = {
            rpc.service: health_pb2_grpc.HealthStub(channel)
            for rpc in contract.public
            if (channel := upstreams.channel(rpc.upstream)) is not None
        }

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Context) -> health_pb2.HealthCheckResponse:
        stub = self._stubs.get(request.service)
        if stub is None:
            return await super().Check(request, context)
        try:
            return await stub.Check(health_pb2.HealthCheckRequest(), timeout=1.0)
        except grpc.aio.AioRpcError:
            return health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.NOT_SERVING)
