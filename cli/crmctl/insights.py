"""`crmctl insights`: the read model, rebuilt from what all services told."""

from typing import Annotated

import typer
from crm.insights.v1 import insights_pb2

from crmctl.internal import Internal
from crmctl.options import DataDir, Token
from crmctl.problem import Problem

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def insights() -> None:
    """Look after the read model."""


@app.command()
def rebuild(
    compare: Annotated[bool, typer.Option("--compare", help="Compare the rebuilt data with the live data.")] = False,
    repair: Annotated[bool, typer.Option("--repair", help="Take the rebuilt data if they differ.")] = False,
    address: Annotated[str, typer.Option(help="insights' own gRPC address, if it is not a local one.")] = "",
    token: Token = "",
    data_dir: DataDir = None,
) -> None:
    """Build the timelines and reports once more from the services' outboxes, beside the live data, and compare.

    Prints both digests and `equal` or `different`; exit code 1 if they differ.
    """
    if not compare and not repair:
        raise Problem("A rebuild compares, and repairs if asked to: say --compare or --repair.")
    request = insights_pb2.RebuildInsightsRequest(repair=repair)
    internal = Internal("insights", address, token, data_dir)
    answer = internal.call(
        "crm.insights.v1.InsightsService/RebuildInsights", request, insights_pb2.RebuildInsightsResponse
    )
    equal = answer.live_digest == answer.rebuilt_digest
    typer.echo(f"live     {answer.live_digest}")
    typer.echo(f"rebuilt  {answer.rebuilt_digest}")
    typer.echo(f"{'equal' if equal else 'different'} after {answer.events:,} events")
    if answer.forgotten_events:
        typer.echo(f"{answer.forgotten_events:,} events forgotten that no service has any more")
    if not equal:
        typer.echo(f"different tables: {', '.join(answer.differing_tables)}{'; repaired' if repair else ''}")
        raise typer.Exit(1)
