"""How a backup is made: one moment, all of it or nothing, for its owner's eyes."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import msgspec
import psutil
import pytest
from chassis.stack.errors import StackError
from chassis.stack.tools import Tool, without_password
from chassis.values import new_id
from cli.backups.places import EVENT, Place
from crmctl.backups.cut import cut
from crmctl.backups.installation import Installation
from crmctl.backups.making import make
from crmctl.backups.manifest import Dump, Manifest, later_epoch
from crmctl.backups.progress import bars
from crmctl.problem import Problem
from hypothesis import given
from hypothesis import strategies as st

WAITING = "SELECT FROM pg_locks WHERE mode = 'ShareLock' AND relation = 'outbox'::regclass AND NOT granted"


@asynccontextmanager
async def writing(place: Place, service: str) -> AsyncIterator[asyncpg.Connection]:
    """A transaction that has written an event and is not committed."""
    connection = await asyncpg.connect(place.databases[service].url)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(EVENT, new_id(), "leads/under-way", 2)
    try:
        yield connection
    finally:
        await transaction.commit()
        await connection.close()


async def test_a_cut_waits_for_a_write_under_way_and_has_it(source):
    taking = cut(source.installation.databases)
    async with writing(source, "leads"):
        waiting = asyncio.create_task(taking.__aenter__())
        for state in (True, False):  # a try begins, and is given up
            while bool(await source.fetch("leads", WAITING)) != state:
                await asyncio.sleep(0.005)
        # Between two tries the outboxes are free: somebody else's write is held up no longer than by one of them.
        await asyncio.wait_for(source.fetch("service-desk", EVENT, new_id(), "cases/x", 2), 5)
        assert not waiting.done()
    found = await waiting
    rows = await found.snapshots["leads"].connection.fetch("SELECT subject FROM outbox")
    await taking.__aexit__(None, None, None)
    assert "leads/under-way" in {row["subject"] for row in rows}
    assert found.tries > 1


async def test_what_is_written_after_the_cut_is_not_in_it(source):
    async with cut(source.installation.databases) as found:
        await asyncio.wait_for(source.fetch("leads", EVENT, new_id(), "leads/later", 2), 5)
        rows = await found.snapshots["leads"].connection.fetch("SELECT subject FROM outbox")
    assert {row["subject"] for row in rows} == {"leads/one"}


async def test_a_failed_backup_leaves_nothing_behind(source, tmp_path):
    bad = source.installation.databases | {"service-desk": source.databases["leads"].url}  # may not lock
    with pytest.raises(Problem, match="service-desk cannot be locked"), bars() as progress:
        await make(Installation(bad, "", source.installation.files_url), tmp_path / "failed", progress)
    assert list(tmp_path.glob("failed*")) == []


async def test_a_disk_without_room_is_told_before_it_is_full(source, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(Problem, match="has 0 MB left"), bars() as progress:
        await make(source.installation, tmp_path / "full", progress)


async def test_a_folder_that_exists_is_not_written_over(source, backup):
    with pytest.raises(Problem, match="exists already"), bars() as progress:
        await make(source.installation, backup, progress)
    backup.rename(backup.with_name("other.partial"))
    with pytest.raises(Problem, match="an interrupted backup left"), bars() as progress:
        await make(source.installation, backup.with_name("other"), progress)
    with pytest.raises(Problem, match="unfinished backups: choose another"), bars() as progress:
        await make(source.installation, backup.with_name("done.partial"), progress)


async def test_only_its_owner_can_read_a_backup(backup):
    for path in (backup, *backup.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path


async def test_a_document_that_is_not_what_its_name_says_is_told(source, tmp_path):
    name = "0" * 64
    (Path(source.installation.files_url.removeprefix("file://")) / name).write_bytes(b"something else")
    with bars() as progress:
        manifest = await make(source.installation, tmp_path / "backup", progress)
    assert manifest.damaged_files == [name]


async def test_no_password_stands_on_a_command_line(source):
    url = source.installation.databases["leads"].replace(":owner@", ":own%65r@")
    async with Tool("psql", url, "-X") as session:
        shown = " ".join(psutil.Process(session.process.pid).cmdline())
        await session.write(b"\\echo there\n")
        assert await session.line() == "there"
    assert "leads_owner@" in shown
    assert not {":owner", "own%65r"} & set(shown.partition("leads_owner")[2].split("@"))


async def test_a_program_that_fails_says_why(source):
    async with Tool("psql", source.installation.databases["leads"], "-X", "-v", "ON_ERROR_STOP=1") as session:
        await session.write(b"SELECT nonsense;\n")
        with pytest.raises(StackError, match=r"psql: .*nonsense"):
            await session.line()


@given(user=st.text(alphabet="abc_", min_size=1), password=st.text(alphabet="xyz019", min_size=8, max_size=20))
def test_a_shown_address_has_everything_but_the_password(user, password):
    rest = "host:5432/leads?sslmode=require"
    for url in (f"postgresql://{user}:{password}@{rest}", f"postgresql://{user}@{rest}&password={password}"):
        assert without_password(url) == (f"postgresql://{user}@{rest}", password)


@given(st.lists(st.uuids(version=4).map(str)))
def test_a_new_epoch_is_later_than_all_that_are_known(known):
    assert all(later_epoch(*known) > one for one in known)


@given(st.integers(min_value=0), st.text(), st.lists(st.text()))
def test_a_manifest_tells_every_change_of_itself(events, head, roles):
    dump = Dump(
        file="f",
        bytes=1,
        sha256="",
        postgres=1,
        spine="1",
        service="1",
        epoch="",
        events=events,
        head=head,
        roles=roles,
    )
    manifest = Manifest(format=1, id="", cut_time="", pause_seconds=0, databases={"leads": dump}, files=[]).sealed()
    assert manifest.sealed() == manifest
    other = msgspec.structs.replace(dump, events=events + 1)
    assert msgspec.structs.replace(manifest, databases={"leads": other}).sealed().digest != manifest.digest
