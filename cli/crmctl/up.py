"""`crmctl up`: the whole suite on this machine, until Ctrl-C."""

import asyncio
import shlex
import signal
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from chassis.settings import SERVICES, installed
from chassis.stack.errors import StackError
from chassis.stack.starter import Options, Stack
from rich.console import Console

from crmctl.connection import Client, connect
from crmctl.problem import Problem

app = typer.Typer(add_completion=False)
# Long lines stay whole and nothing is coloured by guess: the output is also read by programs.
_console = Console(soft_wrap=True, highlight=False, markup=False)


@app.command()
def up(
    data_dir: Annotated[Path, typer.Option(envvar="CRM_DATA_DIR", help="Where everything is kept.")] = Path(".crm"),
    http_port: Annotated[int, typer.Option(envvar="HTTP_PORT", min=0, max=65535, help="REST; 0 is any.")] = 8080,
    grpc_port: Annotated[int, typer.Option(envvar="GRPC_PORT", min=0, max=65535, help="gRPC; 0 is any.")] = 9090,
    sample: Annotated[bool, typer.Option(envvar="SAMPLE", help="Load a sample company into an empty suite.")] = True,
    services: Annotated[str, typer.Option(envvar="SERVICES", help="Which, as directory,leads,sales; else all.")] = "",
) -> None:
    """Start Postgres, NATS, every service and the gateway; stop them with Ctrl-C. The data stays."""
    try:
        asyncio.run(serve(Stack(Options(data_dir, http_port, grpc_port, installed(services)), _say), sample))
    except StackError as problem:
        raise Problem(str(problem)) from None


async def serve(stack: Stack, sample: bool) -> None:
    """Start the stack, say where it is, and stop it at SIGINT, SIGTERM or SIGHUP. Raises StackError."""
    asked_to_stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, asked_to_stop.set)
    stopping = asyncio.create_task(asked_to_stop.wait())
    starting = asyncio.create_task(_start(stack, sample))
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            await stopping
    finally:
        began = time.monotonic()
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await stack.stop()
    _say(f"Stopped in {time.monotonic() - began:.1f} s; the data is in {stack.folder.path}.")


async def _start(stack: Stack, sample: bool) -> None:
    began = time.monotonic()
    addresses = await stack.start()
    client = connect(data_dir=stack.folder.path)
    if sample and set(stack.options.services) != set(SERVICES):
        _say("No sample company: its story needs every service.")
    elif sample:
        await asyncio.to_thread(_load_sample, client, stack.folder.path / "sample.unfinished")
    _introduce(addresses, stack.folder.path, client)
    _say(f"ready {addresses['http']} after {time.monotonic() - began:.1f} s")


def _load_sample(client: Client, unfinished: Path) -> None:
    """The sample company, if the suite is empty or an earlier load was interrupted; it goes through the public API."""
    if not unfinished.exists() and client.get("/v1/users", pageSize=1)["users"]:
        return
    from crmctl.sample import load

    _say("Loading the sample company ...")
    unfinished.touch()
    load(client)
    unfinished.unlink()


def _introduce(addresses: dict[str, Any], data_dir: Path, client: Client) -> None:
    """Where it is, how to get in, what to look at first."""
    url = addresses["http"]
    here = "" if data_dir == Path(".crm").absolute() else f" --data-dir {shlex.quote(str(data_dir))}"
    assert client.stack is not None
    _say("")
    _say(f"REST   {url}")
    _say(f"Docs   {url}/docs")
    _say(f"gRPC   {addresses['grpc']}")
    _say(f"Token  {client.stack.mint('users/admin')}")
    _say("")
    _say("Try next, in another terminal:")
    _say(f"  TOKEN=$(crmctl token --role admin{here})")
    curl, lead = 'curl -H "Authorization: Bearer $TOKEN"', '{"displayName": "Jo Doe", "email": "jo@example.com"}'
    _say(f"  {curl} {url}/v1/leads")
    _say(f"  {curl} {url}/v1/leads -H 'Content-Type: application/json' -d '{lead}'")
    _say(f"  {curl} {url}/v1/reports/channels")
    _say("")


def _say(line: str) -> None:
    _console.print(line)
