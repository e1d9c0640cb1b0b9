"""The whole suite as separate processes, each service behind proxies of its own, and what an operator can do to it."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import nats
from chassis.settings import SERVICES, package
from chassis.stack import databases
from chassis.stack.folder import DataFolder
from chassis.stack.issuer import mint
from chassis.stack.nats_server import NatsServer
from chassis.stack.plan import Addresses, Plan, Program, Stores, build
from chassis.stack.ports import free_ports
from chassis.stack.postgres import Postgres
from chassis.stack.secrets_file import Secrets
from chassis.stack.starter import Options, Stack
from chassis.stack.supervisor import Service
from chassis.values import new_id
from crmctl.backups.installation import Installation
from crmctl.backups.making import make
from crmctl.backups.manifest import verify
from crmctl.backups.progress import bars
from crmctl.backups.restoring import Unpublished, restore_one
from crmctl.reconciliation import Lost
from failures.chaos.proxy import Proxy

READY_SECONDS = 90
PUBLISHED_LOOKS = 500


class Operated(NatsServer):
    """A NATS server on whose store somebody works while it is down."""

    work: Callable[[], None] | None = None

    async def start(self) -> None:
        if self.work:
            self.work()
            self.work = None
        await super().start()


class Stage(Stack):
    """A suite to be hurt. `links` are the proxies: ("leads", "nats"), ("leads", "postgres"), …

    `mutants` names services that run with a defect of failures.mutants.
    """

    def __init__(
        self,
        data_dir: Path,
        mutants: Mapping[str, str] = MappingProxyType({}),
        services: tuple[str, ...] = SERVICES,
    ) -> None:
        self._mutants = mutants
        super().__init__(Options(data_dir, 0, 0, services), say=lambda _: None, plan=self._proxied)
        self.links: dict[tuple[str, str], Proxy] = {}
        self.known: Secrets | None = None
        self._stores: Stores | None = None
        self._opening: list[asyncio.Future[None]] = []

    async def start(self) -> dict:
        book = await super().start()
        await asyncio.gather(*self._opening)
        return book

    async def stop(self) -> None:
        for proxy in self.links.values():
            proxy.heal()
        await super().stop()
        for proxy in self.links.values():
            await proxy.stop()

    def servers(self, known: Secrets, at: Addresses, env: Mapping[str, str]) -> tuple[Postgres, NatsServer]:
        self.known = known
        folder = self.folder
        postgres = Postgres(folder.postgres, at.postgres_port, known.postgres, folder.log("postgres"))
        return postgres, Operated(folder.nats, at.nats_port, known.nats, folder.log("nats-server"))

    def _proxied(self, folder: DataFolder, addresses: Addresses, stores: Stores, known: Secrets) -> Plan:
        """The ordinary plan, with a proxy between each service and what it stands on."""
        self._stores = stores
        plan = build(folder, addresses, stores, known)
        ports = iter(free_ports(2 * len(SERVICES)))
        for number, program in enumerate(plan.services):
            if program.name not in SERVICES:
                continue
            env = dict(program.env)
            for what, setting in (("postgres", "DATABASE_URL"), ("nats", "NATS_URL")):
                port = next(ports)
                self.links[program.name, what] = Proxy(port, urlsplit(env[setting]).port or 0)
                env[setting] = at_port(env[setting], port)
            plan.services[number] = self._mutated(replace(program, env=env))
        self._opening = [asyncio.ensure_future(proxy.start()) for proxy in self.links.values()]
        return plan

    def _mutated(self, program: Program) -> Program:
        mutant = self._mutants.get(program.name)
        if mutant is None:
            return program
        env = {**program.env, "PYTHONPATH": str(Path(__file__).parents[2])}
        argv = (sys.executable, "-m", "failures.mutants", mutant, package(program.name))
        return replace(program, argv=argv, env=env)

    async def ready(self) -> None:
        """Returns when every process answers that it is ready."""
        async with asyncio.timeout(READY_SECONDS):
            for one in self.children.values():
                while isinstance(one, Service) and not await one.ready():
                    await asyncio.sleep(0.1)

    @property
    def nats_url(self) -> str:
        assert self._stores
        return self._stores.nats_admin_url

    def database_url(self, service: str) -> str:
        """The superuser's, past the proxies."""
        return databases.in_database(self.postgres.url, service)

    def owner_url(self, service: str) -> str:
        """The one that migrates, past the proxies."""
        assert self._stores
        return self._stores.owner_urls[service]

    @property
    def postgres(self) -> Postgres:
        return self.children["postgres"]

    def token(self, subject: str) -> str:
        return mint(self.folder.path, subject)

    # ---- what faults are made of

    def send(self, name: str, number: signal.Signals) -> None:
        process = self.children[name].process
        if process is not None and process.returncode is None:
            os.kill(process.pid, number)

    def kill(self, name: str) -> None:
        self.send(name, signal.SIGKILL)

    def skew(self, name: str, seconds: float) -> None:
        """The process comes back with a clock that is wrong by so much."""
        one = self.children[name]
        one.program = replace(one.program, env={**one.program.env, "CLOCK_OFFSET_SECONDS": str(seconds)})
        self.kill(name)

    def stored_streams(self, copy: Path) -> None:
        """NATS stops for a moment; a copy of its store is taken."""
        self._operate(partial(shutil.copytree, self._store, copy, dirs_exist_ok=True))

    def lose_streams(self) -> None:
        """NATS comes back with an empty folder."""
        self._operate(partial(shutil.rmtree, self._store))

    def roll_back_streams(self, copy: Path) -> None:
        """NATS comes back with the messages of `copy` and the consumers of now, where those are still there."""

        def replace_messages() -> None:
            for old in copy.rglob("msgs"):
                now = self._store / old.relative_to(copy)
                shutil.rmtree(now, ignore_errors=True)
                shutil.copytree(old, now)

        self._operate(replace_messages)

    @property
    def _store(self) -> Path:
        return self.folder.nats / "jetstream"

    def _operate(self, work: Callable[[], None]) -> None:
        self.children["nats-server"].work = work
        self.kill("nats-server")

    async def make_streams(self) -> None:
        """What an operator runs after NATS was lost."""
        env = os.environ | {"NATS_URL": self.nats_url}
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "chassis.streams", env=env)
        if await process.wait() != 0:
            raise RuntimeError("the streams could not be made")

    async def backup(self, service: str, folder: Path) -> None:
        with bars() as progress:
            await make(self.installation(service), folder, progress)

    async def restore(self, service: str, folder: Path) -> list[Lost] | None:
        """The service's database as it was, in a new epoch, by the operator's own way: what it had told since. None,
        and nothing done, if that was refused: the service had events that it had not published."""
        admin = await asyncpg.connect(self.postgres.url)
        try:
            await self._published(service)
            await admin.execute(f'ALTER ROLE "{service}" NOLOGIN')  # however often it is started again
            self.kill(service)
            await admin.fetch("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", service)
            with bars() as progress:
                return await restore_one(service, self.installation(service), folder, verify(folder), progress)
        except Unpublished:
            return None
        finally:
            await admin.execute(f'ALTER ROLE "{service}" LOGIN')
            await admin.close()

    async def _published(self, service: str) -> None:
        """Returns in a moment when everything was published, as an operator waits for crm_outbox_waiting 0; gives up
        after a while, since under load it may never be so for long."""
        connection = await asyncpg.connect(self.database_url(service))
        try:
            for _ in range(PUBLISHED_LOOKS):
                if not await connection.fetchval("SELECT count(*) FROM outbox WHERE position IS NULL"):
                    break
                await asyncio.sleep(0.02)
        finally:
            await connection.close()

    def installation(self, *services: str) -> Installation:
        """As an operator has it, with the databases of these services."""
        assert self._stores
        owners = {service: self._stores.owner_urls[service] for service in services}
        return Installation(owners, self.nats_url, self.folder.files.as_uri())

    async def heard(self, producer: str, subject: str) -> None:
        """Returns when all who listen for it took in every event about a record."""
        events = await self._ids(producer, f"SELECT id::text AS id FROM outbox WHERE subject = '{subject}'")
        client = await connect_nats(self.nats_url)
        try:
            found = await client.jetstream().consumers_info(f"crm-{producer}")
            listeners = [one.name for one in found if one.name in SERVICES]
        finally:
            await client.close()
        wanted = ", ".join(f"'{event}'" for event in events)
        for listener in listeners:
            taken = f"SELECT event_id::text AS id FROM inbox WHERE event_id IN ({wanted})"
            while len(await self._ids(listener, taken)) < len(events):
                await asyncio.sleep(0.1)

    async def _ids(self, service: str, sql: str) -> list[str]:
        connection = await asyncpg.connect(self.database_url(service))
        try:
            return [row["id"] for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    async def redeliver(self, service: str, order: Callable[[list], None], most: int = 200) -> int:
        """Puts copies of a stream's last events on it once more, in another order, as a careless operator would."""
        client = await connect_nats(self.nats_url)
        try:
            jetstream = client.jetstream()
            state = (await jetstream.stream_info(f"crm-{service}")).state
            found = []
            for number in range(max(state.first_seq, state.last_seq - most), state.last_seq + 1):
                try:
                    found.append(await jetstream.get_msg(f"crm-{service}", number))
                except nats.js.errors.NotFoundError:
                    continue
            order(found)
            for message in found:
                headers = {**message.headers, "Nats-Msg-Id": new_id()}
                await jetstream.publish(message.subject, message.data, headers=headers)
            return len(found)
        finally:
            await client.close()


async def connect_nats(url: str) -> nats.NATS:
    """An administrator's connection; it tries again in silence while the server is hurt."""

    async def quiet(_: Exception) -> None:
        """Whoever waits for an answer is told; a traceback for each attempt tells nobody more."""

    return await nats.connect(url, error_cb=quiet, max_reconnect_attempts=-1, reconnect_time_wait=0.2)


def at_port(url: str, port: int) -> str:
    """The same address on another port of this machine."""
    parts = urlsplit(url)
    login = f"{parts.username}:{parts.password}@" if parts.username else ""
    return urlunsplit(parts._replace(netloc=f"{login}127.0.0.1:{port}"))
