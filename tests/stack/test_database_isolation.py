"""Every role of every service's database tries every other database, and whatever SQL reaches beyond its own."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import asyncpg
import pytest
from chassis.settings import SERVICES
from chassis.stack import databases
from chassis.stack.databases import Passwords
from chassis.stack.ports import free_port
from chassis.stack.postgres import Postgres

from chassis import migrate

ROLES = [role for service in SERVICES for role in (service, f"{service}_owner")]


@dataclass
class Cluster:
    """One Postgres as the starter makes it: databases and roles of all services, migrated."""

    admin_url: str

    def url(self, role: str, database: str = "") -> str:
        return databases.as_role(self.admin_url, role, f"secret of {role}", database or role.removesuffix("_owner"))

    async def fetch(self, role: str, *statements: str, database: str = "") -> list[asyncpg.Record]:
        """What the last statement answers, all of them in one session."""
        connection = await asyncpg.connect(self.url(role, database), ssl=False)
        try:
            found: list[asyncpg.Record] = []
            for statement in statements:
                found = await connection.fetch(statement)
            return found
        finally:
            await connection.close()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder: Path = tmp_path_factory.mktemp("cluster")
    postgres = Postgres(folder / "postgres", free_port(), "superuser", folder / "log", durable=False)
    running = Cluster(postgres.url)
    loop = asyncio.new_event_loop()  # the server is a child of this loop
    secrets = {name: Passwords(owner=f"secret of {name}_owner", data=f"secret of {name}") for name in SERVICES}
    try:
        loop.run_until_complete(postgres.start())
        loop.run_until_complete(databases.ensure(postgres.url, secrets))
        for service in SERVICES:
            loop.run_until_complete(migrate.migrate(service, running.url(f"{service}_owner")))
        yield running
    finally:
        loop.run_until_complete(postgres.stop())
        loop.close()


async def test_each_role_can_connect_to_its_own_database_and_to_no_other(cluster: Cluster) -> None:
    tried, entered = 0, set()
    for role, database in product(ROLES, (*SERVICES, "postgres", "template0", "template1")):
        tried += 1
        try:
            await cluster.fetch(role, "SELECT 1", database=database)
            entered.add((role, database))
        except (asyncpg.InsufficientPrivilegeError, asyncpg.ObjectNotInPrerequisiteStateError):
            pass
        except asyncpg.PostgresError as other:
            raise AssertionError(f"{role} at {database}: {other}") from other
    assert entered == {(role, role.removesuffix("_owner")) for role in ROLES}
    print(f"{tried} pairs of role and database")


async def test_no_role_has_rights_beyond_its_database(cluster: Cluster) -> None:
    rows = await cluster.fetch(
        "leads",
        "SELECT rolname, rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls AS more,"
        " EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid) AS member FROM pg_roles r",
    )
    found = {row["rolname"]: (row["more"], row["member"]) for row in rows}
    assert {role: found[role] for role in ROLES} == dict.fromkeys(ROLES, (False, False))


# Each as SQL with the neighbour's role and database put in; all are refused to the data role and to the owner.
BEYOND = [
    "CREATE EXTENSION dblink",
    "CREATE EXTENSION postgres_fdw",
    "CREATE EXTENSION file_fdw",
    "CREATE EXTENSION plpython3u",
    "SELECT * FROM dblink('dbname={database}', 'SELECT 1') AS t(a int)",
    "CREATE SERVER other FOREIGN DATA WRAPPER postgres_fdw",
    "COPY (SELECT 1) TO PROGRAM 'cat'",
    "COPY (SELECT 1) TO '/tmp/out'",
    "CREATE TEMP TABLE t (a text); COPY t FROM PROGRAM 'id'",
    "CREATE TEMP TABLE t (a text); COPY t FROM '/etc/passwd'",
    "SELECT pg_read_file('postgresql.conf')",
    "SELECT pg_read_binary_file('/etc/passwd')",
    "SELECT * FROM pg_ls_dir('.')",
    "SELECT * FROM pg_stat_file('postgresql.conf')",
    "GRANT pg_read_server_files TO CURRENT_USER",
    "SELECT lo_import('/etc/passwd')",
    "SELECT lo_export(1, '/tmp/out')",
    'SET ROLE "{role}"',
    'SET ROLE "{role}_owner"',
    "SET ROLE postgres",
    'SET SESSION AUTHORIZATION "{role}"',
    "SET SESSION AUTHORIZATION postgres",
    'GRANT "{role}" TO CURRENT_USER',
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "ALTER ROLE CURRENT_USER CREATEROLE",
    "ALTER ROLE \"{role}\" PASSWORD 'mine'",
    "CREATE ROLE mine",
    "CREATE DATABASE mine",
    'ALTER DATABASE "{database}" SET work_mem = 64',
    'DROP DATABASE "{database}"',
    'CREATE DATABASE copy TEMPLATE "{database}"',
    "ALTER SYSTEM SET log_statement = 'all'",
    "SET log_statement = 'all'",
    "SET session_preload_libraries = 'x'",
    "LOAD '/tmp/x.so'",
    "SELECT pg_reload_conf()",
    "SELECT pg_switch_wal()",
    "SELECT * FROM pg_authid",
    "SELECT * FROM pg_shadow",
    "SELECT * FROM pg_hba_file_rules",
    "SELECT pg_current_logfile()",
    "SELECT pg_create_logical_replication_slot('mine', 'pgoutput')",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
    "CREATE FUNCTION f() RETURNS int LANGUAGE c AS '/tmp/x', 'f'",
    "CREATE SUBSCRIPTION mine CONNECTION 'dbname={database}' PUBLICATION p",
    "CREATE EVENT TRIGGER mine ON ddl_command_end EXECUTE FUNCTION protect_history()",
]
# And these to the data role only: the owner makes tables, that is what it is for.
SCHEMA = [
    "CREATE TABLE mine (a int)",
    "CREATE TABLE public.mine (a int)",
    "CREATE SCHEMA mine",
    "CREATE FUNCTION public.count(anyelement) RETURNS bigint LANGUAGE sql AS 'SELECT 0'",
    "CREATE FUNCTION pg_catalog.f() RETURNS int LANGUAGE sql AS 'SELECT 0'",
    "CREATE OPERATOR public.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = uuid_eq)",
    "CREATE VIEW public.mine AS SELECT 1",
    "CREATE EXTENSION hstore",
    "ALTER TABLE outbox ADD COLUMN mine int",
    "ALTER TABLE outbox DISABLE TRIGGER ALL",
    "ALTER TABLE outbox OWNER TO CURRENT_USER",
    "CREATE TRIGGER mine BEFORE INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "CREATE RULE mine AS ON INSERT TO audit_entry DO INSTEAD NOTHING",
    "CREATE INDEX mine ON outbox (id)",
    "TRUNCATE request",
    "DROP TABLE request",
    "DROP FUNCTION erase_event(uuid, bytea, uuid)",
    "CREATE OR REPLACE FUNCTION erase_event(event uuid, redacted bytea, by_erasure uuid) RETURNS boolean"
    " LANGUAGE sql AS 'SELECT true'",
    "ALTER FUNCTION erase_event(uuid, bytea, uuid) SET search_path = pg_temp",
    "SELECT protect_history()",
    "GRANT DELETE ON outbox TO CURRENT_USER; DELETE FROM outbox",  # the grant alone is but a warning
    "DELETE FROM outbox",
    "UPDATE outbox SET payload = ''",
    "UPDATE outbox SET position = 1, salt = NULL",
    "UPDATE audit_entry SET actor = 'users/nobody'",
    "DELETE FROM audit_entry",
    "DELETE FROM audit_seal",
    "UPDATE audit_seal SET seal = ''",
    "INSERT INTO epoch SELECT * FROM epoch",
    "DELETE FROM epoch",
]
REFUSED = (
    asyncpg.InsufficientPrivilegeError,
    asyncpg.FeatureNotSupportedError,  # an extension that the binaries do not have
    asyncpg.UndefinedFunctionError,
    asyncpg.UndefinedObjectError,
    asyncpg.UndefinedFileError,
)


async def done(cluster: Cluster, role: str, statements: list[str]) -> list[str]:
    """The statements that were not refused, each tried in a transaction of its own."""
    own = role.removesuffix("_owner")
    other = next(service for service in SERVICES if service != own)
    connection = await asyncpg.connect(cluster.url(role), ssl=False)
    found = []
    try:
        for statement in statements:
            sql = statement.format(role=other, database=other, own=own)
            transaction = connection.transaction()
            alone = "DATABASE" in sql or "SYSTEM" in sql or "SUBSCRIPTION" in sql  # not within a transaction
            try:
                if not alone:
                    await transaction.start()
                await connection.execute(sql)
                found.append(statement)
            except REFUSED:
                pass
            finally:
                if not alone:
                    await transaction.rollback()
    finally:
        await connection.close()
    return found


@pytest.mark.parametrize("role", ROLES)
async def test_no_statement_reaches_beyond_the_roles_own_database(cluster: Cluster, role: str) -> None:
    assert await done(cluster, role, BEYOND) == []


@pytest.mark.parametrize("service", SERVICES)
async def test_the_data_role_changes_rows_and_nothing_that_watches_over_them(cluster: Cluster, service: str) -> None:
    assert await done(cluster, service, SCHEMA) == []


async def test_what_a_statement_list_refuses_the_superuser_can_do(cluster: Cluster) -> None:
    """The lists are refused for want of rights, not because they are nonsense: most of them work for the superuser."""
    connection = await asyncpg.connect(databases.in_database(cluster.admin_url, "leads"), ssl=False)
    works, tried = 0, 0
    try:
        for statement in (*BEYOND, *SCHEMA):
            sql = statement.format(role="sales", database="sales", own="leads")
            if "DATABASE" in sql or "SYSTEM" in sql or "SUBSCRIPTION" in sql or "terminate" in sql or "/tmp/out" in sql:
                continue
            tried += 1
            transaction = connection.transaction()
            await transaction.start()
            try:
                await connection.execute(sql)
                works += 1
            except asyncpg.PostgresError as error:
                print(f"not even the superuser: {sql[:70]}: {error}")
            finally:
                await transaction.rollback()
    finally:
        await connection.close()
    print(f"{works} of {tried} work for the superuser")
    assert works > tried * 0.6


@pytest.mark.parametrize("own", SERVICES)
async def test_nobody_sees_what_another_service_is_asking(cluster: Cluster, own: str) -> None:
    other = next(service for service in SERVICES if service != own)
    busy = await asyncpg.connect(cluster.url(other), ssl=False)
    try:
        await busy.fetch("SELECT 'a customer of another service'")
        for role in (own, f"{own}_owner"):
            rows = await cluster.fetch(role, "SELECT query FROM pg_stat_activity WHERE query LIKE '%customer of an%'")
            seen = [row["query"] for row in rows if "pg_stat_activity" not in row["query"]]
            assert seen == []
        assert await cluster.fetch(other, "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%customer of an%'")
    finally:
        await busy.close()


async def test_a_temporary_table_of_the_callers_does_not_stand_in_for_the_outbox(cluster: Cluster) -> None:
    """`erase_event` runs with the owner's rights: what it finds under a name must not be the caller's choice."""
    shadow = "CREATE TEMP TABLE outbox (LIKE public.outbox)"
    fill = "INSERT INTO pg_temp.outbox SELECT * FROM public.outbox"
    event = "00000000-0000-7000-8000-000000000001"
    plant = f"INSERT INTO pg_temp.outbox (id, type, payload) VALUES ('{event}', 'x', 'kept')"
    loosen = "SELECT string_agg(format('ALTER TABLE pg_temp.outbox ALTER %I DROP NOT NULL', attname), ';') AS sql"
    loosen += " FROM pg_attribute WHERE attrelid = 'pg_temp.outbox'::regclass AND attnum > 0 AND attnotnull"
    connection = await asyncpg.connect(cluster.url("leads"), ssl=False)
    try:
        await connection.execute(shadow)
        await connection.execute(fill)
        await connection.execute(await connection.fetchval(loosen))
        await connection.execute(plant)
        await connection.execute("SET search_path = pg_temp, public")
        assert not await connection.fetchval(f"SELECT public.erase_event('{event}', 'gone', '{event}')")
        assert await connection.fetchval("SELECT payload FROM pg_temp.outbox") == b"kept"
    finally:
        await connection.close()


async def test_every_function_with_its_owners_rights_names_its_search_path(cluster: Cluster) -> None:
    asked = (
        "SELECT proname, proconfig, has_function_privilege('public', oid, 'EXECUTE') AS everybody FROM pg_proc"
        " WHERE prosecdef AND pronamespace = 'public'::regnamespace"
    )
    for service in SERVICES:
        rows = await cluster.fetch(f"{service}_owner", asked)
        assert {row["proname"] for row in rows} >= {"erase_event", "erase_entry"}
        for row in rows:
            assert row["proconfig"] == ["search_path=public, pg_temp"], row["proname"]
            assert not row["everybody"], row["proname"]
