"""`crmctl report`: figures of the company."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from crmctl.connection import connect
from crmctl.options import DataDir, Token, Url
from crmctl.terminal import shown

app = typer.Typer(add_completion=False)

_BAR_WIDTH = 20


@app.callback()
def report() -> None:
    """Show figures of the company."""


@app.command()
def channels(
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as it came.")] = False,
    url: Url = "",
    token: Token = "",
    data_dir: DataDir = None,
) -> None:
    """What each channel brought: leads, customers, the share that became one, revenue."""
    found = connect(url, token, data_dir).get("/v1/reports/channels")
    if as_json:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    console = Console(highlight=False)
    console.print(table(found["channels"]))
    console.print(freshness(found["freshness"]), style="dim")


def table(figures: list[dict[str, Any]]) -> Table:
    """The channels, most leads first; the bars compare the shares of leads that became customers."""
    best = max((one["conversion"] for one in figures), default=0) or 1
    channels = Table("channel", "leads", "customers", "conversion", "", "revenue", box=None, pad_edge=False)
    for column in (1, 2, 3, 5):
        channels.columns[column].justify = "right"
    for one in figures:
        revenue = f"{float(one['revenue']):,.2f} {one['currency']}".strip()
        bar = "█" * round(one["conversion"] / best * _BAR_WIDTH)
        channels.add_row(
            shown(one["channel"] or "(none)"),
            f"{one['leads']:,}",
            f"{one['customers']:,}",
            f"{one['conversion']:.1%}",
            f"[blue]{bar}[/]",
            " + ".join([revenue, *(f"{more['amount']} {more['currency']}" for more in one["otherRevenue"])]),
        )
    if figures:
        channels.add_section()
        leads, customers = (sum(one[field] for one in figures) for field in ("leads", "customers"))
        channels.add_row("all", f"{leads:,}", f"{customers:,}", f"{customers / leads if leads else 0:.1%}", "", "")
    return channels


def freshness(sources: dict[str, Any]) -> str:
    """The moment up to which the figures hold, per source."""
    marks = [f"{name} {mark['eventTime'] or 'nothing yet'}" for name, mark in sorted(sources.items())]
    return "as of: " + (", ".join(marks) if marks else "nothing yet")
