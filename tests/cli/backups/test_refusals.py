"""What is refused, with nothing changed."""

from pathlib import Path

import asyncpg
import msgspec
import nats
import pytest
from chassis.migrate import migrate
from chassis.values import new_id
from cli.backups.places import EVENT, SERVICES, published, redumped, restore, rewritten
from crmctl.backups import restoring
from crmctl.backups.manifest import StoredFile, digest_of
from crmctl.problem import Problem


def corrupt(folder: Path) -> None:
    dump = folder / "leads.dump"
    content = bytearray(dump.read_bytes())
    content[len(content) // 2] ^= 1
    dump.write_bytes(content)


def another_figure(folder: Path) -> None:
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"events": 1', '"events": 2'))


DAMAGES = {
    "a flipped bit": (corrupt, "leads.dump was changed"),
    "a cut dump": (lambda f: (f / "leads.dump").write_bytes(b"PGDMP"), "leads.dump has 5 bytes"),
    "a missing dump": (lambda f: (f / "leads.dump").unlink(), "leads.dump cannot be read"),
    "a missing document": (lambda f: (f / "files/ab/document").unlink(), "files/ab/document cannot be read"),
    "no manifest": (lambda f: (f / "manifest.json").unlink(), "is no backup"),
    "half a manifest": (lambda f: (f / "manifest.json").write_bytes(b'{"format": 1, "id"'), "is damaged"),
    "another figure": (another_figure, "was changed since"),
    "a later format": (lambda f: (f / "manifest.json").write_text('{"format": 2}'), "does not know"),
    "a command in a figure": (lambda f: redumped(f, "leads", head="1:'; \n\\! true"), "is damaged"),
    "a newer schema": (lambda f: redumped(f, "leads", spine="9999"), "is newer than this release knows"),
    "a file elsewhere": (
        lambda f: rewritten(f, files=[StoredFile("../../etc/passwd", 1, "")]), "does not lie in the backup",
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_backup_that_is_not_as_it_was_is_refused(backup, place, damage):
    hurt, sentence = DAMAGES[damage]
    hurt(backup)
    target = place("files")
    with pytest.raises(Problem, match=sentence):
        await restore(backup, target)
    assert await target.tables("leads") == 0


async def test_an_unfinished_backup_is_never_restored(backup, place):
    unfinished = backup.rename(backup.with_name("backup.partial"))
    with pytest.raises(Problem, match="was never finished"):
        await restore(unfinished, place("files"))


async def test_an_installation_with_data_is_not_overwritten(backup, place):
    target = place("files")
    await migrate("service-desk", target.installation.databases["service-desk"])
    await target.fetch("service-desk", EVENT, new_id(), "cases/of-somebody-else", 1)
    with pytest.raises(Problem, match="The database of service-desk is not empty"):
        await restore(backup, target)
    assert await target.subjects("service-desk") == {"cases/of-somebody-else"}
    assert await target.tables("leads") == 0


async def test_one_dump_that_cannot_be_loaded_leaves_every_database_as_it_was(backup, place):
    dump = backup / "service-desk.dump"
    dump.write_bytes(dump.read_bytes()[:20_000])
    redumped(backup, "service-desk", bytes=20_000, sha256=digest_of(dump))
    target = place("files")
    with pytest.raises(Problem, match="Nothing was restored: service-desk: pg_restore"):
        await restore(backup, target)
    for service in SERVICES:
        assert await target.tables(service) == 0


async def test_a_dump_that_brings_another_number_of_events_is_not_committed(backup, place):
    redumped(backup, "leads", events=7)
    target = place("files")
    with pytest.raises(Problem, match="brought 1 events instead of 7"):
        await restore(backup, target)
    assert await target.tables("leads") == 0


async def test_a_service_that_runs_keeps_its_database(backup, place, monkeypatch):
    monkeypatch.setattr(restoring, "_LEAVING_SECONDS", 0.3)
    target = place("files")
    connection = await asyncpg.connect(target.databases["leads"].url)
    try:
        with pytest.raises(Problem, match="connected to the database of leads: stop the service first"):
            await restore(backup, target)
    finally:
        await connection.close()


async def test_roles_of_other_names_are_told_before_anything_is_done(backup, place):
    redumped(backup, "leads", roles=["somebody"])
    with pytest.raises(Problem, match="The tables of leads were open to somebody"):
        await restore(backup, place("files"))


async def test_streams_that_hold_later_events_are_not_mixed_with_the_past(servers, backup, place, tmp_path):
    await published(servers.nats_url, "crm-leads", new_id())
    target = place("files")
    with pytest.raises(Problem, match=r"NATS still holds events \(crm-leads\)"):
        await restore(backup, target)
    assert await target.tables("leads") == 0


async def test_later_events_are_listed_before_their_streams_are_emptied(servers, source, backup, place, tmp_path):
    late, known = new_id(), str((await source.fetch("leads", "SELECT id FROM outbox"))[0]["id"])
    for event in (known, late):
        await published(servers.nats_url, "crm-leads", event)
    lost = await restore(backup, place("files"), tmp_path / "lost.jsonl")
    assert [(one.id, one.subject) for one in lost] == [(late, "leads/late")]
    assert msgspec.json.decode((tmp_path / "lost.jsonl").read_bytes())["id"] == late
    client = await nats.connect(servers.nats_url)
    assert (await client.jetstream().stream_info("crm-leads")).state.messages == 0
    await client.close()
