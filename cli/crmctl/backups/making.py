"""Makes a backup: a cut through all databases, a dump of each, the files, the manifest; whole or not at all."""

import asyncio
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chassis.stack.supervisor import together
from chassis.stack.tools import Tool
from chassis.values import new_id
from rich.progress import Progress

from crmctl.backups import files
from crmctl.backups.cut import Cut, Snapshot, cut
from crmctl.backups.databases import figures, table_bytes
from crmctl.backups.installation import Installation
from crmctl.backups.manifest import FORMAT, PARTIAL, Dump, Manifest
from crmctl.problem import Problem

_DUMPS_AT_ONCE = 3  # the services go on working beside it


async def make(installation: Installation, folder: Path, progress: Progress) -> Manifest:
    """A backup in `folder`, which must not exist yet. Raises Problem or StackError; then nothing is left of it."""
    with _unfinished(folder) as place:
        async with cut(installation.databases) as moment:
            await _require_space(place, moment)
            dumps = await _dump_all(installation, moment, place, progress)
        bar = progress.add_task("files", total=None)
        # After the cut: each file that a row of the snapshots names was stored before that row was.
        stored, damaged = await files.copy_out(
            installation.files_url, place / "files", lambda count: progress.update(bar, advance=count)
        )
        progress.update(bar, total=sum(one.bytes for one in stored))
        manifest = Manifest(
            format=FORMAT,
            id=new_id(),
            cut_time=moment.time.isoformat(),
            pause_seconds=round(moment.pause_seconds, 6),
            databases=dumps,
            files=stored,
            damaged_files=damaged,
        )
        manifest.write(place)
    return manifest


@contextmanager
def _unfinished(folder: Path) -> Iterator[Path]:
    """A folder of another name, which gets its own when everything in it is on the disk."""
    place = folder.with_name(folder.name + PARTIAL)
    if folder.name.endswith(PARTIAL):
        raise Problem(f"Names that end with {PARTIAL} are those of unfinished backups: choose another.")
    if folder.exists():
        raise Problem(f"{folder} exists already: name a new folder for each backup.")
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.mkdir(mode=0o700)
        (place / "files").mkdir(mode=0o700)
    except FileExistsError:
        raise Problem(f"{place} is what an interrupted backup left, or one is being made: remove it first.") from None
    except OSError as problem:
        raise Problem(f"{place} cannot be written ({problem.strerror}).") from None
    try:
        yield place
        for directory in {path.parent for path in place.rglob("*")} | {place}:
            _sync(directory)
        place.rename(folder)
        _sync(folder.parent)
    except OSError as problem:
        shutil.rmtree(place, ignore_errors=True)
        raise Problem(f"The backup could not be written to {folder} ({problem.strerror or problem}).") from None
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


async def _require_space(place: Path, moment: Cut) -> None:
    wanted = sum([await table_bytes(snapshot.connection) for snapshot in moment.snapshots.values()])
    free = shutil.disk_usage(place).free
    if free < wanted:
        raise Problem(
            f"{place.parent} has {free / 1e6:,.0f} MB left, and the tables have {wanted / 1e6:,.0f} MB:"
            " make room, or name a folder on another disk."
        )


async def _dump_all(installation: Installation, moment: Cut, place: Path, progress: Progress) -> dict[str, Dump]:
    places = asyncio.Semaphore(_DUMPS_AT_ONCE)

    async def one(service: str, snapshot: Snapshot) -> Dump:
        async with places:
            said = await figures(snapshot.connection)
            bar = progress.add_task(service, total=None)
            written = await _dump(
                installation.databases[service], snapshot.id, place / f"{service}.dump", progress, bar
            )
            return Dump(file=f"{service}.dump", **said, **written)  # type: ignore[arg-type]

    dumps = await together(one(service, snapshot) for service, snapshot in moment.snapshots.items())
    return dict(zip(moment.snapshots, dumps, strict=True))


async def _dump(url: str, snapshot: str, target: Path, progress: Progress, bar: Any) -> dict[str, Any]:
    """Size and digest of the dump of a snapshot."""
    digest, size = hashlib.sha256(), 0
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        async with Tool("pg_dump", url, "--format=custom", f"--snapshot={snapshot}") as dump:
            while chunk := await dump.read():
                digest.update(chunk)
                size += len(chunk)
                await asyncio.to_thread(file.write, chunk)
                progress.update(bar, completed=size)
            await dump.finish()
        file.flush()
        await asyncio.to_thread(os.fsync, file.fileno())
    progress.update(bar, completed=size, total=size)
    return {"bytes": size, "sha256": digest.hexdigest()}
