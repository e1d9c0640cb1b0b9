"""Connections to the services' databases, and what they say about themselves."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from chassis.stack.postgres import MAJOR

from crmctl.problem import Problem

_CONNECT_SECONDS = 10

_FIGURES = (
    "SELECT current_setting('server_version_num')::int AS postgres,"
    " (SELECT version_num FROM spine_version) AS spine, (SELECT version_num FROM service_version) AS service,"
    " (SELECT id::text FROM epoch ORDER BY id DESC LIMIT 1) AS epoch, (SELECT count(*) FROM outbox) AS events,"
    " to_regclass('audit_seal') IS NOT NULL AS audited"
)
_HEAD = "SELECT number || ':' || encode(seal, 'hex') FROM audit_seal ORDER BY number DESC LIMIT 1"
_ROLES = (
    "SELECT DISTINCT pg_get_userbyid(a.grantee)::text FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a"
    " WHERE c.relnamespace = 'public'::regnamespace AND a.grantee NOT IN (0, c.relowner) ORDER BY 1"
)
# Rows and their long values, without indexes: more than a compressed dump takes.
_SIZE = (
    "SELECT coalesce(sum(pg_table_size(oid)), 0)::bigint FROM pg_class"
    " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
)


@asynccontextmanager
async def connected(service: str, url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the database of a service. Raises Problem if there is none to be had."""
    try:
        connection = await asyncpg.connect(url, timeout=_CONNECT_SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as away:
        said = str(away) or type(away).__name__
        raise Problem(f"The database of {service} cannot be reached: {said}") from None
    try:
        yield connection
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as failed:
        raise Problem(f"Postgres said: {failed}") from failed
    finally:
        connection.terminate()


async def figures(connection: asyncpg.Connection) -> dict[str, object]:
    """What a manifest says about a database, but for its dump. Raises Problem if our tools are too old for it."""
    found = dict(await connection.fetchrow(_FIGURES))
    if found["postgres"] // 10_000 > int(MAJOR):
        raise Problem(
            f"The server runs Postgres {found['postgres'] // 10_000} and the tools of this release are of {MAJOR}:"
            " a backup needs a release whose tools are as new as the server."
        )
    audited = found.pop("audited")
    head = await connection.fetchval(_HEAD) if audited else None
    roles = [row[0] for row in await connection.fetch(_ROLES)]
    return found | {"head": head or "", "roles": roles}


async def table_bytes(connection: asyncpg.Connection) -> int:
    """What the tables take on disk."""
    return int(await connection.fetchval(_SIZE))
