"""The running suite that is measured: started as `make run` starts it, seen from outside."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import nats
import psutil
from chassis.settings import SERVICES
from chassis.stack.folder import DataFolder
from chassis.stack.ports import HOST, free_ports
from chassis.stack.secrets_file import Secrets
from chassis.stack.starter import Options, Stack
from crmctl.connection import Client, connect
from crmctl.local import LocalStack
from nats.js import JetStreamContext

ENVIRONMENT = {
    "SAMPLE": "0",
    # Tracing is on, and no trace is sampled: what almost every request of a busy company is.
    "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
    "OTEL_TRACES_SAMPLER_ARG": "0",
    # A few callers read as much within minutes as a company does in weeks; nobody is to be stopped for that here.
    "READ_ALARM": "1000000000",
    "READ_LIMIT": "1000000000",
    "SYSTEM_READ_ALARM": "1000000000",
    "SYSTEM_READ_LIMIT": "1000000000",
}
REST_SECONDS = 600.0
# When a row was committed is only known with this; it costs a few bytes a transaction, pgbench's as ours.
COMMIT_TIMES = "ALTER SYSTEM SET track_commit_timestamp = on"
# Asked twenty times a second: counting all of a million would take the processor from those who publish them.
UNPUBLISHED = "SELECT count(*) FROM (SELECT FROM outbox WHERE position IS NULL LIMIT 100) unpublished"


@dataclass
class Stand:
    """A running suite: its client as administrator, a connection to each database, what its processes took."""

    process: asyncio.subprocess.Process
    stack: LocalStack
    client: Client
    databases: dict[str, asyncpg.Connection] = field(default_factory=dict)
    jetstream: JetStreamContext | None = None
    _tokens: dict[str, str] = field(default_factory=dict)

    @property
    def http_port(self) -> int:
        return int(self.stack.url.rpartition(":")[2])

    @property
    def postgres_port(self) -> int:
        return int(self.stack.addresses["postgres_port"])

    def grpc_address(self, service: str) -> str:
        """The service's own port, past the gateway."""
        return str(self.stack.addresses["services"][service])

    def token(self, subject: str) -> str:
        """A caller's token, one for this run; `renew` makes new ones."""
        if subject not in self._tokens:
            self._tokens[subject] = self.stack.mint(subject)
        return self._tokens[subject]

    def renew(self) -> None:
        """Forgets the tokens, which are good for a quarter of an hour."""
        self._tokens.clear()

    async def count(self, service: str, table: str) -> int:
        return int(await self.databases[service].fetchval(f'SELECT count(*) FROM "{table}"'))

    async def execute_as_superuser(self, sql: str) -> None:
        await _execute(Secrets.load(DataFolder(self.stack.data_dir).secrets).postgres, self.postgres_port, sql)

    async def rest(self, seconds: float = REST_SECONDS) -> None:
        """Returns when nothing is on its way: every event published, and taken in by everybody who listens."""
        async with asyncio.timeout(seconds):
            while await self.on_the_way():
                await asyncio.sleep(0.05)

    async def on_the_way(self, besides: str = "") -> int:
        """Events that are not published (up to 100 of each service), or not yet taken in by one of their consumers,
        `besides` left out."""
        assert self.jetstream is not None
        waiting = 0
        for database in self.databases.values():
            waiting += await database.fetchval(UNPUBLISHED)
        for service in SERVICES:
            for consumer in await self.jetstream.consumers_info(f"crm-{service}"):
                if consumer.name != besides:
                    waiting += (consumer.num_pending or 0) + (consumer.num_ack_pending or 0)
        return waiting

    @property
    def pids(self) -> dict[str, int]:
        """By the names of the logs; a process that was restarted has a new one."""
        book = DataFolder(self.stack.data_dir).addresses()
        return dict((book or self.stack.addresses)["pids"])

    def cpu(self) -> dict[str, float]:
        """Seconds of processor each process has taken since it began, with all its children."""
        return {name: sum(map(_seconds, family(pid))) for name, pid in self.pids.items()}


def family(pid: int) -> list[psutil.Process]:
    """A process and everything it started that lives."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    # Children that ended and were waited for: each connection of Postgres is one.
    return float(times.user + times.system + times.children_user + times.children_system)


@asynccontextmanager
async def stand(data_dir: Path) -> AsyncIterator[Stand]:
    """A suite in an empty folder, for as long as the block lasts."""
    await _prepare(data_dir)
    process = await _start(data_dir)
    try:
        client = connect(data_dir=data_dir)
        assert client.stack is not None
        made = Stand(process, client.stack, client)
        for service in SERVICES:
            made.databases[service] = await asyncpg.connect(client.stack.database_url(service), ssl=False)
        broker = await nats.connect(client.stack.nats_url)
        made.jetstream = broker.jetstream()
        try:
            yield made
        finally:
            await broker.close()
            await asyncio.gather(*(database.close() for database in made.databases.values()))
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def _prepare(data_dir: Path) -> None:
    """Makes the cluster and sets what only a restart makes true."""
    stack = Stack(Options(data_dir), lambda _: None)
    async with stack.stores():
        password, port = Secrets.load(stack.folder.secrets).postgres, stack.address_book()["postgres_port"]
        await _execute(password, port, COMMIT_TIMES)


async def _execute(password: str, port: int, sql: str) -> None:
    connection = await asyncpg.connect(f"postgresql://postgres:{password}@{HOST}:{port}/postgres", ssl=False)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


async def _start(data_dir: Path) -> asyncio.subprocess.Process:
    http_port, grpc_port = free_ports(2)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "crmctl", "up", "--data-dir", str(data_dir),
        "--http-port", str(http_port), "--grpc-port", str(grpc_port),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=os.environ | ENVIRONMENT,
    )  # fmt: skip
    assert process.stdout is not None
    said = []
    async for line in process.stdout:
        said.append(line.decode().rstrip())
        if said[-1].startswith("ready "):
            return process
    raise RuntimeError("the suite did not get ready:\n" + "\n".join(said))
