"""Starts and stops a whole suite on this machine, in order."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chassis.settings import SERVICES, variable
from chassis.stack import child, databases
from chassis.stack.errors import StackError
from chassis.stack.folder import DataFolder
from chassis.stack.issuer import SigningKey
from chassis.stack.nats_server import NatsServer
from chassis.stack.plan import Addresses, Plan, Program, Stores, build
from chassis.stack.ports import require_free
from chassis.stack.postgres import Postgres
from chassis.stack.secrets_file import Secrets
from chassis.stack.supervisor import Child, Say, Service, Supervisor, last_words, together

PlanBuilder = Callable[[DataFolder, Addresses, Stores, Secrets], Plan]


@dataclass(frozen=True)
class Options:
    """What a person chooses. Port 0 is any free one; `services` are those to run."""

    data_dir: Path
    http_port: int = 8080
    grpc_port: int = 9090
    services: tuple[str, ...] = SERVICES


class Stack:
    """One local suite. `start`, then `stop` in any case, also after a failed or cancelled start."""

    def __init__(self, options: Options, say: Say, plan: PlanBuilder = build) -> None:
        self.options, self.folder = options, DataFolder(options.data_dir)
        self._say, self._plan = say, plan
        self._services: Supervisor | None = None
        self._below: list[Supervisor] = []  # What the services stand on: tools and servers.
        self._addresses: Addresses | None = None

    async def start(self) -> dict[str, Any]:
        """Everything up and ready; returns the address book, which is also in `stack.json`. Raises StackError."""
        self.folder.open()
        self._require_public_ports()
        known = Secrets.load(self.folder.secrets)
        await asyncio.to_thread(SigningKey.of, self.folder)  # Made before the issuer and crmctl could both make one.
        self._addresses = Addresses.choose(self.options.http_port, self.options.grpc_port, self.options.services)
        postgres, nats = self.servers(known, self._addresses, os.environ)
        stores = _stores(postgres, nats, known, os.environ)
        plan = self._plan(self.folder, self._addresses, stores, known)
        tools = Supervisor([self._service(program) for program in plan.tools], self._say, self._publish)
        self._below.append(tools)
        await tools.start()
        await self._start_servers(postgres, nats, known)
        self._say("Preparing databases and streams ...")
        await together(self._finish(program) for program in plan.preparations)
        self._services = Supervisor([self._service(program) for program in plan.services], self._say, self._publish)
        await self._services.start()
        self._publish()
        self._say(f"Waiting for {len(plan.services)} processes to be ready ...")
        await together(supervisor.ready() for supervisor in (tools, self._services))
        return self.address_book()

    @asynccontextmanager
    async def stores(self) -> AsyncIterator[Stores]:
        """Only what the services stand on, with their databases made, for work on the data while none of them runs.
        Raises StackError."""
        self.folder.open()
        try:
            known = Secrets.load(self.folder.secrets)
            self._addresses = Addresses.choose(0, 0, self.options.services)
            postgres, nats = self.servers(known, self._addresses, os.environ)
            await self._start_servers(postgres, nats, known)
            yield _stores(postgres, nats, known, os.environ)
        finally:
            await self.stop()

    async def _start_servers(self, postgres: Postgres | None, nats: NatsServer | None, known: Secrets) -> None:
        self._say("Starting Postgres and NATS ..." if postgres or nats else "Using the given servers ...")
        servers = Supervisor([one for one in (postgres, nats) if one is not None], self._say, self._publish)
        self._below.append(servers)
        await servers.start()
        if postgres is not None:
            await databases.ensure(
                postgres.url, {service: known.databases[service] for service in self._without_url(os.environ)}
            )

    async def stop(self) -> None:
        """Services first, while what they need still runs; then tools and servers. Within 10 s, and nothing is left."""
        if self._services is not None:
            await self._services.stop()
        await asyncio.gather(*(supervisor.stop() for supervisor in self._below))
        self.folder.close()

    def address_book(self) -> dict[str, Any]:
        """Who listens where, with the process ids of now. No secrets."""
        assert self._addresses is not None
        at = self._addresses
        return {
            "pid": os.getpid(),
            "http": f"http://{at.http}",
            "grpc": at.grpc,
            "issuer": at.issuer_url,
            "sink": f"http://{at.sink}",
            "postgres_port": at.postgres_port,
            "nats_port": at.nats_port,
            "services": at.services,
            "admin": at.services_admin | {"gateway": at.gateway_admin},
            "pids": {name: one.process.pid for name, one in self.children.items() if one.process is not None},
        }

    @property
    def children(self) -> dict[str, Child]:
        """What runs, by the names of the logs."""
        supervisors = [*self._below, *([self._services] if self._services else [])]
        return {one.name: one for supervisor in supervisors for one in supervisor.children}

    def _publish(self) -> None:
        self.folder.publish(self.address_book())

    def _service(self, program: Program) -> Service:
        return Service(program, self.folder.run, self.folder.log(program.name))

    async def _finish(self, program: Program) -> None:
        """Run a preparation to its end. Raises StackError with its last line if it fails."""
        log = self.folder.log(program.name)
        process = await child.spawn(program.argv, program.env, self.folder.run, log, death_signal=signal.SIGKILL)
        try:
            status = await process.wait()
        except asyncio.CancelledError:
            await child.stop(process, ())
            raise
        if status != 0:
            raise StackError(f"{program.name} failed; {last_words(log)}")

    def _require_public_ports(self) -> None:
        http_port, grpc_port = self.options.http_port, self.options.grpc_port
        if http_port and http_port == grpc_port:
            raise StackError(f"Port {http_port} cannot serve both: give --http-port and --grpc-port different numbers.")
        require_free(http_port, "--http-port", "HTTP_PORT")
        require_free(grpc_port, "--grpc-port", "GRPC_PORT")

    def servers(
        self, known: Secrets, at: Addresses, env: Mapping[str, str]
    ) -> tuple[Postgres | None, NatsServer | None]:
        """The servers that nobody gave us."""
        postgres = nats = None
        if self._without_url(env):
            postgres = Postgres(self.folder.postgres, at.postgres_port, known.postgres, self.folder.log("postgres"))
        if not env.get("NATS_URL"):
            nats = NatsServer(self.folder.nats, at.nats_port, known.nats, self.folder.log("nats-server"))
        return postgres, nats

    def _without_url(self, env: Mapping[str, str]) -> list[str]:
        """The services whose database the environment does not give."""
        return [service for service in self.options.services if not env.get(variable("DATABASE_URL", service))]


def _stores(postgres: Postgres | None, nats: NatsServer | None, known: Secrets, env: Mapping[str, str]) -> Stores:
    """What the environment gives, else the embedded servers. A given NATS has one login for everybody."""
    urls, owner_urls = {}, {}
    for service in SERVICES:
        given = env.get(variable("DATABASE_URL", service))
        if given:
            urls[service] = given
            owner_urls[service] = env.get(f"{variable('DATABASE_URL', service)}_OWNER") or given
        elif postgres is not None:
            role = known.databases[service]
            urls[service] = databases.as_role(postgres.url, service, role.data, service)
            owner_urls[service] = databases.as_role(postgres.url, f"{service}_owner", role.owner, service)
    given_nats = env.get("NATS_URL", "")
    return Stores(
        owner_urls=owner_urls,
        urls=urls,
        nats_urls={service: nats.url(service) if nats else given_nats for service in SERVICES},
        nats_admin_url=nats.url() if nats else given_nats,
    )
