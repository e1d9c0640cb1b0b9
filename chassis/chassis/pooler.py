"""A pooler between a service and Postgres, such as PgBouncer, which gives each transaction another connection."""

import asyncpg

# This statement itself, prepared under the name that we gave it: a pooler that keeps statements gives them its own.
OURS = "SELECT count(*) FROM pg_prepared_statements WHERE name LIKE '\\_\\_asyncpg%'"


class PoolerForgets(Exception):
    """DATABASE_URL leads through a pooler that does not keep prepared statements, so one could run in place of another;
    PgBouncer keeps them from release 1.21 on, with max_prepared_statements above 0"""

    def __str__(self) -> str:
        return " ".join((type(self).__doc__ or "").split())


async def between(connection: asyncpg.Connection) -> bool:
    """Whether somebody speaks for Postgres: then the process that answers is not the one that introduced itself."""
    return bool(await connection.fetchval("SELECT pg_backend_pid()") != connection.get_server_pid())


async def check(connection: asyncpg.Connection) -> None:
    """Raises PoolerForgets if statements of this process may meet those of another one."""
    async with connection.transaction():
        if await between(connection) and await connection.fetchval(OURS):
            raise PoolerForgets()
