"""`crmctl import`: data of other systems, through the public API."""

import asyncio
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from crmctl.connection import connect
from crmctl.olist.run import Outcome, import_folder
from crmctl.olist.tally import Watch
from crmctl.options import DataDir, Token, Url
from crmctl.problem import Problem
from crmctl.terminal import one_line

app = typer.Typer(add_completion=False)

_MOST_SENTENCES = 20
_INTERRUPTED = 130  # As shells say it: 128 and SIGINT.


@app.callback()
def importing() -> None:
    """Bring data of other systems along."""


@app.command()
def olist(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder with Olist's CSV files.")],
    errors: Annotated[
        Path, typer.Option(metavar="DIR", help="Where refused rows are written, to be corrected and imported.")
    ] = Path("olist-errors"),
    url: Url = "",
    token: Token = "",
    data_dir: DataDir = None,
) -> None:
    """Play Olist's marketing funnel: leads, deals, contracts, orders, complaints.

    It may be interrupted and repeated: what is there already is left alone, and a second run says "0 changed". The
    funnel's two files are needed; without order_items.csv there are no orders, without order_reviews.csv no cases.
    A refused row is told with its line and reason and stops nothing else. Exit code 1 if there are such rows.
    """
    if errors.resolve() == folder.resolve():
        raise Problem(f"{errors} is read and can not be written: name another folder with --errors.")
    console = Console(highlight=False, soft_wrap=True)
    began = time.monotonic()
    try:
        with Watch(console) as watch:
            outcome = asyncio.run(import_folder(connect(url, token, data_dir), folder, watch))
    except KeyboardInterrupt:
        print("Interrupted: the same command goes on from here.", file=sys.stderr)
        raise typer.Exit(_INTERRUPTED) from None
    _tell(outcome, console, errors, time.monotonic() - began)


def _tell(outcome: Outcome, console: Console, errors: Path, seconds: float) -> None:
    """The summary, and the refused rows if there are any."""
    console.print(outcome.tally.table())
    for note in outcome.notes:
        console.print(note)
    console.print(f"{outcome.tally.changed:,} changed in {seconds:.1f} s")
    if not outcome.rejected:
        return
    outcome.rejected.write(errors)
    sentences = outcome.rejected.sentences()
    for sentence in sentences[:_MOST_SENTENCES]:
        print(one_line(sentence), file=sys.stderr)
    if len(sentences) > _MOST_SENTENCES:
        print(f"... and {len(sentences) - _MOST_SENTENCES:,} more", file=sys.stderr)
    print(
        f"{len(sentences):,} rows refused, written to {errors}: correct them there, then crmctl import olist {errors} "
        "--errors another-folder",
        file=sys.stderr,
    )
    raise typer.Exit(1)
