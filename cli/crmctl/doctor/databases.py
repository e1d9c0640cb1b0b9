"""The database of each service: its schema, its outbox, what it gave up on, whom it knows."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import asyncpg
from chassis.outbox import OLDEST, WAITING
from chassis.schema import SPINE, folder, newest
from chassis.settings import package
from chassis.timers import OVERDUE

from crmctl.doctor import postgres
from crmctl.doctor.findings import Findings, quoted
from crmctl.doctor.installation import Installation
from crmctl.doctor.processes import Process

STUCK_SECONDS, SLOW_SECONDS = 60.0, 10.0  # the first is the alert's
MONTHS_AHEAD = 3
DATABASE = "Does Postgres run, and does DATABASE_URL_<SERVICE> lead there? A pod's log names what is wrong."

REVISIONS = (
    "SELECT (SELECT version_num FROM spine_version) AS spine, (SELECT version_num FROM service_version) AS service"
)
DEAD = (
    "SELECT count(*) AS letters, coalesce(extract(epoch FROM now() - min(create_time)), 0)::float8 AS age"
    " FROM (SELECT create_time FROM dead_letter WHERE settle_time IS NULL ORDER BY create_time LIMIT 10000) open"
)
PARTITIONS = (
    "SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
    " WHERE i.inhparent = 'outbox'::regclass"
)
IN_DEFAULT = "SELECT EXISTS (SELECT FROM outbox_default)"
PEOPLE = "SELECT count(*) FROM member WHERE active AND name LIKE 'users/%'"
ALL_PEOPLE = "SELECT count(*) FROM users WHERE state = 'ACTIVE'"


@dataclass
class Seen:
    """What is compared between services once all were looked at."""

    people: dict[str, int] = field(default_factory=dict)
    employed: int | None = None  # the active people of directory
    servers: dict[str, postgres.Server] = field(default_factory=dict)


async def examine(installation: Installation, processes: list[Process], found: Findings) -> None:
    """All databases at once, then what concerns several of them."""
    seen = Seen()
    looks = []
    for service in installation.services:
        if url := installation.databases.get(service):
            look = _database(service, url, found, seen)
            looks.append(found.tried(service, "database", look, DATABASE, "#what-runs", 8))
        else:
            do = "Set DATABASE_URL_<SERVICE>_OWNER, as for migrations, and ask again."
            found.warn(service, "database", "Not looked at: its database is not known.", do, "#doctor")
    await asyncio.gather(*looks)
    for server in seen.servers.values():
        postgres.judge(server, installation, processes, found)
    _people(seen, found)


async def _database(service: str, url: str, found: Findings, seen: Seen) -> None:
    connection = await _connected(service, url, found)
    if connection is None:
        return
    try:
        do, page = "Look into the database with psql; the other findings stand.", "#what-runs"
        for check, look in (
            ("server", postgres.server(service, url, connection, seen.servers, found)),
            ("schema", schema(service, connection, found)),
            ("outbox", outbox(service, connection, found)),
            ("dead letters", dead_letters(service, connection, found)),
            ("timers", timers(service, connection, found)),
            ("partitions", partitions(service, connection, found, datetime.now(UTC))),
            ("people", people(service, connection, seen)),
        ):
            await found.tried(service, check, look, do, page)
    finally:
        connection.terminate()


async def _connected(service: str, url: str, found: Findings) -> asyncpg.Connection | None:
    try:
        return await asyncpg.connect(url, timeout=found.seconds)
    except TimeoutError:
        said = f"Postgres does not answer within {found.seconds:g} seconds: new connections wait, and calls fail."
        found.fail(service, "database", said, DATABASE, "#what-runs")
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as away:
        said = f"Postgres does not let us in ({type(away).__name__}): if it is so for the service, its calls fail."
        found.fail(service, "database", said, DATABASE, "#what-runs", quoted(away))
    return None


async def schema(service: str, connection: Any, found: Findings) -> None:
    """Both chains of migrations against those of this release's code."""
    wanted = {"spine": newest(SPINE), "service": newest(folder(package(service)))}
    do = "Run the migrations (helm upgrade with the same values; python -m chassis.migrate) and look at their Job."
    try:
        at: dict[str, str] = dict(await connection.fetchrow(REVISIONS))
    except asyncpg.UndefinedTableError:
        said = "Its database has no tables yet: it waits for the migrations and serves nobody."
        found.fail(service, "schema", said, do, "CrmMigrationFailed", wanted=wanted)
        return
    behind = [chain for chain in wanted if (at[chain] or "") < wanted[chain]]
    ahead = [chain for chain in wanted if (at[chain] or "") > wanted[chain]]
    figures: dict[str, Any] = {"found": at, "wanted": wanted}
    said = ", ".join(f"{one} {at[one] or 'nothing'}, wanted {wanted[one]}" for one in behind or ahead)
    if behind:
        said = f"Its schema is older than this release's code ({said}): pods of this release serve nobody."
        found.fail(service, "schema", said, do, "CrmMigrationFailed", **figures)
    elif ahead:
        said = f"Its schema is newer than this release's code ({said}): after a rollback that is as it should be."
        do = "Nothing, after a rollback. Otherwise ask with the crmctl of the release that runs."
        found.warn(service, "schema", said, do, "#upgrade-and-rollback", **figures)
    else:
        said = f"Its schema is what the code wants (spine {at['spine']}, service {at['service']})."
        found.ok(service, "schema", said, **figures)


async def outbox(service: str, connection: Any, found: Findings) -> None:
    """What happened and was not published yet."""
    waiting = int(await connection.fetchval(WAITING))
    oldest = float(await connection.fetchval(OLDEST) or 0.0)
    figures: dict[str, Any] = {"waiting": waiting, "oldest_seconds": round(oldest, 1)}
    said = f"{_many(waiting)} events wait to be published, the oldest for {oldest:,.0f} seconds"
    do = "Its log says `relay waits:` and why: NATS away, a full stream, a lock on the outbox."
    if oldest > STUCK_SECONDS:
        found.fail(service, "outbox", f"{said}: others do not hear of changes.", do, "CrmOutboxStuck", **figures)
    elif oldest > SLOW_SECONDS:
        found.warn(service, "outbox", f"{said}.", do, "CrmOutboxStuck", **figures)
    else:
        found.ok(service, "outbox", "What happened is published.", **figures)


async def dead_letters(service: str, connection: Any, found: Findings) -> None:
    """Events that it could not digest."""
    row = await connection.fetchrow(DEAD)
    figures: dict[str, Any] = {"letters": row["letters"], "oldest_seconds": round(row["age"])}
    if row["letters"]:
        said = f"It gave up on {_many(row['letters'])} events; what they tell is missing here."
        do = f"crmctl events dead {service}, mend the cause, then crmctl events replay {service} --all."
        found.warn(service, "dead letters", said, do, "CrmDeadLetters", **figures)
    else:
        found.ok(service, "dead letters", "It digested all events.", **figures)


async def timers(service: str, connection: Any, found: Findings) -> None:
    """What should have happened by itself a minute ago."""
    overdue = int(await connection.fetchval(OVERDUE))
    if overdue:
        said = f"{_many(overdue)} things should have happened by themselves and did not."
        do = "Its log names each (`timer … failed`); with no line there, no process of it is at work."
        found.warn(service, "timers", said, do, "CrmTimersOverdue", overdue=overdue)
    else:
        found.ok(service, "timers", "Nothing is overdue.", overdue=0)


async def partitions(service: str, connection: Any, found: Findings, now: datetime) -> None:
    """The outbox's months: made ahead, or later events go into the default partition."""
    ahead = months_ahead([row["name"] for row in await connection.fetch(PARTITIONS)], now)
    spilled = bool(await connection.fetchval(IN_DEFAULT))
    figures: dict[str, Any] = {"months_ahead": ahead, "default_in_use": spilled}
    do = "Make months ahead, in a quiet hour; nothing is lost until then."
    page = "#months-of-the-outbox"
    if spilled:
        said = "Events lie in the outbox's default partition: its months have run out, and it grows without end."
        found.warn(service, "partitions", said, do, page, **figures)
    elif ahead < MONTHS_AHEAD:
        said = f"The outbox has partitions for {ahead} months ahead."
        found.warn(service, "partitions", said, do, page, **figures)
    else:
        found.ok(service, "partitions", f"The outbox has partitions for {ahead} months ahead.", **figures)


def months_ahead(names: list[str], now: datetime) -> int:
    """How many months after this one have a partition `outbox_2026_11`, without a gap."""
    month, ahead = now.year * 12 + now.month, 0  # the number of the next month, counted from zero
    while f"outbox_{month // 12}_{month % 12 + 1:02}" in names:
        month, ahead = month + 1, ahead + 1
    return ahead


async def people(service: str, connection: Any, seen: Seen) -> None:
    """Whom it knows: compared when all were asked."""
    seen.people[service] = int(await connection.fetchval(PEOPLE))
    if service == "directory":
        seen.employed = int(await connection.fetchval(ALL_PEOPLE))


def _people(seen: Seen, found: Findings) -> None:
    if seen.employed is None:
        return
    if not seen.employed:
        said = "Nobody is known yet: only the bootstrap administrator (BOOTSTRAP_ADMIN) gets in."
        do = "Create people with roles (POST /v1/users), as that administrator."
        found.warn("directory", "people", said, do, "#doctor", active=0)
    for service, known in seen.people.items():
        if known < seen.employed:
            said = f"It knows {known:,} of {seen.employed:,} active people: the others are refused there."
            do = f"It has not heard all of directory's events yet: look at nats, {service} on directory."
            found.warn(service, "people", said, do, "CrmEventsWait", known=known, active=seen.employed)
        elif seen.employed:
            found.ok(service, "people", f"It knows all {seen.employed:,} active people.", known=known)


def _many(count: int) -> str:
    return f"{count:,}" + (" or more" if count == 10_000 else "")
