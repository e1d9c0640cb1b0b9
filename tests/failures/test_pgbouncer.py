"""Everything through a PgBouncer that gives each transaction another connection, and has very few of them."""

import asyncio
import random
import shutil
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

import asyncpg
import pytest
from chassis.database import Database
from chassis.errors import FailedPrecondition
from chassis.pooler import PoolerForgets
from chassis.schema import folder
from chassis.settings import SERVICES
from chassis.stack.plan import Plan
from crm.insights.v1 import insights_pb2
from crm.leads.v1 import leads_pb2
from failures.chaos.journal import Journal
from failures.chaos.load import Customers
from failures.chaos.rest import at_rest, findings
from failures.chaos.stage import Stage
from failures.checker import Findings
from failures.deploys.calls import Calls
from failures.deploys.pooler import POOL_SIZE, Pooler, binary
from failures.deploys.release import Release, expand
from harness import start, until
from sqlalchemy.ext.asyncio import create_async_engine

from chassis import migrate

WORKERS, WRITES = 6, 150
REST_SECONDS = 60
POOLED = (
    "SELECT datname, count(*) AS connections FROM pg_stat_activity"
    " WHERE usename = ANY($1::text[]) AND application_name <> 'checker' GROUP BY datname"
)

pytestmark = pytest.mark.timeout(400)


class PooledStage(Stage):
    """Each service reaches its database by the pooler; migrations, and what needs a session, go past it."""

    def _proxied(self, *given) -> Plan:
        plan = super()._proxied(*given)
        port = urlsplit(next(iter(self._stores.urls.values()))).port
        self.pooler = Pooler(port, {service: self.known.databases[service].data for service in SERVICES})
        for number, program in enumerate(plan.services):
            if program.name in SERVICES:
                direct = self._stores.urls[program.name]
                env = {**program.env, "DATABASE_URL": self.pooler.before(direct), "DATABASE_URL_DIRECT": direct}
                plan.services[number] = replace(program, env=env)
        self._opening.append(asyncio.ensure_future(self.pooler.start()))
        return plan

    async def stop(self) -> None:
        await super().stop()
        if pooler := getattr(self, "pooler", None):
            await pooler.stop()


@dataclass
class Seen:
    findings: Findings = field(default_factory=Findings)
    surprises: list[str] = field(default_factory=list)
    most: dict[str, int] = field(default_factory=dict)  # connections of a service to Postgres at a time
    transactions: int = 0
    answered: int = 0
    left: list[str] = field(default_factory=list)


async def watch(stage: Stage, seen: Seen) -> None:
    """The most connections that the data roles had at a time."""
    connection = await asyncpg.connect(stage.postgres.url)
    try:
        while True:
            for row in await connection.fetch(POOLED, list(SERVICES)):
                seen.most[row["datname"]] = max(seen.most.get(row["datname"], 0), row["connections"])
            await asyncio.sleep(0.05)
    finally:
        connection.terminate()


async def session_state(stage: Stage) -> list[str]:
    """What a session may have left behind on a shared connection: locks, temporary tables, settings of its own. But for
    jit: asyncpg switches it off while it learns of a type. It decides how fast a plan runs, not what it answers."""
    left = []
    for service in SERVICES:
        connection = await asyncpg.connect(stage.database_url(service))
        try:
            locks = await connection.fetchval(
                "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
                " WHERE l.locktype = 'advisory' AND a.state = 'idle'"
            )
            tables = await connection.fetchval("SELECT count(*) FROM pg_class WHERE relpersistence = 't'")
        finally:
            await connection.close()
        pooled = await asyncpg.connect(stage.pooler.before(stage._stores.urls[service]), statement_cache_size=100)
        try:
            changed = await pooled.fetchval(
                "SELECT string_agg(name, ', ') FROM pg_settings WHERE source = 'session'"
                " AND name NOT IN ('application_name', 'client_encoding', 'DateStyle', 'TimeZone',"
                " 'standard_conforming_strings', 'IntervalStyle', 'jit')"
            )
        finally:
            await pooled.close()
        left += [f"{service}: {said}" for said in (locks and "locks", tables and "tables", changed) if said]
    return left


@pytest.fixture(scope="module")
async def seen(tmp_path_factory):
    binary()
    folder, seen = tmp_path_factory.mktemp("pooler"), Seen()
    release = Release(folder / "next")
    await release.build()
    stage, journal = PooledStage(folder / "data"), Journal(folder / "journal.jsonl")
    await stage.start()
    try:
        customers = Customers(stage.address_book()["http"], stage.token, journal, random.Random(2))
        await customers.prepare()
        watching = asyncio.create_task(watch(stage, seen))
        load = asyncio.create_task(customers.run(WORKERS))
        await until(lambda: _answered(customers, WRITES), "half of the writes", seconds=90)
        await release.run("-m", "chassis.migrate", "leads", DATABASE_URL_OWNER=stage.owner_url("leads"))
        await until(lambda: _answered(customers, 2 * WRITES), "the other half", seconds=90)
        await customers.end(load, 60)
        watching.cancel()
        journal.close()
        await at_rest(stage, REST_SECONDS)
        seen.findings = await findings(stage, folder / "journal.jsonl")
        seen.left = await session_state(stage)
        seen.surprises, seen.answered = [*customers.surprises, *map(str, customers.passing)], customers.answered
        yield seen
    finally:
        await stage.stop()


async def _answered(customers: Customers, wanted: int) -> bool:
    return customers.answered >= wanted


async def test_a_suite_behind_a_transaction_pooler_keeps_every_promise(seen):
    """A load with an expand migration in its middle: no call had to be tried again."""
    found = seen.findings
    print(f"{seen.answered} writes answered, {found.events} events, {found.effects} effects; connections {seen.most}")
    assert (found.all, seen.surprises) == ([], [])
    assert found.effects > 500


async def test_a_service_shares_the_few_connections_of_its_pool(seen):
    past_it = 2  # of a rebuild and of its own look for one
    assert set(seen.most) >= {"leads", "sales"}
    assert max(seen.most.values()) <= POOL_SIZE + past_it


async def test_nothing_of_a_session_stays_on_a_shared_connection(seen):
    assert seen.left == []


@pytest.fixture
async def pooler(backend):
    """Makes poolers before the Postgres of the tests."""
    made: list[Pooler] = []

    async def one(service: str, **given) -> tuple[Pooler, object]:
        database = await asyncio.to_thread(backend.create_database, service)
        await migrate.migrate(service, database.owner_url)
        parts = urlsplit(database.url)
        pooler = Pooler(parts.port, {parts.username: parts.password}, **given)
        await pooler.start()
        made.append(pooler)
        return pooler, database

    yield one
    for each in made:
        await each.stop()


async def test_work_that_needs_a_session_says_which_setting_is_missing(backend, issuer, pooler):
    between, database = await pooler("insights")
    pooled = replace(database, url=between.before(database.url))
    insights = await start("insights", backend, issuer, database=pooled)
    try:
        with pytest.raises(FailedPrecondition) as refused:
            await insights.call("InsightsService/RebuildInsights", insights_pb2.RebuildInsightsRequest())
        assert refused.value.metadata["reason"] == "POOLER_BETWEEN"
    finally:
        await insights.stop()


async def test_many_clients_on_one_connection_are_all_served(backend, issuer, pooler):
    between, database = await pooler("leads", size=1)
    leads = await start("leads", backend, issuer, database=replace(database, url=between.before(database.url)))
    try:

        async def bring(number: int) -> int:
            rows = [
                {"display_name": f"Row {number}", "external_ids": [{"system": "s", "id": f"{number}/{row}"}]}
                for row in range(20)
            ]
            answer = await leads.call("LeadService/ImportLeads", leads_pb2.ImportLeadsRequest(leads=rows))
            return sum(bool(result.lead) for result in answer.results)

        assert sum(await asyncio.gather(*map(bring, range(20)))) == 400
    finally:
        await leads.stop()


async def test_an_expand_migration_behind_a_pooler_fails_no_call(backend, issuer, pooler, tmp_path):
    """A pooler keeps a statement for all clients and for good: one whose answer has changed could not be used again."""
    between, database = await pooler("leads")
    shutil.copytree(folder("leads"), tmp_path / "migrations")
    expand(tmp_path / "migrations")
    leads = await start("leads", backend, issuer, database=replace(database, url=between.before(database.url)))
    calls = Calls(leads)
    load = asyncio.create_task(calls.run())
    try:
        await calls.reach(100)
        engine = create_async_engine(database.owner_url.replace("postgresql://", "postgresql+asyncpg://", 1))
        await migrate.advance(engine, "service", tmp_path / "migrations")
        await engine.dispose()
        await calls.reach(200)
        calls.stop()
        await load
    finally:
        load.cancel()
        await leads.stop()


async def test_a_pooler_that_keeps_no_prepared_statements_is_refused_in_one_sentence(backend, issuer, pooler):
    between, database = await pooler("leads", statements=0)
    found = Database(between.before(database.url), 4)
    with pytest.raises(PoolerForgets, match="max_prepared_statements"):
        await found.open()
    await found.close()
