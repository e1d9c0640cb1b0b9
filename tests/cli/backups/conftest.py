"""Servers, a small installation with data, its backup, and places to restore to."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from chassis.migrate import migrate
from chassis.testing import Backend, Database
from chassis.values import new_id
from cli.backups.places import EVENT, SEAL, SERVICES, Place
from crmctl.backups.installation import Installation
from crmctl.backups.making import make
from crmctl.backups.progress import bars


@pytest.fixture(scope="module")
def servers() -> Iterator[Backend]:
    """Not the session's: streams are removed here."""
    with Backend.running() as backend:
        yield backend


@pytest.fixture(scope="module")
async def filled(servers: Backend) -> dict[str, Database]:
    """Databases with an event and a link of the audit chain; others are copied from them."""
    databases = {service: servers.create_database(service) for service in SERVICES}
    for service, database in databases.items():
        await migrate(service, database.owner_url)
        place = Place(databases, Installation({}, "", ""))
        await place.fetch(service, EVENT, new_id(), f"{service}/one", 1)
        await place.fetch(service, SEAL)
    return databases


@pytest.fixture
def place(servers: Backend, tmp_path: Path):
    """Makes installations; their databases are dropped afterwards."""
    made: list[Database] = []

    def make_one(name: str, like: Mapping[str, Database] = MappingProxyType({})) -> Place:
        databases = {service: servers.create_database(service, like.get(service)) for service in SERVICES}
        made.extend(databases.values())
        urls = {service: database.owner_url for service, database in databases.items()}
        return Place(databases, Installation(urls, servers.nats_url, (tmp_path / name).as_uri()))

    yield make_one
    servers.clear_streams()
    for database in made:
        servers.drop_database(database)


@pytest.fixture
def source(place, filled) -> Place:
    """An installation with data, a document too."""
    found = place("files-of-source", filled)
    document = Path(found.installation.files_url.removeprefix("file://")) / "ab" / "document"
    document.parent.mkdir(parents=True)
    document.write_bytes("合同 Договор".encode())
    return found


@pytest.fixture
async def backup(source: Place, tmp_path: Path) -> Path:
    with bars() as progress:
        await make(source.installation, tmp_path / "backup", progress)
    return tmp_path / "backup"
