"""What a restored installation has."""

import shutil

import pytest
from chassis.migrate import migrate, upgrade
from chassis.schema import SPINE, newest
from chassis.schema import folder as migrations
from chassis.settings import package
from chassis.values import new_id
from cli.backups.places import EVENT, RIGHTS, SERVICES, published, restore, restore_one
from crmctl.backups.making import make
from crmctl.backups.progress import bars
from crmctl.backups.restoring import Unpublished
from sqlalchemy.ext.asyncio import create_async_engine


async def test_a_restored_installation_has_rows_rights_and_files_of_the_first(source, backup, place, tmp_path):
    target = place("files")
    await restore(backup, target)
    for service in SERVICES:
        assert await target.subjects(service) == {f"{service}/one"}
        assert await target.fetch(service, RIGHTS) == await source.fetch(service, RIGHTS)
    assert (tmp_path / "files/ab/document").read_bytes().decode() == "合同 Договор"


async def test_a_migrated_installation_without_data_is_as_good_as_an_empty_one(source, backup, place):
    target = place("files")
    for service in SERVICES:
        await migrate(service, target.installation.databases[service])
    await restore(backup, target)
    assert await target.subjects("leads") == {"leads/one"}
    assert await target.fetch("leads", RIGHTS) == await source.fetch("leads", RIGHTS)


async def test_every_restored_database_begins_a_later_epoch(source, backup, place):
    target = place("files")
    await restore(backup, target)
    newest_of = "SELECT max(id::text) AS id FROM epoch"
    for service in SERVICES:
        before, after = await source.fetch(service, newest_of), await target.fetch(service, newest_of)
        assert after[0]["id"] > before[0]["id"]


async def test_what_was_known_of_a_neighbour_is_known_in_its_new_epoch(source, place, tmp_path):
    """Else an old version, which arrives late and in the new epoch, would win over a newer one taken in before."""
    leads = (await source.fetch("leads", "SELECT id FROM epoch"))[0]["id"]
    known = "INSERT INTO inbox_latest VALUES ('r', 'leads/one', $1, 5), ('r', 'leads/older', $2, 5)"
    earlier = "00000000-0000-7000-8000-000000000000"
    await source.fetch("service-desk", known, leads, earlier)
    await source.fetch("service-desk", "INSERT INTO inbox_mark VALUES ('leads', $1, 5)", leads)
    with bars() as progress:
        await make(source.installation, tmp_path / "backup", progress)
    target = place("files")
    await restore(tmp_path / "backup", target)
    begun = (await target.fetch("leads", "SELECT max(id::text) AS id FROM epoch"))[0]["id"]
    rows = await target.fetch("service-desk", "SELECT subject, epoch::text FROM inbox_latest")
    assert {row["subject"]: row["epoch"] for row in rows} == {"leads/one": begun, "leads/older": earlier}
    mark = await target.fetch("service-desk", "SELECT epoch FROM inbox_mark")
    assert mark[0]["epoch"] == leads, "a mark in a stream that is gone must not be believed"


async def test_an_older_schema_is_migrated_forward(place, tmp_path):
    old, target = place("old"), place("files")
    for service in SERVICES:
        engine = create_async_engine(old.installation.databases[service].replace("postgresql", "postgresql+asyncpg", 1))
        async with engine.begin() as connection:
            for chain, versions in (("spine", SPINE), ("service", migrations(package(service)))):
                first = tmp_path / service / chain
                first.mkdir(parents=True)
                shutil.copy(next(versions.glob("0001_*.py")), first)
                await connection.run_sync(upgrade, chain, first)
        await engine.dispose()
        await old.fetch(service, EVENT, new_id(), f"{service}/one", 1)
    with bars() as progress:
        manifest = await make(old.installation, tmp_path / "backup", progress)
    assert manifest.databases["leads"].spine == "0001"
    await restore(tmp_path / "backup", target)
    assert (await target.fetch("leads", "SELECT version_num FROM spine_version"))[0][0] == newest(SPINE)
    assert await target.subjects("leads") == {"leads/one"}


async def test_an_interrupted_restore_is_taken_up_by_the_same_backup(backup, place):
    target = place("files")
    await restore(backup, target)
    await restore(backup, target)
    assert await target.subjects("leads") == {"leads/one"}


async def test_one_service_is_restored_and_what_it_had_told_is_named(servers, source, backup):
    late = new_id()
    await source.fetch("leads", EVENT, late, "leads/late", 2)
    await published(servers.nats_url, "crm-leads", late)
    lost = await restore_one("leads", backup, source)
    assert [one.subject for one in lost] == ["leads/late"]
    assert await source.subjects("leads") == {"leads/one"}
    assert len(await source.fetch("leads", "SELECT FROM epoch")) == 2
    assert len(await source.fetch("service-desk", "SELECT FROM epoch")) == 1


async def test_a_table_with_a_sequence_of_its_own_is_replaced_too(servers, source, backup):
    await source.fetch("leads", "CREATE TABLE numbered (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY)")
    await published(servers.nats_url, "crm-leads", new_id())
    await restore_one("leads", backup, source)
    assert (await source.fetch("leads", "SELECT to_regclass('numbered') IS NULL AS gone"))[0]["gone"]


async def test_a_service_with_unpublished_events_is_not_restored(source, backup):
    await source.fetch("leads", EVENT, new_id(), "leads/untold", None)
    with pytest.raises(Unpublished, match="leads has 1 events that it did not publish"):
        await restore_one("leads", backup, source)
    assert "leads/untold" in await source.subjects("leads")
