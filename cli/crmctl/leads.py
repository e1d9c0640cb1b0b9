"""`crmctl leads`: changes of many leads at once."""

import asyncio
import sys
from typing import Annotated, Any

import typer
from rich.console import Console

from crmctl.bulk_edits import Change, changed, preview, taken_back
from crmctl.connection import connect
from crmctl.options import DataDir, Token, Url
from crmctl.problem import Problem
from crmctl.suite import Suite
from crmctl.terminal import say

app = typer.Typer(add_completion=False)

_INTERRUPTED = 130


@app.callback()
def leads() -> None:
    """Change many leads at once, and change them back."""


@app.command()
def edit(
    filter: Annotated[str, typer.Option(metavar="FILTER", help="Which leads, as lists take it.")] = "",
    segment: Annotated[str, typer.Option(metavar="SLUG", help="Or those of a segment.")] = "",
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="FIELD may be label:KEY or custom.SLUG."),
    ] = None,
    clears: Annotated[list[str] | None, typer.Option("--clear", metavar="FIELD", help="A field to be emptied.")] = None,
    closed: Annotated[bool, typer.Option("--closed", help="Closed and archived leads, too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; else the preview is shown, and you are asked.")] = False,
    url: Url = "",
    token: Token = "",
    data_dir: DataDir = None,
) -> None:
    """Set or clear fields of the leads that a filter selects.

    First it shows how many leads would change, how many not and why, and some before and after; then it asks. What
    changed since the preview stays as it is. Ctrl-C ends it after the leads that are under way. Exit code 1 if leads
    that were to change did not.
    """
    change = Change.read(sets or [], clears or [])
    console = Console(highlight=False, soft_wrap=True)

    async def run() -> dict[str, Any] | None:
        async with Suite(connect(url, token, data_dir)) as suite:
            asked = {"filter": filter, "segment": f"leadSegments/{segment}" if segment else "", "includeClosed": closed}
            seen, shown = await preview(suite, asked, change, console)
            say(shown)
            if not seen["changing"]:
                return None
            if not yes and not (sys.stdin.isatty() and typer.confirm(f"Change {seen['changing']:,} leads?")):
                say("a preview: nothing was changed")
                return None
            return await changed(suite, seen, console)

    done = _run(run())
    if done is None:
        return
    say(f"{done['changed']:,} changed, {done['refused']:,} refused; to take it back: crmctl leads undo {done['name']}")
    if done["changed"] < done["changing"]:
        raise typer.Exit(1)


@app.command()
def undo(
    name: Annotated[str, typer.Argument(metavar="NAME", help="leadBulkEdits/..., as the edit said at its end.")],
    url: Url = "",
    token: Token = "",
    data_dir: DataDir = None,
) -> None:
    """Give leads back what an edit changed, where nobody has changed it since; the rest is named.

    Exit code 1 if something was left.
    """
    if not name.startswith("leadBulkEdits/"):
        raise Problem(f"{name!r} is no bulk edit: they are called leadBulkEdits/....")
    console = Console(highlight=False, soft_wrap=True)

    async def run() -> tuple[dict[str, Any], str]:
        async with Suite(connect(url, token, data_dir)) as suite:
            return await taken_back(suite, name, console)

    done, left = _run(run())
    say(f"{done['undone']:,} leads given back, {done['left']:,} left in some of it or whole")
    if left:
        say(left)
    if done["left"]:
        raise typer.Exit(1)


def _run(work: Any) -> Any:
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        say("Interrupted: it ends after the leads that are under way; what was changed stays changed.", err=True)
        raise typer.Exit(_INTERRUPTED) from None
