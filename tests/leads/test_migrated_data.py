"""What migrations make of the data that are there, and of what is written meanwhile."""

import asyncio

import asyncpg
import pytest
from chassis.migrate import advance
from chassis.schema import SPINE, folder
from chassis.values import new_id
from harness import until
from sqlalchemy.ext.asyncio import create_async_engine

WITHOUT_DEFAULTS = (
    "SELECT column_name, data_type FROM information_schema.columns"
    " WHERE table_name = $1::text AND is_nullable = 'NO' AND column_default IS NULL"
)
PLAIN = {"text": "", "bigint": 1, "integer": 0, "boolean": False, "jsonb": "{}", "double precision": 0.0}
WAITING = (
    "SELECT count(*) FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = $1)"
)


class Schema:
    """A database of leads on its way from revision to revision."""

    def __init__(self, database):
        self.database = database
        self.engine = create_async_engine(database.owner_url.replace("postgresql://", "postgresql+asyncpg://", 1))

    async def bring_to(self, revision):
        await advance(self.engine, "service", folder("leads"), revision)

    async def connect(self):
        return await asyncpg.connect(self.database.owner_url, ssl=False)


@pytest.fixture
async def schema(backend):
    schema = Schema(await asyncio.to_thread(backend.create_database, "leads"))
    await advance(schema.engine, "spine", SPINE)
    yield schema
    await schema.engine.dispose()
    await asyncio.to_thread(backend.drop_database, schema.database)


async def put(connection, table, **given):
    """A row, whatever columns there are at this revision."""
    values = {}
    for column in await connection.fetch(WITHOUT_DEFAULTS, table):
        name, kind = column["column_name"], column["data_type"]
        values[name] = f"'{PLAIN[kind]}'::{kind}" if kind in PLAIN else "now()"
    values |= {name: f"'{value}'" for name, value in given.items()}
    await connection.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join(values.values())})")


async def test_a_lead_written_while_keys_are_filled_has_its_keys(schema):
    await schema.bring_to("0023")
    writer, watcher = await schema.connect(), await schema.connect()
    before, meanwhile = new_id(), new_id()
    await put(writer, "leads", id=before, match_keys='["name:ana", "mail:ana"]')
    writing = writer.transaction()
    await writing.start()
    await put(writer, "leads", id=meanwhile, match_keys='["name:ana"]')
    migrating = asyncio.create_task(schema.bring_to("0024"))

    async def waits():
        return await watcher.fetchval(WAITING, schema.database.name)

    await until(waits, "the migration waits for the writer")
    await writing.commit()
    await migrating
    keys = await watcher.fetch("SELECT key, lead_id FROM lead_keys ORDER BY key, lead_id")
    assert [(row["key"], str(row["lead_id"])) for row in keys] == [
        ("mail:ana", before), *sorted([("name:ana", before), ("name:ana", meanwhile)])
    ]  # fmt: skip
    for connection in (writer, watcher):
        await connection.close()


async def test_accounts_get_the_keys_that_names_have_now(schema):
    await schema.bring_to("0028")
    connection = await schema.connect()
    for number, key in enumerate(["sopharma ad", "булгартабак еоод", "北京旷视科技有限公司"]):
        await put(connection, "account_owners", account=f"accounts/{number}", key=key)
    await schema.bring_to("0029")
    rows = await connection.fetch("SELECT key FROM account_owners ORDER BY account")
    assert [row["key"] for row in rows] == ["sopharma", "bulgartabak", "北京旷视科技"]
    await connection.close()
