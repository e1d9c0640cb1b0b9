"""`crmctl journey`: one customer's story, from the first touch on."""

import json
import re
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from crmctl.connection import Client, Refused, connect
from crmctl.options import DataDir, Token, Url
from crmctl.problem import Problem
from crmctl.terminal import shown

app = typer.Typer(add_completion=False)

_NAME = re.compile(r"(?:(?:accounts|customers)/)?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
_DAY_SECONDS = 86_400
_PIPED_WIDTH = 200  # A program reads it: lines with trace ids stay whole.


@app.command()
def journey(
    customer: Annotated[str, typer.Argument(help="accounts/UUID or customers/UUID.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the three answers as they came.")] = False,
    url: Url = "",
    token: Token = "",
    data_dir: DataDir = None,
) -> None:
    """Tell what happened with a customer in all services, how long each stage took, and in which trace."""
    match = _NAME.fullmatch(customer.strip())
    if match is None:
        raise Problem(f"{customer} is neither accounts/UUID nor customers/UUID.")
    client = connect(url, token, data_dir)
    story = read(client, f"customers/{match[1]}")
    if as_json:
        typer.echo(json.dumps(story, indent=2, ensure_ascii=False))
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_PIPED_WIDTH)
    tell(story, _Names(client), console)


def read(client: Client, name: str) -> dict[str, Any]:
    """What insights knows: `customer`, `journeys`, and the whole `timeline`, oldest first."""
    return {
        "customer": client.get(f"/v1/{name}"),
        "journeys": client.get(f"/v1/{name}/journeys")["journeys"],
        "timeline": list(client.each(f"/v1/{name}/timeline", "entries", pageSize=1000)),
    }


class _Names:
    """The names of those who acted, as people know them; asked once each."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[str, str] = {}

    def of(self, actor: str) -> str:
        """`users/ana` as Ana's display name; what directory does not know or tell stays as it is."""
        if actor not in self._known:
            self._known[actor] = actor
            if actor.startswith(("users/", "serviceAccounts/")):
                try:
                    self._known[actor] = self._client.get(f"/v1/{actor}")["displayName"]
                except Refused as refused:
                    if refused.status not in (403, 404):
                        raise
        return self._known[actor]


def tell(story: dict[str, Any], names: _Names, console: Console) -> None:
    """The story for people."""
    customer = story["customer"]
    console.print(shown(customer["displayName"], "bold"), customer["account"], sep="  ")
    console.print(shown(_facts(customer, names)))
    for one in story["journeys"]:
        console.print()
        console.print(f"[bold]Journey {one['journeyId']}[/]  {_sum(one)}")
        console.print(_stages(one))
    console.print()
    console.print(_timeline(story["timeline"], names))


def _facts(customer: dict[str, Any], names: _Names) -> str:
    channel = customer["channel"].removeprefix("channels/") or "no channel"
    facts = [
        f"came by {channel}",
        f"owner {names.of(customer['owner'])}" if customer["owner"] else "nobody's",
        f"customer since {day(customer['customerTime'])}" if customer["customerTime"] else "no customer yet",
        f"{customer['activeContracts']} active contracts",
        f"{customer['orders']} orders worth {customer['revenue']} {customer['currency']}".strip(),
        f"{customer['openCases']} of {customer['cases']} cases open",
    ]
    return " · ".join(facts)


def _sum(journey: dict[str, Any]) -> str:
    said = f"{len(journey['stages'])} stages in {wait(journey['duration'])}" if journey["duration"] else "just begun"
    if journey["bottleneck"] != "STAGE_UNSPECIFIED":
        said += f" · bottleneck before {journey['bottleneck']}"
    return said + (" · [red]out of order[/]" if journey["outOfOrder"] else "")


def _stages(journey: dict[str, Any]) -> Table:
    table = Table("stage", "entered", "wait", "trace", box=None, pad_edge=False)
    table.columns[2].justify = "right"
    for visit in journey["stages"]:
        waited = wait(visit["wait"]) if visit.get("wait") else ""
        if visit["outOfOrder"]:
            waited = f"[red]{waited} out of order[/]"
        elif visit["stage"] == journey["bottleneck"]:
            waited = f"[yellow]{waited} ← longest[/]"
        table.add_row(visit["stage"], moment(visit["enterTime"]), waited, visit["traceId"])
    return table


def _timeline(entries: list[dict[str, Any]], names: _Names) -> Table:
    table = Table("when", "waited", "service", "what", "who", "trace", box=None, pad_edge=False)
    table.columns[1].justify = "right"
    before: datetime | None = None
    for entry in entries:
        at = datetime.fromisoformat(entry["eventTime"])
        waited = span((at - before).total_seconds()) if before and at != before else ""
        what, who = shown(entry["summary"]), shown(names.of(entry["actor"]))
        table.add_row(moment(entry["eventTime"]), waited, entry["service"], what, who, entry["traceId"])
        before = at
    return table


def moment(timestamp: str) -> str:
    """`2018-05-08T23:17:59Z` as `2018-05-08 23:17`, in UTC as everywhere."""
    return datetime.fromisoformat(timestamp).strftime("%Y-%m-%d %H:%M")


def day(timestamp: str) -> str:
    """The day of a timestamp, in UTC."""
    return timestamp[:10]


def wait(duration: str) -> str:
    """google.protobuf.Duration in JSON (`-172800s`) for people (`-2.0 d`)."""
    return span(float(duration.removesuffix("s")))


def span(seconds: float) -> str:
    """Seconds in the unit people would use."""
    for unit, length in (("d", _DAY_SECONDS), ("h", 3600), ("min", 60)):
        if abs(seconds) >= length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:g} s"
