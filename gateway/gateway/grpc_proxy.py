"""One gRPC port for all services: calls pass through as bytes, in the shape their descriptors say."""

from collections.abc import AsyncIterator, Callable
from typing import Any, TypeAlias

import grpc
from google.protobuf import duration_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status

from gateway import limits, problems
from gateway.contract import Contract, Rpc
from gateway.upstreams import Upstreams

# What a service may know of the caller; everything else a caller sends stays here.
PASSED = ("authorization", "crm-actor", "traceparent")
Context: TypeAlias = grpc.aio.ServicerContext


def build(contract: Contract, upstreams: Upstreams) -> tuple[grpc.aio.Server, health.HealthServicer]:
    """The server (no port bound yet) and its health, which the drain turns to NOT_SERVING."""
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", limits.BULK_MESSAGE_BYTES),
            ("grpc.max_send_message_length", limits.BULK_MESSAGE_BYTES),
            ("grpc.max_metadata_size", limits.HEAD_BYTES),
            # A taken port must be an error here, not shared in silence with the other process.
            ("grpc.so_reuseport", 0),
        ],
        maximum_concurrent_rpcs=limits.IN_FLIGHT,
    )
    server.add_generic_rpc_handlers((Proxy(contract, upstreams),))
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
    """Finds the handler of a public method; internal and unknown ones are UNIMPLEMENTED alike."""

    def __init__(self, contract: Contract, upstreams: Upstreams) -> None:
        self._handlers = {rpc.path: handler(rpc, upstreams.channel(rpc.upstream)) for rpc in contract.public}

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        return self._handlers.get(details.method)


def handler(rpc: Rpc, channel: grpc.aio.Channel | None) -> grpc.RpcMethodHandler:
    """A handler without serializers: requests and answers stay bytes."""
    shape = f"{'stream' if rpc.client_streaming else 'unary'}_{'stream' if rpc.server_streaming else 'unary'}"
    make: Callable[..., grpc.RpcMethodHandler] = getattr(grpc, f"{shape}_rpc_method_handler")
    if channel is None:
        return make(refused(rpc))
    call = getattr(channel, shape)(rpc.path)
    return make(answer_many(rpc, call) if rpc.server_streaming else answer_one(rpc, call))


def answer_one(rpc: Rpc, call: Any) -> Callable[[Any, Context], Any]:
    """Passes a call with one answer; its deadline is the caller's, at most the cap."""
    largest = limits.BULK_MESSAGE_BYTES if rpc.bulk else limits.MESSAGE_BYTES

    async def answer(request: Any, context: Context) -> bytes:
        if isinstance(request, bytes) and len(request) > largest:
            text = f"the request may have {largest} bytes, not {len(request)}"
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, text)
        left = context.time_remaining()
        seconds = limits.DEFAULT_SECONDS if left is None else min(left, limits.MAX_SECONDS)
        upstream = call(request, timeout=seconds, metadata=passed(context))
        try:
            reply = await upstream
        except grpc.aio.AioRpcError as error:
            await fail(context, error, rpc.upstream)
        await introduce(upstream, context)
        context.set_trailing_metadata(tuple(await upstream.trailing_metadata()))
        return reply

    return answer


def answer_many(rpc: Rpc, call: Any) -> Callable[[Any, Context], AsyncIterator[bytes]]:
    """Passes a call with a stream of answers; a watch has no deadline but the caller's."""

    async def answer(request: Any, context: Context) -> AsyncIterator[bytes]:
        upstream = call(request, timeout=context.time_remaining(), metadata=passed(context))
        try:
            await introduce(upstream, context)
            async for reply in upstream:
                yield reply
            context.set_trailing_metadata(tuple(await upstream.trailing_metadata()))
        except grpc.aio.AioRpcError as error:
            await fail(context, error, rpc.upstream)
        finally:
            upstream.cancel()

    return answer


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
