"""What the roles of Postgres and the users of NATS may do, and what a server survives."""

import asyncio
import os
import shutil
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import nats
import pytest
from chassis.stack.errors import StackError
from chassis.stack.names import inbox_prefix, stream, subjects
from chassis.stack.ports import free_port
from chassis.stack.postgres import Postgres
from chassis.testing import Backend, Database
from nats.aio.client import Client


@pytest.fixture(scope="module")
def notes(servers: Backend) -> Database:
    """A database with a table, as a migration leaves it."""
    database = servers.create_database("leads")
    asyncio.run(execute(database.owner_url, "create table notes (id serial primary key, body text)"))
    return database


async def execute(url: str, *statements: str) -> object:
    """The first value of the last statement's answer."""
    connection = await asyncpg.connect(url, ssl=False)
    try:
        answer = None
        for statement in statements:
            answer = await connection.fetchval(statement)
        return answer
    finally:
        await connection.close()


def test_the_data_role_reads_and_writes_tables_that_the_owner_made_later(notes: Database) -> None:
    write = "insert into notes (body) values ('one') returning body"
    assert asyncio.run(execute(notes.url, write)) == "one"
    asyncio.run(execute(notes.url, "update notes set body = 'two'", "delete from notes"))
    assert asyncio.run(execute(notes.url, "select count(*) from notes")) == 0


@pytest.mark.parametrize(
    "forbidden",
    [
        "create table mine (a int)",
        "drop table notes",
        "truncate notes",
        "create schema mine",
        "alter table notes add b int",
    ],
)
def test_the_data_role_cannot_change_the_schema(notes: Database, forbidden: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        asyncio.run(execute(notes.url, forbidden))


def test_the_data_role_may_use_temporary_tables(notes: Database) -> None:
    assert asyncio.run(execute(notes.url, "create temp table t as select 7 as a", "select a from t")) == 7


def test_a_copied_database_has_the_tables_and_the_same_rights(servers: Backend, notes: Database) -> None:
    copy = servers.create_database("leads", like=notes)
    assert asyncio.run(execute(copy.url, "insert into notes (body) values ('x') returning body")) == "x"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        asyncio.run(execute(copy.url, "drop table notes"))
    servers.drop_database(copy)
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        asyncio.run(execute(copy.url, "select 1"))


def test_an_old_backend_of_a_killed_postgres_is_gone_before_the_next_start(tmp_path: Path) -> None:
    async def run() -> object:
        log = tmp_path / "postgres.log"
        first = Postgres(tmp_path / "postgres", free_port(), "secret", log)
        await first.start()
        await execute(first.url, "create table kept as select 42 as answer")
        busy = asyncio.create_task(execute(first.url, "set application_name = 'busy'", "select pg_sleep(600)"))
        while not await execute(first.url, "select count(*) from pg_stat_activity where query ~ '^select pg_sleep'"):
            pass
        assert first.process is not None
        os.kill(first.process.pid, signal.SIGSTOP)  # It can tell nobody that it is about to die ...
        os.kill(first.process.pid, signal.SIGKILL)  # ... and its sleeping backend holds the shared memory.
        second = Postgres(tmp_path / "postgres", free_port(), "secret", log)
        try:
            await second.start()
            return await execute(second.url, "select answer from kept")
        finally:
            await second.stop()
            await asyncio.gather(busy, return_exceptions=True)

    assert asyncio.run(run()) == 42


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_without_user_namespaces_is_told_what_to_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    setpriv = shutil.which("setpriv")
    assert setpriv
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "setpriv").symlink_to(setpriv)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(StackError, match="start as an ordinary user"):
        asyncio.run(Postgres(closed / "postgres", free_port(), "secret", closed / "log").start())
    assert not (closed / "postgres").exists()


def with_clients(servers: Backend, use: Callable[[Client, Client, Client], Awaitable[None]]) -> None:
    """Run `use` as the administrator, as contracts and as service-desk; the stream of contracts exists."""

    async def run() -> None:
        admin = await nats.connect(servers.nats_url)
        services = [
            await nats.connect(servers.nats_url_for(name), inbox_prefix=inbox_prefix(name), error_cb=quiet)
            for name in ("contracts", "service-desk")
        ]
        try:
            name = stream("contracts")
            await admin.jetstream().add_stream(name=name, subjects=[subjects("contracts")])
            await admin.jetstream().add_consumer(name, durable_name="service-desk", ack_policy="explicit")
            await admin.jetstream().add_consumer(name, durable_name="insights", ack_policy="explicit")
            await use(admin, *services)
        finally:
            for client in (admin, *services):
                await client.close()
            servers.clear_streams()

    async def quiet(_: Exception) -> None:
        """Refusals are what is tested; the client would print each."""

    asyncio.run(run())


def test_a_service_publishes_its_own_events_and_another_pulls_and_acknowledges_them(servers: Backend) -> None:
    async def use(admin: Client, contracts: Client, desk: Client) -> None:
        sent = await contracts.jetstream().publish("crm.contracts.v1.ContractActivated", b"payload")
        assert sent.stream == "crm-contracts"
        pulled = await desk.jetstream().pull_subscribe_bind(durable="service-desk", stream="crm-contracts")
        message = (await pulled.fetch(1, timeout=5))[0]
        assert message.data == b"payload"
        await message.ack_sync()
        info = await desk.jetstream().consumer_info("crm-contracts", "service-desk")
        assert info.num_ack_pending == 0
        assert info.num_pending == 0

    with_clients(servers, use)


def test_a_service_cannot_publish_the_events_of_another(servers: Backend) -> None:
    async def use(admin: Client, contracts: Client, desk: Client) -> None:
        with pytest.raises(nats.errors.Error):
            await desk.jetstream().publish("crm.contracts.v1.ContractActivated", b"forged", timeout=1)
        state = (await admin.jetstream().stream_info("crm-contracts")).state
        assert state.messages == 0

    with_clients(servers, use)


def test_a_service_cannot_pull_the_durable_of_another(servers: Backend) -> None:
    async def use(admin: Client, contracts: Client, desk: Client) -> None:
        await contracts.jetstream().publish("crm.contracts.v1.ContractActivated", b"payload")
        pulled = await desk.jetstream().pull_subscribe_bind(durable="insights", stream="crm-contracts")
        with pytest.raises(nats.errors.Error):
            await pulled.fetch(1, timeout=1)
        assert (await admin.jetstream().consumer_info("crm-contracts", "insights")).delivered.consumer_seq == 0

    with_clients(servers, use)


def test_a_service_cannot_listen_outside_its_inbox(servers: Backend) -> None:
    async def use(admin: Client, contracts: Client, desk: Client) -> None:
        heard = []

        async def hear(message: object) -> None:
            heard.append(message)

        await desk.subscribe("crm.contracts.>", cb=hear)
        await desk.flush()
        await contracts.jetstream().publish("crm.contracts.v1.ContractActivated", b"payload")
        await desk.flush()  # Whatever the server had for this connection has arrived before the answer to this.
        assert heard == []

    with_clients(servers, use)


def test_a_service_can_make_and_delete_no_stream_but_erase_from_its_own(servers: Backend) -> None:
    async def use(admin: Client, contracts: Client, desk: Client) -> None:
        sent = await contracts.jetstream().publish("crm.contracts.v1.ContractActivated", b"personal")
        for attempt in (
            contracts.jetstream().delete_stream("crm-contracts"),
            contracts.jetstream().add_stream(name="mine", subjects=["mine"]),
            desk.jetstream().delete_msg("crm-contracts", sent.seq),
        ):
            with pytest.raises(TimeoutError):  # The server refuses by not answering.
                await asyncio.wait_for(attempt, 0.5)
        assert [one.config.name for one in await admin.jetstream().streams_info()] == ["crm-contracts"]
        assert (await admin.jetstream().stream_info("crm-contracts")).state.messages == 1
        assert await contracts.jetstream().delete_msg("crm-contracts", sent.seq)

    with_clients(servers, use)


def test_after_an_outage_both_servers_are_back_at_their_addresses_with_their_data(
    servers: Backend, notes: Database
) -> None:
    async def publish() -> int:
        client = await nats.connect(servers.nats_url)
        sent = await client.jetstream().publish("crm.leads.v1.LeadCreated", b"")
        await client.close()
        return sent.seq

    async def make_stream() -> None:
        client = await nats.connect(servers.nats_url)
        await client.jetstream().add_stream(name="crm-leads", subjects=["crm.leads.v1.>"])
        await client.close()

    asyncio.run(make_stream())
    first = asyncio.run(publish())
    with servers.outage("nats"), servers.outage("postgres"), pytest.raises(ConnectionRefusedError):
        asyncio.run(execute(notes.url, "select 1"))
    assert asyncio.run(execute(notes.url, "select 1")) == 1
    assert asyncio.run(publish()) == first + 1
    servers.clear_streams()
