"""`crmctl privacy`: what the suite knows about a person, and its erasure with a receipt."""

import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from crmctl.connection import Client, Refused, connect
from crmctl.options import DataDir, Token, Url
from crmctl.problem import Problem

app = typer.Typer(add_completion=False, no_args_is_help=True)

_POLL_SECONDS = 0.5

Records = Annotated[
    list[str] | None, typer.Argument(help="leads/..., contacts/..., users/...: what is known to be the person.")
]
Emails = Annotated[list[str] | None, typer.Option("--email", help="An address of the person and of nobody else.")]


@app.callback()
def privacy() -> None:
    """Answer people who ask what is kept about them, and erase them."""


@app.command()
def export(
    records: Records = None,
    email: Emails = None,
    out: Annotated[Path | None, typer.Option(help="The file to write [default: standard output].")] = None,
    url: Url = "",
    token: Token = "",
    data_dir: DataDir = None,
) -> None:
    """Write everything about a person as one JSON document."""
    _need_somebody(records, email)
    client = connect(url, token, data_dir)
    document = client.post("/v1/personalData:export", {"records": records or [], "emails": email or []})
    text = json.dumps(document, ensure_ascii=False, indent=2) + "\n"
    if out is None:
        sys.stdout.write(text)
    else:
        out.write_text(text)
    services = ", ".join(
        f"{name} {len(told['records'])} records, {len(told['history'])} events"
        for name, told in document["services"].items()
        if told["records"] or told["history"]
    )
    typer.echo(f"{services or 'nothing'}", err=True)
    if document["similar"]:
        typer.echo(f"similar, not included: {', '.join(document['similar'])}", err=True)


@app.command()
def erase(
    records: Records = None,
    email: Emails = None,
    name: Annotated[list[str] | None, typer.Option(help="A further name the person goes by in texts.")] = None,
    retain: Annotated[list[str] | None, typer.Option(help="contracts/... or orders/... the law asks to keep.")] = None,
    case: Annotated[str, typer.Option(help="The company's own number of the request.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Erase; without it only a preview is shown.")] = False,
    url: Url = "",
    token: Token = "",
    data_dir: DataDir = None,
) -> None:
    """Erase a person in every service. Without --yes nothing is erased: it shows which records would be."""
    _need_somebody(records, email)
    client = connect(url, token, data_dir)
    body: dict[str, Any] = {
        "records": records or [],
        "emails": email or [],
        "names": name or [],
        "retained": retain or [],
    }
    body |= {"caseReference": case}
    if not yes:
        preview = client.call("POST", "/v1/erasures", body, {"validateOnly": "true"})
        _list("would be erased", preview["found"])
        _list("named there, would lose the name", preview["touched"])
        _list("similar, would stay", preview["similar"])
        _counts(preview)
        typer.echo("Nothing was erased: add --yes.")
        return
    _show(_completed(client, client.post("/v1/erasures", body)))


@app.command()
def show(erasure: str, url: Url = "", token: Token = "", data_dir: DataDir = None) -> None:
    """Show the receipt of an erasure."""
    _show(connect(url, token, data_dir).get(f"/v1/{erasure}"))


@app.command()
def reapply(
    erasures: Annotated[list[str] | None, typer.Argument(help="erasures/...; all if none is named.")] = None,
    receipts: Annotated[
        Path | None, typer.Option(help="What `crmctl privacy list` wrote: for erasures that the restore lost.")
    ] = None,
    url: Url = "",
    token: Token = "",
    data_dir: DataDir = None,
) -> None:
    """Apply erasures again: after anything was restored from a backup that may still hold the people."""
    client = connect(url, token, data_dir)
    if receipts is not None:
        _again(client, receipts)
        return
    refused = []
    for name in erasures or [one["name"] for one in client.each("/v1/erasures", "erasures")]:
        try:
            done = _completed(client, client.post(f"/v1/{name}:reapply", {}))
        except (Refused, Problem) as problem:
            refused.append(f"{name}: {problem}")
            continue
        typer.echo(f"{name} {done['state']}, {_sum(done)} places so far")
    _tell(refused)


@app.command("list")
def list_erasures(url: Url = "", token: Token = "", data_dir: DataDir = None) -> None:
    """Write every receipt as a line of JSON, oldest last. They name nobody; keep them apart from the backups."""
    for erasure in connect(url, token, data_dir).each("/v1/erasures", "erasures"):
        typer.echo(json.dumps(erasure, ensure_ascii=False))


def _again(client: Client, receipts: Path) -> None:
    """Applies what the receipts of a file tell: what directory still knows again, what it lost as a new erasure."""
    refused = []
    known = {one["name"] for one in client.each("/v1/erasures", "erasures")}
    for line in receipts.read_text().splitlines():
        receipt = json.loads(line)
        lost = {"caseReference": receipt["caseReference"], "person": receipt["person"]}
        lost |= {"retained": receipt["retained"]}
        again = (f"/v1/{receipt['name']}:reapply", {}) if receipt["name"] in known else ("/v1/erasures", lost)
        try:
            done = _completed(client, client.post(*again))
        except (Refused, Problem) as problem:
            refused.append(f"{receipt['name']}: {problem}")
            continue
        typer.echo(f"{receipt['name']} {done['state']} as {done['name']}, {_sum(done)} places so far")
    _tell(refused)


def _tell(refused: list[str]) -> None:
    """One that cannot be applied must not keep back the others."""
    if refused:
        raise Problem("Not applied: " + "; ".join(refused))


def _need_somebody(records: list[str] | None, emails: list[str] | None) -> None:
    if not records and not emails:
        raise Problem("Say who: a record (leads/..., contacts/..., users/...) or --email.")


def _completed(client: Client, erasure: dict[str, Any]) -> dict[str, Any]:
    """Waits until it does not run any more, and says what it waits for."""
    said = ""
    while erasure["state"] == "RUNNING":
        if erasure["waitingFor"] != said:
            said = erasure["waitingFor"]
            typer.echo(f"waiting: {said}", err=True)
        time.sleep(_POLL_SECONDS)
        erasure = client.get(f"/v1/{erasure['name']}")
    if erasure["state"] != "COMPLETED":
        raise Problem(f"{erasure['name']} is {erasure['state']}: {erasure['waitingFor']}")
    return erasure


def _show(erasure: dict[str, Any]) -> None:
    typer.echo(f"{erasure['name']} {erasure['state']} {erasure.get('completeTime', '')} {erasure['caseReference']}")
    _list("erased", erasure["found"])
    _list("retained", erasure["retained"])
    _counts(erasure)
    if erasure["absentServices"]:
        _list("not part of this installation", erasure["absentServices"])
    if erasure["digest"]:
        typer.echo(f"digest {erasure['digest']}")


def _counts(erasure: dict[str, Any]) -> None:
    for receipt in erasure["receipts"]:
        counts = ", ".join(f"{number} {what}" for what, number in receipt["counts"].items() if number)
        typer.echo(f"  {receipt['service']}: {counts or 'nothing'}")


def _sum(erasure: dict[str, Any]) -> int:
    return sum(sum(receipt["counts"].values()) for receipt in erasure["receipts"])


def _list(what: str, names: list[str]) -> None:
    for name in names:
        typer.echo(f"  {what}: {name}")
