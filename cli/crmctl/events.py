"""`crmctl events`: what services could not digest."""

from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer
from crm.chassis.v1 import chassis_pb2

from crmctl.internal import Internal
from crmctl.options import DataDir, Token
from crmctl.problem import Problem
from crmctl.terminal import one_line, say

app = typer.Typer(add_completion=False, no_args_is_help=True)

_LOG = "crm.chassis.v1.EventLogService"
_PAGE = 200
_SHOWN = 20  # problems of a run over many letters

Service = Annotated[str, typer.Argument(help="The service that gave the event up: sales, service-desk, ...")]
EventId = Annotated[str, typer.Argument(metavar="[EVENT]", help="The event's id, as `dead` prints it.")]
Type = Annotated[str, typer.Option("--type", help="Only events of this type: crm.leads.v1.LeadConverted.")]
Every = Annotated[bool, typer.Option("--all", help="All letters there are, with --type all of that type.")]
Address = Annotated[str, typer.Option(help="The service's own gRPC address, if it is not a local one.")]


@app.callback()
def events() -> None:
    """Look after events that a service gave up on."""


@app.command()
def dead(
    service: Service,
    kind: Type = "",
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    address: Address = "",
    token: Token = "",
    data_dir: DataDir = None,
) -> None:
    """List the dead letters of a service, oldest first."""
    shown = 0
    for letter in _letters(Internal(service, address, token, data_dir), kind):
        if shown == limit:
            say(f"There are more; --limit {limit * 2} shows them.")
            break
        given_up = letter.create_time.ToDatetime().strftime("%Y-%m-%d %H:%M:%S")
        say(one_line(f"{letter.event_id}  {letter.type}  {letter.subject}"))
        say(one_line(f"    given up {given_up} after {letter.deliveries} deliveries, trace {letter.trace_id or '-'}"))
        say(one_line(f"    {letter.error}"))
        shown += 1
    if not shown:
        say(f"{service} has no dead letters{f' of type {kind}' if kind else ''}.")


@app.command()
def replay(
    service: Service,
    event: EventId = "",
    kind: Type = "",
    every: Every = False,
    address: Address = "",
    token: Token = "",
    data_dir: DataDir = None,
) -> None:
    """Apply a dead letter again, or with --all every one. Exit code 1, and the error, if one fails once more."""
    internal = Internal(service, address, token, data_dir)

    def again(event_id: str) -> chassis_pb2.DeadLetter:
        request = chassis_pb2.ReplayDeadLetterRequest(event_id=event_id)
        return internal.call(f"{_LOG}/ReplayDeadLetter", request, chassis_pb2.DeadLetter)

    if _one_or_all(event, kind, every):
        letter = again(event)
        say(one_line(f"{service} applied {letter.type} of {letter.subject}."))
    else:
        _each(internal, kind, again, f"{service} applied")


@app.command()
def discard(
    service: Service,
    event: EventId = "",
    reason: Annotated[str, typer.Option(help="Why it is safe to drop; kept on record.")] = ...,  # type: ignore[assignment]
    kind: Type = "",
    every: Every = False,
    address: Address = "",
    token: Token = "",
    data_dir: DataDir = None,
) -> None:
    """Give a dead letter up for good, or with --all every one."""
    internal = Internal(service, address, token, data_dir)

    def drop(event_id: str) -> chassis_pb2.DeadLetter:
        request = chassis_pb2.DiscardDeadLetterRequest(event_id=event_id, reason=reason)
        return internal.call(f"{_LOG}/DiscardDeadLetter", request, chassis_pb2.DeadLetter)

    if _one_or_all(event, kind, every):
        letter = drop(event)
        say(one_line(f"{service} discarded {letter.type} of {letter.subject}: {letter.discard_reason}"))
    else:
        _each(internal, kind, drop, f"{service} discarded")


def _one_or_all(event: str, kind: str, every: bool) -> bool:
    """True for one event; Problem if it is not clear which."""
    if event and (every or kind):
        raise Problem("Name one event, or ask for --all: not both.")
    if not event and not every:
        raise Problem("Name the event, as `crmctl events dead` prints it, or ask for --all (with --type for some).")
    return bool(event)


def _letters(internal: Internal, kind: str) -> Iterator[chassis_pb2.DeadLetter]:
    token = ""
    while True:
        request = chassis_pb2.ListDeadLettersRequest(page_size=_PAGE, page_token=token, type=kind)
        page: Any = internal.call(f"{_LOG}/ListDeadLetters", request, chassis_pb2.ListDeadLettersResponse)
        yield from page.dead_letters
        token = page.next_page_token
        if not token:
            return


def _each(internal: Internal, kind: str, act: Callable[[str], Any], done: str) -> None:
    """Every letter once, oldest first; those that fail do not stop the others."""
    letters, problems = [letter.event_id for letter in _letters(internal, kind)], []
    with typer.progressbar(letters, label=f"{len(letters)} dead letters") as bar:
        for event_id in bar:
            try:
                act(event_id)
            except Problem as problem:
                problems.append(f"{event_id}: {problem}")
    for said in problems[:_SHOWN]:
        say(one_line(f"    {said}"), err=True)
    say(f"{done} {len(letters) - len(problems)} of {len(letters)} events.")
    if problems:
        raise typer.Exit(1)
