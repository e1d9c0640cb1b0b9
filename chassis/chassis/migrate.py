"""Brings schemas up to date.

`python -m chassis.migrate leads` uses DATABASE_URL_OWNER or DATABASE_URL; `--all` DATABASE_URL_<SERVICE>_OWNER of each
service of this installation (SERVICES).

Uses a connection of its own as the owner role. A service's data role gets its rights by the owner's default
privileges; it can change no structure.
"""

import asyncio
import os
import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from chassis.schema import ENVIRONMENT, SPINE, folder
from chassis.settings import SERVICES, installed, package, required, variable

LOCK = 7_226_001  # one migration at a time in a database
# Whoever waits for a table lets everybody else wait behind it: so it waits for a moment only, and begins again.
LOCK_TIMEOUT = "SET LOCAL lock_timeout = '2s'"
TRIES = 30
LOCKED_OUT = ("55P03", "40P01")  # lock_not_available, deadlock_detected


def upgrade(connection: Connection, chain: str, versions: Path, revision: str = "head") -> None:
    """One chain to a revision, the newest unless it is named, within the connection's transaction."""
    config = Config()
    config.set_main_option("script_location", str(ENVIRONMENT))
    config.set_main_option("version_locations", str(versions))
    config.set_main_option("path_separator", "newline")
    config.attributes |= {"connection": connection, "version_table": f"{chain}_version"}
    command.upgrade(config, revision)


async def migrate(service: str, url: str) -> None:
    """Both chains, each in a transaction of its own; calls go on meanwhile."""
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1))
    try:
        for chain, versions in (("spine", SPINE), ("service", folder(package(service)))):
            await advance(engine, chain, versions)
    finally:
        await engine.dispose()


async def advance(engine: AsyncEngine, chain: str, versions: Path, revision: str = "head") -> None:
    """One chain to a revision, the newest unless it is named. Raises DBAPIError, also if the tables are in use for
    longer than a minute."""
    for attempt in range(TRIES):
        try:
            async with engine.begin() as connection:
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
                await connection.execute(text(LOCK_TIMEOUT))
                await connection.run_sync(upgrade, chain, versions, revision)
            return
        except DBAPIError as busy:
            if getattr(busy.orig, "sqlstate", "") not in LOCKED_OUT or attempt == TRIES - 1:
                raise
        await asyncio.sleep(0.1)


async def migrate_all() -> None:
    for service in installed():
        await migrate(service, required(f"{variable('DATABASE_URL', service)}_OWNER"))


def main() -> None:
    arguments = sys.argv[1:]
    if arguments == ["--all"]:
        asyncio.run(migrate_all())
    elif len(arguments) == 1 and arguments[0] in SERVICES:
        asyncio.run(migrate(arguments[0], os.environ.get("DATABASE_URL_OWNER") or required("DATABASE_URL")))
    else:
        sys.exit(f"usage: python -m chassis.migrate --all | {' | '.join(SERVICES)}")


if __name__ == "__main__":
    main()
