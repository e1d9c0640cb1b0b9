"""`crmctl ops`: what operators do to see that all is well, and after something went wrong."""

import asyncio
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crmctl.local import local_stack
from crmctl.options import DataDir, Token, Url
from crmctl.problem import Problem
from crmctl.terminal import plain

if TYPE_CHECKING:
    from crmctl.doctor.examination import Report
    from crmctl.doctor.installation import Installation

Admin = Annotated[
    list[str] | None, typer.Option(metavar="NAME=HOST:PORT", help="An admin port: leads=localhost:8090. Repeatable.")
]
Seconds = Annotated[float, typer.Option(min=0.5, max=60, help="How long each look may take.")]

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def ops() -> None:
    """See that an installation works; put right what an accident left behind."""


@app.command()
def smoke(url: Url = "", token: Token = "", data_dir: DataDir = None) -> None:
    """Play a customer's first steps through the gateway: a lead comes, becomes a customer, its story is told.

    Whoever calls needs the rights of a sales manager. Without a token, that of a system is fetched with CLIENT_ID,
    CLIENT_SECRET and OIDC_TOKEN_URL. Exit code 1, and a sentence, if a step does not work.
    """
    from crmctl.connection import connect
    from crmctl.smoke import play

    play(connect(url, token, data_dir), typer.echo)


@app.command()
def doctor(
    url: Url = "",
    data_dir: DataDir = None,
    admin: Admin = None,
    seconds: Seconds = 5,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of sentences.")] = False,
) -> None:
    """Look at every part of an installation at once; say what is wrong, what it means and what to do.

    Of a local suite (--data-dir), or by addresses: --admin (or ADMIN_<SERVICE>, ADMIN_GATEWAY), UPSTREAM_<SERVICE>,
    DATABASE_URL_<SERVICE>_OWNER, NATS_URL with an administrator's login, OIDC_JWKS_URL, TLS_FOLDER, --url. It changes
    nothing. Exit code 0 if all is well, 1 with warnings, 2 if something fails.
    """
    from crmctl.doctor.examination import as_json as told
    from crmctl.doctor.examination import tell

    report = asyncio.run(_examined(url, data_dir, admin or [], seconds))[1]
    if as_json:
        typer.echo(json.dumps(told(report), indent=2, ensure_ascii=False))
    else:
        tell(report, typer.echo)
    raise typer.Exit(int(report.worst))


@app.command()
def bundle(
    file: Annotated[Path, typer.Argument(metavar="FILE.tar.gz", help="The file to make; it must not exist yet.")],
    url: Url = "",
    data_dir: DataDir = None,
    admin: Admin = None,
    seconds: Seconds = 5,
) -> None:
    """Pack what helps others to help: doctor's findings, versions, settings, metrics, log lines without their values.

    Nothing of a person and no secret is in it: only what is known to be harmless goes in, and MANIFEST.md says what
    did and what did not. Nothing is sent anywhere. Addresses are found as by doctor.
    """
    from crmctl.bundle.packing import pack

    installation, report = asyncio.run(_examined(url, data_dir, admin or [], seconds))
    for name, size in pack(file, installation, report).items():
        typer.echo(f"{size:>10,}  {name}")
    typer.echo(f"{file}: {file.stat().st_size:,} bytes. Read MANIFEST.md in it before you pass it on.")


async def _examined(url: str, data_dir: Path | None, admin: list[str], seconds: float) -> "tuple[Installation, Report]":
    from crmctl.doctor.examination import examine
    from crmctl.doctor.installation import find

    try:
        installation = find(url, data_dir, admin)
    except Problem as nothing:  # no suite runs there: for whoever asks how it is, that is no mere warning
        typer.echo(f"FAIL  {plain(str(nothing))}", err=True)
        raise typer.Exit(2) from None
    return installation, await examine(installation, seconds)


@app.command()
def reconcile(
    service: Annotated[str, typer.Argument(help="The service whose database was restored.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per event instead of a table.")] = False,
    data_dir: DataDir = None,
) -> None:
    """List what was acknowledged after the moment to which a service's database was restored.

    Those are the events that its stream has and its outbox has not. Other services applied them: each line is a change
    that has to be made once more, or taken back where it left traces. Needs the addresses of the service's database
    (DATABASE_URL_<SERVICE>) and of NATS with an administrator's login (NATS_URL); those of a local suite are known.
    Exit code 1 if anything is listed.
    """
    from crmctl.reconciliation import Lost, lost_events, tell

    database, nats_url = _addresses(service, data_dir)

    async def listed() -> list[Lost]:
        return [one async for one in lost_events(service, database, nats_url)]

    found = asyncio.run(listed())
    if as_json:
        for one in found:
            typer.echo(json.dumps(vars(one)))
    else:
        tell(found)
    if found:
        raise typer.Exit(1)


def _addresses(service: str, data_dir: DataDir) -> tuple[str, str]:
    from chassis.settings import SERVICES, variable

    if service not in SERVICES:
        raise Problem(f"There is no service {service}: choose one of {', '.join(SERVICES)}.")
    name = variable("DATABASE_URL", service)
    database, nats_url = os.environ.get(name, ""), os.environ.get("NATS_URL", "")
    stack = None if database and nats_url else local_stack(data_dir)
    if stack is None and not (database and nats_url):
        raise Problem(f"Name a local suite with --data-dir, or set {name} and NATS_URL.")
    if stack is not None:
        database, nats_url = database or stack.database_url(service), nats_url or stack.nats_url
    return database, nats_url
