"""Which installation is meant: given servers by their settings, the suite that runs in a data folder, or a folder in
which none runs: then only its servers are started, for as long as the work takes.

Settings are those of migrations and services: DATABASE_URL_<SERVICE>_OWNER (or DATABASE_URL_<SERVICE>), NATS_URL,
FILES_URL.
"""

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from chassis.settings import SERVICES, variable
from chassis.stack.folder import DataFolder
from chassis.stack.starter import Options, Stack

from crmctl.local import DEFAULT, local_stack
from crmctl.problem import Problem


@dataclass(frozen=True)
class Installation:
    """Each service's database as its owner, NATS as its administrator, and where files are."""

    databases: dict[str, str]
    nats_url: str
    files_url: str


@asynccontextmanager
async def to_read(data_dir: Path | None, services: Sequence[str]) -> AsyncIterator[Installation]:
    """One whose `services` are to be backed up; it may be at work."""
    folder = DataFolder(data_dir or DEFAULT)
    if (given := _given(services)) is not None:
        yield given
    elif folder.in_use:
        stack = local_stack(folder.path)
        assert stack is not None
        databases = {service: stack.database_url(service) for service in stack.addresses["services"]}
        yield Installation(databases, os.environ.get("NATS_URL") or stack.nats_url, _files_url(folder))
    elif folder.secrets.exists():
        async with _servers_of(folder, services, lambda _: None) as found:
            yield found
    else:
        raise Problem(
            f"There is no suite in {folder.path}: name its data folder with --data-dir, or set "
            "DATABASE_URL_<SERVICE>_OWNER of each service and FILES_URL."
        )


@asynccontextmanager
async def to_write(
    data_dir: Path | None, services: Sequence[str], say: Callable[[str], None]
) -> AsyncIterator[Installation]:
    """One to restore `services` into. Of a data folder, no suite may run in it."""
    folder = DataFolder(data_dir or DEFAULT)
    if (given := _given(services)) is not None:
        if not given.nats_url:
            raise Problem("Set NATS_URL to NATS with an administrator's login: its streams have to fit the databases.")
        yield given
    elif folder.in_use:
        raise Problem(f"A suite runs in {folder.path}: stop it first, a restore needs its data for itself.")
    else:
        async with _servers_of(folder, services, say) as found:
            yield found


def _given(services: Sequence[str]) -> Installation | None:
    """What the settings name; None if they name no database. Raises Problem if they name some only."""
    named = {service: url for service in SERVICES if (url := _owner_url(service))}
    if not named:
        return None
    missing = [service for service in services if service not in named]
    if missing:
        name = f"{variable('DATABASE_URL', missing[0])}_OWNER"
        raise Problem(f"The setting {name} is missing; others are given. (SERVICES names those of this installation.)")
    files_url = os.environ.get("FILES_URL", "")
    if "contracts" in services and not files_url:
        raise Problem("The setting FILES_URL is missing: where contracts keeps its documents.")
    return Installation({one: named[one] for one in services}, os.environ.get("NATS_URL", ""), files_url)


def _owner_url(service: str) -> str:
    name = variable("DATABASE_URL", service)
    return os.environ.get(f"{name}_OWNER") or os.environ.get(name, "")


def _files_url(folder: DataFolder) -> str:
    return os.environ.get("FILES_URL") or folder.files.as_uri()


@asynccontextmanager
async def _servers_of(
    folder: DataFolder, services: Sequence[str], say: Callable[[str], None]
) -> AsyncIterator[Installation]:
    async with Stack(Options(folder.path, 0, 0, tuple(services)), say).stores() as stores:
        databases = {service: stores.owner_urls[service] for service in services}
        yield Installation(databases, stores.nats_admin_url, _files_url(folder))
