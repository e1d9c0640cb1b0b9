"""`crmctl restore`: a backup comes back, whole or one service of it."""

import asyncio
import time
from pathlib import Path
from typing import Annotated

import typer
from chassis.settings import SERVICES
from chassis.stack.errors import StackError

from crmctl.options import DataDir
from crmctl.problem import Problem
from crmctl.reconciliation import Lost, tell

app = typer.Typer(add_completion=False)


@app.command()
def restore(
    folder: Annotated[Path, typer.Option("--from", help="The backup.")],
    only: Annotated[str, typer.Option(help="This service alone; the others live on.")] = "",
    lost_to: Annotated[
        Path | None, typer.Option(help="Where to list what NATS still knows of after the backup, as JSON lines.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Restore a backup into an installation that has no data and does not run; then start the suite.

    With --only, into the database of one service that does not run; then what it had told since the backup is listed,
    as `crmctl ops reconcile` does, and exit code 2 says that there is something to do.

    Of a local suite (--data-dir), or on given servers: DATABASE_URL_<SERVICE>_OWNER, NATS_URL and FILES_URL.
    """
    if only and only not in SERVICES:
        raise Problem(f"There is no service {only}: choose one of {', '.join(SERVICES)}.")
    if lost_to is not None and lost_to.exists():
        raise Problem(f"{lost_to} exists already: name a new file.")
    began = time.monotonic()
    try:
        lost = asyncio.run(_restored(folder.absolute(), only, lost_to, data_dir))
    except StackError as problem:
        raise Problem(str(problem)) from None
    typer.echo(f"{only or 'Everything'} is restored, in {time.monotonic() - began:.1f} s.")
    if lost:
        tell(lost)
        typer.echo(
            f"These were told after the backup and are gone{f'; they are listed in {lost_to}' if lost_to else ''}."
        )
        raise typer.Exit(2)


async def _restored(folder: Path, only: str, lost_to: Path | None, data_dir: Path | None) -> list[Lost]:
    from crmctl.backups.installation import to_write
    from crmctl.backups.manifest import verify
    from crmctl.backups.progress import bars
    from crmctl.backups.restoring import require_known_schema, restore_all, restore_one, write_lost

    with bars() as progress:
        bar = progress.add_task("verifying", total=None)
        manifest = await asyncio.to_thread(verify, folder, lambda count: progress.update(bar, advance=count))
        services = [only] if only else list(manifest.databases)
        require_known_schema(manifest, services)
        async with to_write(data_dir, services, lambda _: None) as installation:
            if not only:
                return await restore_all(installation, folder, manifest, lost_to, progress)
            lost = await restore_one(only, installation, folder, manifest, progress)
            if lost_to is not None:
                write_lost(lost_to, lost)
            return lost
