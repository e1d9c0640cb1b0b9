"""`crmctl events`: what services could not digest."""

from typing import Annotated

import typer
from crm.chassis.v1 import chassis_pb2

from crmctl.internal import Internal
from crmctl.options import DataDir, Token

app = typer.Typer(add_completion=False, no_args_is_help=True)

_LOG = "crm.chassis.v1.EventLogService"

Service = Annotated[str, typer.Argument(help="The service that gave the event up: sales, service-desk, ...")]
EventId = Annotated[str, typer.Argument(metavar="EVENT", help="The event's id, as `dead` prints it.")]
Address = Annotated[str, typer.Option(help="The service's own gRPC address, if it is not a local one.")]


@app.callback()
def events() -> None:
    """Look after events that a service gave up on."""


@app.command()
def dead(
    service: Service,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 50,
    address: Address = "",
    token: Token = "",
    data_dir: DataDir = None,
) -> None:
    """List the dead letters of a service, oldest first."""
    internal = Internal(service, address, token, data_dir)
    request = chassis_pb2.ListDeadLettersRequest(page_size=limit)
    answer = internal.call(f"{_LOG}/ListDeadLetters", request, chassis_pb2.ListDeadLettersResponse)
    if not answer.dead_letters:
        typer.echo(f"{service} has no dead letters.")
        return
    for letter in answer.dead_letters:
        given_up = letter.create_time.ToDatetime().strftime("%Y-%m-%d %H:%M:%S")
        typer.echo(f"{letter.event_id}  {letter.type}  {letter.subject}")
        typer.echo(f"    given up {given_up} after {letter.deliveries} deliveries, trace {letter.trace_id}")
        typer.echo(f"    {letter.error}")


@app.command()
def replay(
    service: Service, event: EventId, address: Address = "", token: Token = "", data_dir: DataDir = None
) -> None:
    """Apply a dead letter again. Exit code 1, and the error, if it fails once more."""
    internal = Internal(service, address, token, data_dir)
    request = chassis_pb2.ReplayDeadLetterRequest(event_id=event)
    letter = internal.call(f"{_LOG}/ReplayDeadLetter", request, chassis_pb2.DeadLetter)
    typer.echo(f"{service} applied {letter.type} of {letter.subject}.")


@app.command()
def discard(
    service: Service,
    event: EventId,
    reason: Annotated[str, typer.Option(help="Why it is safe to drop; kept on record.")],
    address: Address = "",
    token: Token = "",
    data_dir: DataDir = None,
) -> None:
    """Give a dead letter up for good."""
    internal = Internal(service, address, token, data_dir)
    request = chassis_pb2.DiscardDeadLetterRequest(event_id=event, reason=reason)
    letter = internal.call(f"{_LOG}/DiscardDeadLetter", request, chassis_pb2.DeadLetter)
    typer.echo(f"{service} discarded {letter.type} of {letter.subject}: {letter.discard_reason}")
