"""Brings schemas up to date.

`python -m chassis.migrate leads` uses DATABASE_URL_OWNER or DATABASE_URL, `--all` DATABASE_URL_<SERVICE>_OWNER.

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
from sqlalchemy.ext.asyncio import create_async_engine

from chassis.schema import ENVIRONMENT, SPINE, folder
from chassis.settings import SERVICES, package, required, variable

LOCK = 7_226_001  # one migration at a time in a database


def upgrade(connection: Connection, chain: str, versions: Path) -> None:
    """One chain to its newest revision, within the connection's transaction."""
    config = Config()
    config.set_main_option("script_location", str(ENVIRONMENT))
    config.set_main_option("version_locations", str(versions))
    config.set_main_option("path_separator", "newline")
    config.attributes |= {"connection": connection, "version_table": f"{chain}_version"}
    command.upgrade(config, "head")


async def migrate(service: str, url: str) -> None:
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1))
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
            await connection.run_sync(upgrade, "spine", SPINE)
            await connection.run_sync(upgrade, "service", folder(package(service)))
    finally:
        await engine.dispose()


async def migrate_all() -> None:
    for service in SERVICES:
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
