"""`crmctl import`: data of other systems, through the public API."""

import asyncio
import sys
import time
import uuid
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from crmctl.connection import connect
from crmctl.lead_files import mappings
from crmctl.lead_files import run as lead_files
from crmctl.lead_files.columns import Key
from crmctl.lead_files.presets import PRESETS, Preset
from crmctl.lead_files.revert import revert_import
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


@app.command()
def leads(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV in UTF-8 or XLSX; the first line names the columns.")
    ],
    preset: Annotated[
        str, typer.Option(metavar="PRODUCT", help=f"Whose export it is: {', '.join(PRESETS)}; knows its columns.")
    ] = "",
    mapping: Annotated[
        str, typer.Option(metavar="NAME", help="By a mapping that the suite keeps: see crmctl import mapping.")
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Store nothing; say what would become of the rows.")
    ] = False,
    maps: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="COLUMN=FIELD",
            help="Which field a column is; FIELD may be label:KEY, custom.SLUG, or - for none.",
        ),
    ] = None,
    key: Annotated[str, typer.Option(metavar="COLUMN", help="The column by which the other system knows a lead.")] = "",
    system: Annotated[str, typer.Option(metavar="SLUG", help="The other system's name.")] = "csv",
    errors: Annotated[
        Path, typer.Option(metavar="FILE.csv", help="Where refused rows are written, to be corrected and imported.")
    ] = Path("leads-errors.csv"),
    url: Url = "",
    token: Token = "",
    data_dir: DataDir = None,
) -> None:
    """Import leads from a file, such as an export. Columns are called as the fields of a lead, or mapped.

    It may be interrupted and repeated: a lead that is known by its key is updated or left alone, without --key by its
    row. A row whose e-mail address or phone number an open lead has is a duplicate and changes nothing. A refused row
    is written down with its line and reason and stops nothing else. Exit code 1 if there are such rows.
    """
    if errors.resolve() == file.resolve():
        raise Problem(f"{errors} is read and can not be written: name another file with --errors.")
    if mapping and (preset or maps or key):
        raise Problem("A mapping says what the columns are: name it without --preset, --map and --key.")
    mapped, import_id = dict(_mapping(one) for one in maps or []), str(uuid.uuid4())
    asked = lead_files.Asked(mapped, Key(system, key), errors, import_id, _preset(preset), dry_run, mapping)
    console, began = Console(highlight=False, soft_wrap=True), time.monotonic()
    try:
        client = connect(url, token, data_dir)
        outcome = asyncio.run(lead_files.import_leads(client, file, asked, console))
    except KeyboardInterrupt:
        print("Interrupted: the same command goes on from here.", file=sys.stderr)
        raise typer.Exit(_INTERRUPTED) from None
    _tell_leads(outcome, asked, time.monotonic() - began, console)


@app.command()
def mapping(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file of the kind, CSV or XLSX.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="How it is to be called, a slug.")],
    preset: Annotated[str, typer.Option(metavar="PRODUCT", help=f"Whose export it is: {', '.join(PRESETS)}.")] = "",
    maps: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="COLUMN=FIELD", help="Which field a column is; - for none."),
    ] = None,
    url: Url = "",
    token: Token = "",
    data_dir: DataDir = None,
) -> None:
    """Keep what the columns of a file are, for crmctl import leads --mapping NAME.

    Columns are understood by their names in English, Chinese, Bulgarian and Portuguese, or as a product's. Nothing is
    imported.
    """
    mapped, console = dict(_mapping(one) for one in maps or []), Console(highlight=False, soft_wrap=True)
    asyncio.run(mappings.keep(connect(url, token, data_dir), file, name, _preset(preset), mapped, console))


@app.command()
def revert(
    import_id: Annotated[str, typer.Argument(metavar="ID", help="As the import said at its end.")],
    left: Annotated[
        Path, typer.Option(metavar="FILE.csv", help="Where the leads that were left are written, each with the reason.")
    ] = Path("leads-left.csv"),
    url: Url = "",
    token: Token = "",
    data_dir: DataDir = None,
) -> None:
    """Take an import of leads back: what it created and nobody has touched since is archived.

    What was left alone is written down with the reason. Exit code 1 if there is such a lead.
    """
    console = Console(highlight=False, soft_wrap=True)
    ended = asyncio.run(revert_import(connect(url, token, data_dir), import_id, console))
    if ended.file:
        left.write_bytes(ended.file)
    said = f", {ended.left:,} left" + (f", each with the reason in {left}" if ended.file else "")
    print(f"{ended.taken_back:,} taken back{said}{'' if ended.whole else '; it did not come to its end: repeat it'}")
    if ended.left or not ended.whole:
        raise typer.Exit(1)


def _tell_leads(outcome: lead_files.Outcome, asked: lead_files.Asked, seconds: float, console: Console) -> None:
    """What became of a file of leads; exit code 1 if rows were refused."""
    counts = ", ".join(f"{number:,} {name.lower()}" for name, number in sorted(outcome.counts.items())) or "no rows"
    console.print(f"{counts} in {seconds:.1f} s, {outcome.rows / seconds:,.0f} rows/s")
    if asked.trial:
        console.print("a dry run: nothing was stored")
    elif outcome.counts["CREATED"]:
        console.print(f"to take back what it created and nobody has touched: crmctl import revert {asked.import_id}")
    if outcome.refused:
        print(
            f"{outcome.refused:,} rows refused, written to {asked.errors}: correct them there, then import that file "
            "with the same options and another --errors",
            file=sys.stderr,
        )
        raise typer.Exit(1)


def _preset(name: str) -> Preset | None:
    if name and name not in PRESETS:
        raise Problem(f"There is no preset {name!r}; there are: {', '.join(PRESETS)}.")
    return PRESETS.get(name)


def _mapping(given: str) -> tuple[str, str]:
    column, found, name = given.rpartition("=")
    if not found or not column or not name:
        raise Problem(f"--map {given!r} is not COLUMN=FIELD.")
    return column.strip(), name.strip()


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
