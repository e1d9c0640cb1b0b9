"""Brings a backup back: everything into an empty installation, or one service into one that lives on without it.

Nothing is touched before every byte of the backup was verified and the target was found fit. All databases commit
together; streams are made anew from their outboxes.
"""

import asyncio
import json
import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import nats
from chassis.events import stream
from chassis.migrate import migrate
from chassis.schema import SPINE, newest
from chassis.schema import folder as migrations
from chassis.settings import SERVICES, package
from chassis.stack.errors import StackError
from chassis.stack.supervisor import together
from chassis.stack.tools import Tool
from nats.js.errors import NotFoundError
from rich.progress import Progress

from chassis import streams
from crmctl.backups import files
from crmctl.backups.databases import connected
from crmctl.backups.installation import Installation
from crmctl.backups.loading import commit, loaded, mark
from crmctl.backups.manifest import Dump, Manifest, later_epoch
from crmctl.problem import Problem
from crmctl.reconciliation import Lost, lost_events

_AT_ONCE = max(2, os.cpu_count() or 2)
_LEAVING_SECONDS = 10  # for the connections of a service that was just stopped

_STATE = (
    "SELECT current_setting('server_version_num')::int AS postgres,"
    " to_regclass('public.outbox') IS NOT NULL AS migrated,"
    " obj_description(to_regclass('public.epoch')) AS mark,"
    " ARRAY(SELECT rolname::text FROM pg_roles WHERE rolname = any($1)) AS roles,"
    " ARRAY(SELECT DISTINCT pg_get_userbyid(a.grantee)::text FROM pg_default_acl, LATERAL aclexplode(defaclacl) a"
    " WHERE defaclrole = current_user::regrole AND a.grantee NOT IN (0, defaclrole)) AS trusted"
)
_OTHERS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND (usename = current_user OR usename = any($1))"
)
_WRITTEN = "SELECT EXISTS (SELECT FROM outbox) OR EXISTS (SELECT FROM inbox) OR EXISTS (SELECT FROM request)"
_EVENTS = "SELECT count(*) FROM outbox"
_UNPUBLISHED = "SELECT count(*) FROM outbox WHERE position IS NULL"
_EPOCHS = "SELECT id::text FROM epoch"


class Unpublished(Problem):
    """The service to restore knows something that it has told nobody."""


def require_known_schema(manifest: Manifest, services: Sequence[str]) -> None:
    """Raises Problem if this release is older than what is in the backup."""
    for service in services:
        if service not in manifest.databases or service not in SERVICES:
            raise Problem(
                f"The backup has {', '.join(manifest.databases)}; this release and it do not share {service}."
            )
        dump = manifest.databases[service]
        for found, known in ((dump.spine, newest(SPINE)), (dump.service, newest(migrations(package(service))))):
            if found > known:
                raise Problem(
                    f"The schema of {service} in the backup ({found}) is newer than this release knows ({known}):"
                    " restore with the release that made it, or a later one."
                )


async def restore_all(
    installation: Installation, folder: Path, manifest: Manifest, lost_to: Path | None, progress: Progress
) -> list[Lost]:
    """Everything, into an installation without data. With `lost_to`, what streams still hold of later times is written
    there before they are emptied, and returned."""
    services = list(manifest.databases)
    known = [await _require_fit(service, installation, manifest, whole=True) for service in services]
    full = await _full_streams(installation.nats_url)
    if full and lost_to is None:
        raise Problem(
            f"NATS still holds events ({', '.join(full)}), some of which may be of after the backup: name a file with"
            " --lost-to, where those are listed before the streams are emptied."
        )
    bar = progress.add_task("files", total=sum(one.bytes for one in manifest.files))
    await files.copy_in(
        folder / "files", manifest.files, installation.files_url, lambda n: progress.update(bar, advance=n)
    )
    epochs = dict(zip(services, known, strict=True))
    await _load(services, installation, folder, manifest, epochs, move=True, progress=progress)
    lost: list[Lost] = []
    if full and lost_to is not None:
        for service in services:
            if stream(service) in full:
                url = installation.databases[service]
                lost += [one async for one in lost_events(service, url, installation.nats_url)]
        write_lost(lost_to, lost)
        await _empty(full, installation.nats_url)
    for service in services:
        await _migrate(service, installation)
    try:
        await streams.make(installation.nats_url, tuple(services))
    except (OSError, nats.errors.Error) as failed:
        raise Problem(
            f"All is restored but the streams ({failed}): make them with python -m chassis.streams."
        ) from None
    return lost


async def restore_one(
    service: str, installation: Installation, folder: Path, manifest: Manifest, progress: Progress
) -> list[Lost]:
    """One service, which does not run, among others that live on. What it had told since the backup."""
    epoch = await _require_fit(service, installation, manifest, whole=False)
    if service == "contracts":
        await files.copy_in(folder / "files", manifest.files, installation.files_url, lambda _: None)
    await _load([service], installation, folder, manifest, {service: epoch}, move=False, progress=progress)
    await _migrate(service, installation)
    return [one async for one in lost_events(service, installation.databases[service], installation.nats_url)]


async def _migrate(service: str, installation: Installation) -> None:
    """An older schema to this release's, as `python -m chassis.migrate` does; it may be done again."""
    try:
        await migrate(service, installation.databases[service])
    except Exception as failed:
        raise Problem(
            f"{service} is restored, but its schema could not be migrated: {failed}."
            f" Start the suite with the release that made the backup, or run python -m chassis.migrate {service} again."
        ) from failed


async def _require_fit(service: str, installation: Installation, manifest: Manifest, *, whole: bool) -> str:
    """The epoch to begin there. Raises Problem if the database may not be replaced."""
    dump = manifest.databases[service]
    async with connected(service, installation.databases[service]) as connection:
        state = await connection.fetchrow(_STATE, dump.roles)
        if state["postgres"] // 10_000 < dump.postgres // 10_000:
            raise Problem(
                f"The backup of {service} is of Postgres {dump.postgres // 10_000}, its server here runs"
                f" {state['postgres'] // 10_000}: restore to one that is as new."
            )
        _require_roles(service, dump, set(state["roles"]), set(state["trusted"]))
        await _require_nobody(service, connection, dump.roles)
        if not state["migrated"]:
            return later_epoch(dump.epoch)
        if whole:
            await _require_empty(service, connection, dump, state["mark"] == mark(manifest.id))
        elif unpublished := await connection.fetchval(_UNPUBLISHED):
            raise Unpublished(
                f"{service} has {unpublished:,} events that it did not publish; restored now, nobody could say what was"
                " lost. Start it, wait until crm_outbox_waiting is 0, stop it and try again. If it cannot start, make"
                " its database anew, empty: these events are then lost unnamed."
            )
        return later_epoch(dump.epoch, *(row["id"] for row in await connection.fetch(_EPOCHS)))


def _require_roles(service: str, dump: Dump, existing: set[str], trusted: set[str]) -> None:
    missing, strange = set(dump.roles) - existing, trusted - set(dump.roles)
    if missing or strange:
        raise Problem(
            f"The tables of {service} were open to {', '.join(dump.roles) or 'their owner only'}, and this server has"
            f" {', '.join(sorted(trusted or existing)) or 'no such role'}: give its roles the same names."
        )


async def _require_nobody(service: str, connection: asyncpg.Connection, roles: list[str]) -> None:
    until = asyncio.get_running_loop().time() + _LEAVING_SECONDS
    while others := await connection.fetchval(_OTHERS, roles):
        if asyncio.get_running_loop().time() > until:
            raise Problem(f"{others} others are connected to the database of {service}: stop the service first.")
        await asyncio.sleep(0.2)


async def _require_empty(service: str, connection: asyncpg.Connection, dump: Dump, same: bool) -> None:
    """Nothing but what migrations made; or what this very backup brought in an attempt that was interrupted."""
    if same and await connection.fetchval(_EVENTS) == dump.events:
        return
    if await connection.fetchval(_WRITTEN):
        raise Problem(
            f"The database of {service} is not empty: restore into an installation without data (another --data-dir,"
            f" new databases), or only one service with --only."
        )


async def _load(
    services: Sequence[str], installation: Installation, folder: Path, manifest: Manifest, epochs: dict[str, str], *,
    move: bool, progress: Progress,
) -> None:  # fmt: skip
    """Loads all, then commits all. Raises Problem."""
    moves = {manifest.databases[service].epoch: epochs[service] for service in services} if move else {}
    places = asyncio.Semaphore(_AT_ONCE)
    async with AsyncExitStack() as stack:

        async def one(service: str) -> Tool:
            async with places:
                bar = progress.add_task(service, total=None)
                session = loaded(
                    installation.databases[service], folder, manifest.databases[service], manifest.id,
                    epochs[service], moves, lambda count: progress.update(bar, advance=count),
                )  # fmt: skip
                try:
                    return await stack.enter_async_context(session)
                except StackError as failed:
                    raise Problem(f"Nothing was restored: {service}: {failed}") from None

        sessions = await together(one(service) for service in services)
        for number, (service, session) in enumerate(zip(services, sessions, strict=True)):
            try:
                await commit(session)
            except StackError as failed:
                done = f"; {', '.join(services[:number])} had been: restore the same backup again" if number else ""
                raise Problem(f"{service} was not restored: {failed}{done}.") from None


async def _full_streams(nats_url: str) -> list[str]:
    """The streams that hold events."""
    client = await _nats(nats_url)
    try:
        found = []
        for service in SERVICES:
            try:
                if (await client.jetstream().stream_info(stream(service))).state.messages:
                    found.append(stream(service))
            except NotFoundError:
                continue
        return found
    finally:
        await client.close()


async def _empty(full: Sequence[str], nats_url: str) -> None:
    """Removes streams with their durables: relays fill new ones from the outboxes."""
    client = await _nats(nats_url)
    try:
        for name in full:
            await client.jetstream().delete_stream(name)
    finally:
        await client.close()


async def _nats(url: str) -> nats.NATS:
    try:
        return await nats.connect(url, allow_reconnect=False)
    except (OSError, nats.errors.Error) as away:
        raise Problem(f"NATS cannot be reached: {away or type(away).__name__}") from None


def write_lost(path: Path, lost: Sequence[Lost]) -> None:
    """One JSON object per line. Raises Problem."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.writelines(json.dumps(vars(one)) + "\n" for one in lost)
    except OSError as problem:
        raise Problem(f"{path} cannot be written ({problem.strerror}); the streams were left as they are.") from None
