"""A real gateway on free ports, in front of a gRPC server that plays all services.

The image of the protos is the suite's own plus everything.proto, which has what the suite does not use yet.
"""

import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import grpc
import grpc_tools
import httpx
import pytest
import pytest_asyncio
from gateway.__main__ import server
from gateway.admission import Admission
from gateway.connections import Connections
from gateway.contract import Contract, Rpc
from gateway.settings import descriptors
from gateway.upstreams import Upstreams
from google.protobuf import descriptor_pb2
from grpc_tools import protoc

from gateway import admin, app, grpc_proxy

MOST_CONNECTIONS = 1_000
HERE = Path(__file__).parent
# Who does not say who he is gets no further than the gate; what the services make of it is their matter.
IDENTIFIED = {"authorization": "Bearer anybody"}
Reply = Callable[[Any, grpc.aio.ServicerContext], Awaitable[Any]]


@dataclass
class Seen:
    """One call as a service received it."""

    method: str
    request: Any
    metadata: dict[str, Any]
    seconds: float | None


@dataclass
class World:
    """The services behind the gateway: what they were asked, and what they shall answer (else an empty message)."""

    seen: list[Seen] = field(default_factory=list)
    replies: dict[str, Reply] = field(default_factory=dict)
    streamed: dict[str, list[Any]] = field(default_factory=dict)  # what a method with many answers shall say
    watch_fails_at_once: bool = False

    def reset(self) -> None:
        self.seen.clear()
        self.replies.clear()
        self.streamed.clear()
        self.watch_fails_at_once = False

    @property
    def last(self) -> Seen:
        return self.seen[-1]

    def answer(self, method: str, **values: Any) -> None:
        """Lets a method answer a message with these values."""

        async def reply(request: Any, context: grpc.aio.ServicerContext) -> dict[str, Any]:
            return values

        self.replies[method] = reply

    def fail(self, method: str, code: grpc.StatusCode, text: str = "", trailing: tuple[Any, ...] = ()) -> None:
        async def reply(request: Any, context: grpc.aio.ServicerContext) -> None:
            await context.abort(code, text, trailing)

        self.replies[method] = reply

    def handler(self, rpc: Rpc) -> grpc.RpcMethodHandler:
        async def one(request: Any, context: grpc.aio.ServicerContext) -> Any:
            if rpc.client_streaming:
                request = [item async for item in request]
            metadata = dict(context.invocation_metadata() or ())
            self.seen.append(Seen(rpc.name, request, metadata, context.time_remaining()))
            if rpc.name not in self.replies:
                return rpc.reply_class()
            reply = await self.replies[rpc.name](request, context)
            return rpc.reply_class(**reply) if isinstance(reply, dict) else reply

        async def many(request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
            self.seen.append(Seen(rpc.name, request, dict(context.invocation_metadata() or ()), None))
            for reply in self.streamed.get(
                rpc.name, [] if self.watch_fails_at_once else [{"i32": n} for n in range(3)]
            ):
                yield rpc.reply_class(**reply) if isinstance(reply, dict) else reply
            if rpc.name in self.replies:
                await self.replies[rpc.name](request, context)

        shape = f"{'stream' if rpc.client_streaming else 'unary'}_{'stream' if rpc.server_streaming else 'unary'}"
        make = getattr(grpc, f"{shape}_rpc_method_handler")
        return make(
            many if rpc.server_streaming else one,
            request_deserializer=rpc.request_class.FromString,
            response_serializer=lambda reply: reply.SerializeToString(),
        )


@dataclass
class Running:
    """A gateway that answers."""

    http: httpx.AsyncClient
    port: int
    grpc: grpc.aio.Channel
    world: World
    contract: Contract
    target: str
    admission: Admission
    connections: Connections


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """crm.binpb with everything.proto in it."""
    google = str(distribution("googleapis-common-protos").locate_file(""))
    folders = [HERE, descriptors().parents[1], google, Path(grpc_tools.__file__).parent / "_proto"]
    arguments = ["protoc", *[f"-I{folder}" for folder in folders], "--include_imports", "--include_source_info"]
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "image.binpb"
        assert protoc.main([*arguments, f"--descriptor_set_out={out}", "everything.proto"]) == 0
        more = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())
    files = descriptor_pb2.FileDescriptorSet.FromString(descriptors().read_bytes())
    known = {file.name for file in files.file}
    files.file.extend(file for file in more.file if file.name not in known)
    path = tmp_path_factory.mktemp("image") / "all.binpb"
    path.write_bytes(files.SerializeToString())
    return path


@pytest.fixture(scope="session")
def contract(image: Path) -> Contract:
    return Contract(image)


class Services(grpc.GenericRpcHandler):
    def __init__(self, world: World, contract: Contract) -> None:
        self._handlers = {rpc.path: world.handler(rpc) for rpc in contract.rpcs}

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        return self._handlers.get(details.method)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack(contract: Contract) -> AsyncIterator[Running]:
    """One gateway for all tests. The service `marketing` is not configured."""
    world = World()
    service = grpc.aio.server(options=[("grpc.max_receive_message_length", 16 << 20), ("grpc.so_reuseport", 0)])
    service.add_generic_rpc_handlers((Services(world, contract),))
    target = f"127.0.0.1:{service.add_insecure_port('127.0.0.1:0')}"
    await service.start()
    targets = dict.fromkeys(contract.upstreams - {"marketing", "sales"}, target) | {"sales": f"127.0.0.1:{dead_port()}"}
    upstreams = Upstreams(contract, targets)
    admission = Admission(contract.upstreams)
    gate = app.build(contract, upstreams, admin.Metrics(), admission.streams)
    connections = Connections(admission, gate.routes.service, gate.refused, MOST_CONNECTIONS)
    web = server(gate, http=connections.protocol)
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)  # else the kernel hides who does not read
    port = listening.getsockname()[1]
    proxy, _ = grpc_proxy.build(contract, upstreams, admission)
    grpc_port = proxy.add_insecure_port("127.0.0.1:0")
    await proxy.start()
    tasks = [asyncio.create_task(web.serve([listening])), asyncio.create_task(connections.watch())]
    async with (
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20, headers=IDENTIFIED) as http,
        grpc.aio.insecure_channel(f"127.0.0.1:{grpc_port}") as channel,
    ):
        yield Running(http, port, channel, world, contract, target, admission, connections)
    web.should_exit = True
    await tasks[0]
    tasks[1].cancel()
    await proxy.stop(1)
    await upstreams.close()
    await service.stop(1)


@pytest.fixture
def gateway(stack: Running) -> Iterator[Running]:
    """The running gateway with a world that has forgotten the test before."""
    stack.world.reset()
    return stack


def dead_port() -> int:
    """A port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]
