"""`crmctl ops`: what operators do to see that all is well, and after something went wrong."""

import asyncio
import json
import os
from typing import Annotated

import typer

from crmctl.local import local_stack
from crmctl.options import DataDir, Token, Url
from crmctl.problem import Problem

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
