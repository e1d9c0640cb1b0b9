"""Runs the gateway until SIGTERM: REST, gRPC and admin ports in one process."""

import asyncio
import gc
import logging
import resource
import signal
import socket
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import uvicorn
import uvloop

import gateway.admin as admin
import gateway.app as app
import gateway.grpc_proxy as grpc_proxy
from chassis import telemetry, tls
from gateway import limits
from gateway.admission import Admission
from gateway.connections import Connections
from gateway.contract import Contract
from gateway.routes import BadContract
from gateway.settings import Address, SettingError, Settings
from gateway.upstreams import Upstreams

log = logging.getLogger("crm.gateway")
# An orchestrator kills after 10 s by this suite's charts; two are left for telemetry and the exit.
DRAIN_SECONDS = 8
# Besides HTTP connections: the gRPC port's, the services' channels, logs.
FILES_BESIDE = limits.GRPC_CONNECTIONS + 256


def listen(address: Address) -> socket.socket:
    """A bound socket; raises SettingError for a taken port or an address this machine does not have."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    bound = socket.socket(family)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((address.host, address.port))
    except OSError as error:
        raise SettingError(f"{address.setting}: cannot listen on {address}: {error.strerror}") from None
    return bound


class Server(uvicorn.Server):
    """A uvicorn server that leaves signals to us: there are two of them, and a gRPC server, in this process."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()


def server(application: Any, **more: Any) -> Server:
    """An HTTP server that is given its socket later."""
    config = uvicorn.Config(
        application, lifespan="off", ws="none", log_config=None, access_log=False, server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS, backlog=1024, timeout_keep_alive=limits.IDLE_SECONDS, **more,
    )  # fmt: skip
    return Server(config)


def most_connections() -> int:
    """As many as limits.CONNECTIONS, if this process may open so many files; it is allowed as many as it asks for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.CONNECTIONS + FILES_BESIDE
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        if soft < wanted:
            log.warning("%d files may be open: at most %d HTTP connections", soft, soft - FILES_BESIDE)
        return max(soft - FILES_BESIDE, 1)
    return limits.CONNECTIONS


async def serve(settings: Settings) -> None:
    """Starts everything, waits for SIGTERM or SIGINT, finishes what was begun."""
    contract = Contract(settings.descriptors)
    upstreams = Upstreams(contract, settings.upstreams)
    metrics, admission = admin.Metrics(), Admission(contract.upstreams)
    gate = app.build(contract, upstreams, metrics, admission.streams)
    connections = Connections(admission, gate.routes.service, gate.refused, most_connections())
    metrics.sections += [admission.text, connections.text]
    web = server(gate, http=connections.protocol)
    inside = server(admin.build(metrics))
    proxy, health = grpc_proxy.build(contract, upstreams, admission)
    web_socket, admin_socket = listen(settings.http), listen(settings.admin)
    try:
        tls.listen(proxy, str(settings.grpc))
    except RuntimeError:
        raise SettingError(f"{settings.grpc.setting}: cannot listen on {settings.grpc}") from None
    log.info("listening: HTTP %s, gRPC %s, admin %s", settings.http, settings.grpc, settings.admin)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await proxy.start()
    tasks = [asyncio.create_task(web.serve([web_socket])), asyncio.create_task(inside.serve([admin_socket]))]
    gc.collect()
    gc.freeze()  # contract, routes and codec stay; looking through them again would hold up every answer
    gc.set_threshold(20_000, 20, 50)
    sweeping = asyncio.create_task(connections.watch())
    await stop.wait()
    metrics.draining = True
    await health.enter_graceful_shutdown()
    web.should_exit = True
    admission.streams.stop()
    await asyncio.gather(tasks[0], proxy.stop(DRAIN_SECONDS))
    sweeping.cancel()
    inside.should_exit = True
    await tasks[1]
    await upstreams.close()


def main() -> int:
    """The exit code: 0 after a drain, 2 for a setting that is wrong."""
    provider = telemetry.start("gateway")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)  # it has a line for every start and stop of each server
    try:
        uvloop.run(serve(Settings.read()))
    except (SettingError, BadContract) as error:
        print(f"gateway: {error}", file=sys.stderr)
        return 2
    finally:
        provider.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
