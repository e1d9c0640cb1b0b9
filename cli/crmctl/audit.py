"""`crmctl audit`: who did what, and whether the record of it is whole."""

from typing import Annotated

import typer
from crm.chassis.v1 import audit_pb2

from crmctl.internal import Internal
from crmctl.options import DataDir, Token
from crmctl.problem import Problem
from crmctl.terminal import one_line, say

app = typer.Typer(add_completion=False, no_args_is_help=True)

_SERVICE = "crm.chassis.v1.AuditService"
_BATCH = 2_000
_SHOWN = 60  # characters of a value

Address = Annotated[str, typer.Option(help="The service's own gRPC address, if it is not a local one.")]
Service = Annotated[str, typer.Argument(help="leads, sales, service-desk, ...")]


@app.callback()
def audit() -> None:
    """Ask who did what, and check that nobody rewrote it."""


@app.command("list")
def list_entries(
    service: Service,
    subject: Annotated[str, typer.Option(help="About this record: leads/...")] = "",
    actor: Annotated[str, typer.Option(help="By this actor: users/...")] = "",
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many at most.")] = 50,
    address: Address = "",
    token: Token = "",
    data_dir: DataDir = None,
) -> None:
    """List what happened in a service, newest first: when, who, from where, what, and the values before and after."""
    if not subject and not actor:
        raise Problem("Say about which record (--subject) or by whom (--actor).")
    request = audit_pb2.ListAuditEntriesRequest(subject=subject, actor=actor, page_size=limit)
    internal = Internal(service, address, token, data_dir)
    answer = internal.call(f"{_SERVICE}/ListAuditEntries", request, audit_pb2.ListAuditEntriesResponse)
    for entry in answer.entries:
        when = entry.record_time.ToDatetime().isoformat(" ", "seconds")
        say(one_line(f"{when}  {entry.type}  {entry.subject}  by {entry.actor}  {entry.source or 'the suite itself'}"))
        for change in entry.changes:
            say(one_line(f"    {change.field}: {_short(change.before)} -> {_short(change.after)}"))
        if entry.details:
            say(one_line(f"    {entry.details}"))
        if entry.erasure:
            say(one_line(f"    personal data were erased ({entry.erasure})"))
    if not answer.entries:
        say("nothing")


@app.command()
def verify(
    service: Service,
    head: Annotated[str, typer.Option(help="NUMBER:SEAL of an earlier run: it must still be in the chain.")] = "",
    address: Address = "",
    token: Token = "",
    data_dir: DataDir = None,
) -> None:
    """Check the whole chain of a service: nothing removed, changed or reordered since it was sealed.

    Prints the head of the chain. Keep it elsewhere: given to a later run, it proves that nothing was cut off the end.
    Exit code 1 if anything is broken.
    """
    internal = Internal(service, address, token, data_dir)
    wanted, _, seal = head.partition(":")
    findings: list[str] = []
    after, answer = 0, audit_pb2.VerifyAuditResponse()
    with typer.progressbar(length=1, label=f"audit of {service}") as bar:
        while not answer.done:
            limit = _BATCH
            if wanted and after < int(wanted) <= after + _BATCH:
                limit = int(wanted) - after
            request = audit_pb2.VerifyAuditRequest(after=after, limit=limit)
            answer = internal.call(f"{_SERVICE}/VerifyAudit", request, audit_pb2.VerifyAuditResponse)
            findings += answer.findings
            bar.length = max(answer.last, 1)
            bar.update(answer.checked_to - after)
            after = answer.checked_to
            if wanted and after == int(wanted):
                findings += [] if answer.seal == seal else [f"number {wanted} has another seal than it had"]
                wanted = ""
    if wanted:
        findings.append(f"the chain ends at number {after}: everything up to {wanted} was cut off")
    for said in findings:
        say(one_line(f"  {said}"))
    verdict = f"{len(findings)} findings" if findings else "whole"
    say(one_line(f"{after:,} entries, {verdict}; head {after}:{answer.seal}"))
    if findings:
        raise typer.Exit(1)


def _short(value: str) -> str:
    shown = value or "(none)"
    return shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + "…"
