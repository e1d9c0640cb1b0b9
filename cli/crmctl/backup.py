"""`crmctl backup`: everything a company has in its suite, of one moment, in a folder."""

import asyncio
import time
from pathlib import Path
from typing import Annotated

import typer
from chassis.settings import installed
from chassis.stack.errors import StackError

from crmctl.backups.manifest import Manifest
from crmctl.options import DataDir
from crmctl.problem import Problem

app = typer.Typer(add_completion=False)


@app.callback(invoke_without_command=True)
def backup(
    context: typer.Context,
    to: Annotated[Path | None, typer.Option(help="The folder to make; it must not exist yet.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Back up all databases and files while the suite works; `crmctl restore` brings them back.

    Of a local suite (--data-dir), or of given servers: DATABASE_URL_<SERVICE>_OWNER of each service, and FILES_URL. If
    the installation has some services only, they are named by SERVICES (directory,leads,sales).
    """
    if context.invoked_subcommand is not None:
        return
    if to is None:
        raise Problem("Say where the backup shall be: crmctl backup --to FOLDER.")
    from crmctl.backups.installation import to_read
    from crmctl.backups.making import make
    from crmctl.backups.progress import bars

    async def made() -> Manifest:
        async with to_read(data_dir, installed()) as installation:
            with bars() as progress:
                return await make(installation, to.absolute(), progress)

    began = time.monotonic()
    try:
        manifest = asyncio.run(made())
    except StackError as problem:
        raise Problem(str(problem)) from None
    _tell(manifest)
    typer.echo(
        f"{to}: {_size(manifest.bytes)} in {time.monotonic() - began:.1f} s; as of {manifest.cut_time};"
        f" writers waited {manifest.pause_seconds * 1000:.0f} ms"
    )


@app.command()
def verify(folder: Annotated[Path, typer.Argument(help="A backup.")]) -> None:
    """Check that a backup is complete and that every byte of it is as it was written. Exit code 1 if not."""
    from crmctl.backups.manifest import verify as verified
    from crmctl.backups.progress import bars

    with bars() as progress:
        bar = progress.add_task("reading", total=None)
        manifest = verified(folder.absolute(), lambda count: progress.update(bar, advance=count))
    _tell(manifest)
    typer.echo(f"{folder}: whole, {_size(manifest.bytes)}, as of {manifest.cut_time}")


def _tell(manifest: Manifest) -> None:
    for service, dump in manifest.databases.items():
        typer.echo(f"{service:<14} {dump.events:>12,} events {_size(dump.bytes):>10}  head {dump.head or 'none'}")
    typer.echo(f"{'files':<14} {len(manifest.files):>12,} files  {_size(sum(one.bytes for one in manifest.files)):>10}")
    for path in manifest.damaged_files:
        typer.echo(f"  ! files/{path} does not hold what its name says; it was so before the backup", err=True)


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"
