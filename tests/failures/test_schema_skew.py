"""Code and schema of different releases: code runs on a schema that is ahead, and waits for one that is behind."""

import asyncio
import os
import shutil
import sys
import urllib.error
import urllib.request
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from chassis.schema import SPINE, folder
from chassis.stack.ports import free_ports
from crm.leads.v1 import leads_pb2
from failures.deploys.calls import Calls
from failures.deploys.release import Release, expand
from harness import definition, start, until
from sqlalchemy.ext.asyncio import create_async_engine
from tree import ROOT

from chassis import migrate

CALLS_BEFORE, CALLS_AFTER = 200, 400


@pytest.fixture(scope="module")
async def release(tmp_path_factory):
    made = Release(tmp_path_factory.mktemp("next") / "tree")
    await made.build()
    return made


@pytest.fixture
def next_chain(tmp_path) -> Path:
    """The migrations of leads and one more."""
    chain = tmp_path / "migrations"
    shutil.copytree(folder("leads"), chain)
    expand(chain)
    return chain


async def advance(database, chain: str, versions: Path) -> None:
    engine = create_async_engine(database.owner_url.replace("postgresql://", "postgresql+asyncpg://", 1))
    try:
        await migrate.advance(engine, chain, versions)
    finally:
        await engine.dispose()


@pytest.mark.timeout(240)
async def test_an_expand_migration_under_calls_fails_none_of_them(backend, issuer, next_chain):
    leads = await start("leads", backend, issuer)
    calls = Calls(leads)
    load = asyncio.create_task(calls.run())
    try:
        await calls.reach(CALLS_BEFORE)
        await advance(leads.database, "service", next_chain)
        await calls.reach(CALLS_AFTER)
        calls.stop()
        await load  # raises whatever a call was answered
    finally:
        load.cancel()
        await leads.stop()
    print(f"{calls.answered.total()} calls around an expand migration, none failed: {dict(calls.answered)}")
    columns = await columns_of(leads.database)
    assert {"nickname", "referrer"} <= columns


async def stored(database, sql: str, *arguments):
    connection = await asyncpg.connect(database.owner_url)
    try:
        return await connection.fetch(sql, *arguments)
    finally:
        await connection.close()


async def columns_of(database) -> set[str]:
    sql = "SELECT column_name FROM information_schema.columns WHERE table_name = 'leads'"
    return {row["column_name"] for row in await stored(database, sql)}


async def test_code_starts_and_works_on_a_schema_that_is_ahead(backend, issuer, next_chain):
    database = await asyncio.to_thread(backend.create_database, "leads")
    await advance(database, "spine", SPINE)
    await advance(database, "service", next_chain)
    leads = await start("leads", backend, issuer, database=database, defined=definition("leads"))
    try:
        made = await leads.call("LeadService/CreateLead", leads_pb2.CreateLeadRequest(lead={"display_name": "Ivo"}))
        mask = {"paths": ["note"]}
        changed = leads_pb2.UpdateLeadRequest(lead={"name": made.name, "note": "ahead"}, update_mask=mask)
        assert (await leads.call("LeadService/UpdateLead", changed)).note == "ahead"
    finally:
        await leads.stop()


async def test_a_change_by_older_code_keeps_what_newer_code_wrote(backend, issuer, next_chain):
    leads = await start("leads", backend, issuer)
    try:
        await advance(leads.database, "service", next_chain)
        made = await leads.call("LeadService/CreateLead", leads_pb2.CreateLeadRequest(lead={"display_name": "Ivo"}))
        await leads.rows("UPDATE leads SET nickname = 'Vancho'")
        changed = leads_pb2.UpdateLeadRequest(lead={"name": made.name, "note": "x"}, update_mask={"paths": ["note"]})
        await leads.call("LeadService/UpdateLead", changed)
        rows = await leads.rows("SELECT nickname, note FROM leads")
        assert [(row["nickname"], row["note"]) for row in rows] == [("Vancho", "x")]
    finally:
        await leads.stop()


async def test_a_service_without_any_schema_says_so_and_holds_few_connections(backend, issuer):
    database = await asyncio.to_thread(backend.create_database, "leads")
    async with process(backend, issuer, database) as readiness:
        said = await until(refusal(readiness), "it says why it does not serve")
        assert said == "the schema has no spine tables yet (run the migrations)"
        looks: set[str] = set()
        # It looks again and again, each time by connections that it closes.
        await until(lambda: _seen(database, looks, 8), "it looked several times")
        assert await connections(database) <= 4
        await migrate.migrate("leads", database.owner_url)
        await until(served(readiness), "it serves")


async def _seen(database, looks: set[str], wanted: int) -> bool:
    sql = "SELECT pid::text AS one FROM pg_stat_activity WHERE datname = $1 AND usename = 'leads'"
    looks |= {row["one"] for row in await stored(database, sql, database.name)}
    return len(looks) >= wanted


async def connections(database) -> int:
    sql = "SELECT count(*) AS number FROM pg_stat_activity WHERE datname = $1 AND usename = 'leads'"
    return (await stored(database, sql, database.name))[0]["number"]


async def test_a_service_waits_for_its_own_migrations_and_then_serves(backend, issuer, release):
    database = await asyncio.to_thread(backend.create_database, "leads")
    await migrate.migrate("leads", database.owner_url)
    async with process(backend, issuer, database, PYTHONPATH=release.python_path) as readiness:
        said = await until(refusal(readiness), "it says why it does not serve")
        at = max(path.name[:4] for path in (ROOT / "services/leads/migrations").glob("[0-9]*.py"))
        assert said == (
            f"the schema's service tables are at {at}, the code needs {release.revision} (run the migrations)"
        )
        await release.run("-m", "chassis.migrate", "leads", DATABASE_URL_OWNER=database.owner_url)
        await until(served(readiness), "it serves")


async def test_a_service_waits_for_the_migrations_of_the_spine(backend, issuer, tmp_path):
    *earlier, last = sorted(SPINE.glob("[0-9]*_*.py"))
    for path in earlier:
        shutil.copy(path, tmp_path)
    database = await asyncio.to_thread(backend.create_database, "leads")
    await advance(database, "spine", tmp_path)
    async with process(backend, issuer, database) as readiness:
        said = await until(refusal(readiness), "it says why it does not serve")
        there, wanted = earlier[-1].name[:4], last.name[:4]
        assert said == f"the schema's spine tables are at {there}, the code needs {wanted} (run the migrations)"
        await migrate.migrate("leads", database.owner_url)
        await until(served(readiness), "it serves")


async def test_a_migration_that_meets_a_long_transaction_lets_calls_pass(backend, issuer, next_chain):
    """It needs the table for itself for a moment; while it waits for one, everybody waits behind it."""
    leads = await start("leads", backend, issuer)
    try:
        async with leads.process.context.database.transaction() as connection:
            await connection.execute("SELECT count(*) FROM leads")
            migration = asyncio.create_task(advance(leads.database, "service", next_chain))
            for _ in range(3):
                request = leads_pb2.CreateLeadRequest(lead={"display_name": "Meanwhile"})
                await leads.call("LeadService/CreateLead", request)
                await until(blocked(leads), "the migration waits for the table")
            assert not migration.done()
        await migration
        assert "nickname" in await columns_of(leads.database)
    finally:
        await leads.stop()


def blocked(leads):
    async def waiting() -> bool:
        return bool(await leads.rows("SELECT 1 FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"))

    return waiting


@asynccontextmanager
async def process(backend, issuer, database, **env: str):
    """Leads as a process of its own; gives the address of its readiness."""
    grpc_port, admin_port = free_ports(2)
    settings = {
        "DATABASE_URL": database.url, "NATS_URL": backend.nats_url_for("leads"), "PAGE_TOKEN_KEY": "test",
        "GRPC_ADDRESS": f"127.0.0.1:{grpc_port}", "ADMIN_ADDRESS": f"127.0.0.1:{admin_port}",
        "OIDC_ISSUER": "https://issuer.test", "OIDC_JWKS_URL": issuer.jwks_url, "OTEL_SDK_DISABLED": "true",
    }  # fmt: skip
    running = await asyncio.create_subprocess_exec(sys.executable, "-m", "leads", env=os.environ | settings | env)
    try:
        yield f"http://127.0.0.1:{admin_port}/readyz"
        running.terminate()
        assert await asyncio.wait_for(running.wait(), 15) == 0
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()


async def asked(readiness: str) -> tuple[int, str]:
    def ask() -> tuple[int, str]:
        try:
            with urllib.request.urlopen(readiness, timeout=5) as answer:
                return answer.status, answer.read().decode().strip()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode().strip()
        except OSError:
            return 0, ""

    return await asyncio.to_thread(ask)


def refusal(readiness: str):
    async def said() -> str:
        status, words = await asked(readiness)
        return words if status == 503 and words.endswith("(run the migrations)") else ""

    return said


def served(readiness: str):
    async def ready() -> bool:
        return (await asked(readiness))[0] == 200

    return ready
