"""A database and two roles per service: `<svc>_owner` migrates and owns it, `<svc>` reads and writes rows only."""

import asyncio
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import asyncpg


@dataclass(frozen=True)
class Passwords:
    """Of one service's two roles."""

    owner: str
    data: str


async def ensure(admin_url: str, passwords: dict[str, Passwords]) -> None:
    """Create what is missing for each service named in `passwords`; what exists is left as it is."""
    connection = await asyncpg.connect(admin_url, ssl=False)
    try:
        known = {row["datname"] for row in await connection.fetch("select datname from pg_database")}
        if "postgres" in known:
            await connection.execute("revoke connect on database postgres, template1 from public")
        for service, secret in passwords.items():
            await ensure_roles(connection, service, secret)
        missing = [service for service in passwords if service not in known]
        for service in missing:
            await create(connection, service, service)
    finally:
        await connection.close()
    # Also for databases that exist: a start may have been interrupted in between, and a second grant changes nothing.
    await asyncio.gather(*(grant(admin_url, service, service) for service in passwords))


async def ensure_roles(connection: asyncpg.Connection, service: str, secret: Passwords) -> None:
    """The two roles with these passwords."""
    for role, password in ((f"{service}_owner", secret.owner), (service, secret.data)):
        exists = await connection.fetchval("select true from pg_roles where rolname = $1", role)
        if not exists:
            await connection.execute(f"create role {quoted(role)} login password '{password}'")


async def create(connection: asyncpg.Connection, service: str, database: str, template: str = "template1") -> None:
    """A database of the service, closed to everybody but its two roles. A template's tables and grants come along."""
    await connection.execute(
        f"create database {quoted(database)} owner {quoted(service + '_owner')} template {quoted(template)}"
    )
    await connection.execute(f"revoke all on database {quoted(database)} from public")
    await connection.execute(f"grant connect, temporary on database {quoted(database)} to {quoted(service)}")


async def grant(admin_url: str, service: str, database: str) -> None:
    """Let the data role use whatever tables, sequences and schemas the owner's migrations will create."""
    owner, data = quoted(f"{service}_owner"), quoted(service)
    connection = await asyncpg.connect(in_database(admin_url, database), ssl=False)
    try:
        await connection.execute(
            f"""
            grant usage on schema public to {data};
            alter default privileges for role {owner} grant usage on schemas to {data};
            alter default privileges for role {owner} grant select, insert, update, delete on tables to {data};
            alter default privileges for role {owner} grant usage, select on sequences to {data};
            """
        )
    finally:
        await connection.close()


def in_database(url: str, database: str) -> str:
    """The same server and login, another database."""
    return urlunsplit(urlsplit(url)._replace(path="/" + database))


def as_role(url: str, role: str, password: str, database: str) -> str:
    """The same server, another login and database."""
    address = urlsplit(url)
    return f"{address.scheme}://{role}:{password}@{address.hostname}:{address.port}/{database}"


def quoted(identifier: str) -> str:
    """An SQL identifier as written: `service-desk` needs the quotes."""
    return '"' + identifier.replace('"', '""') + '"'
