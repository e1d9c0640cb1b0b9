"""`crmctl trace`: what one request or event did, as a tree of spans."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from crmctl.local import local_stack
from crmctl.options import DataDir
from crmctl.problem import Problem
from crmctl.terminal import one_line

app = typer.Typer(add_completion=False)

_BAR_WIDTH = 24
_OUTCOME_WIDTH = 20  # Duration and status; links and messages may go on to the next line.
_INDENT = 4  # Of one level of a rich tree.
_PIPED_WIDTH = 120
_LINKED_LIMIT = 50

Span = dict[str, Any]


@app.command()
def trace(
    trace_id: Annotated[str, typer.Argument(metavar="ID", help="32 hex digits, as errors and timelines show them.")],
    follow: Annotated[
        bool, typer.Option(help="Also draw the traces that its events led to, and those they came from.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Draw the span tree of a trace of the local suite."""
    stack = local_stack(data_dir)
    if stack is None:
        raise Problem("Traces are kept by a local suite: name its folder with --data-dir or CRM_DATA_DIR.")
    console = Console(highlight=False)
    width = console.width
    if not console.is_terminal:
        # A program reads it: no line may be broken, however long its message and links are.
        width, console = _PIPED_WIDTH, Console(highlight=False, width=100_000)
    drawn: set[str] = set()
    waiting = [trace_id.strip().lower()]
    while waiting and len(drawn) < _LINKED_LIMIT:
        current = waiting.pop(0)
        if current in drawn:
            continue
        drawn.add(current)
        found = _fetch(stack.addresses["sink"], current)
        if found["spans"]:
            console.print(draw(current, found["spans"], width))
        elif len(drawn) == 1:
            raise Problem(f"No span of the trace {current} is kept: the sink has the latest 50,000 since the start.")
        if follow:
            waiting += (
                sorted({link["trace_id"] for span in found["spans"] for link in span["links"]}) + found["linkedFrom"]
            )


def draw(trace_id: str, spans: list[Span], width: int) -> Tree:
    """The tree: service, operation, where in the trace's time the span lies, its duration, how it ended, its links."""
    start, end = min(span["start_ns"] for span in spans), max(span["end_ns"] for span in spans)
    known = {span["span_id"] for span in spans}
    children: defaultdict[str, list[Span]] = defaultdict(list)
    for span in sorted(spans, key=lambda span: span["start_ns"]):
        # A parent that was dropped, or never sent, leaves its children at the top instead of hiding them.
        children[span["parent_span_id"] if span["parent_span_id"] in known else ""].append(span)
    names = width - _BAR_WIDTH - _OUTCOME_WIDTH
    tree = Tree(f"[bold]trace {trace_id}[/]  {len(spans)} spans  {_milliseconds(end - start)}")

    def grow(branch: Tree, parent: str, depth: int) -> None:
        for span in children[parent]:
            label = Text.assemble(*_label(span, names - _INDENT * depth, start, end))
            grow(branch.add(label), span["span_id"], depth + 1)

    grow(tree, "", 1)
    return tree


def _label(span: Span, width: int, start: int, end: int) -> Iterator[tuple[str, str]]:
    width = max(width - len(span["service"]) - 2, 12)
    yield span["service"], "cyan"
    yield "  " + one_line(span["name"])[:width].ljust(width), ""
    yield " " + _bar(span, start, end), "blue"
    yield f" {_milliseconds(span['end_ns'] - span['start_ns']):>10}", ""
    if span["status"] == "ERROR":
        yield f"  ERROR {one_line(span['status_message'])}".rstrip(), "red"
    elif span["status"] == "OK":
        yield "  OK", "green"
    for link in span["links"]:
        yield f"  ↗ {link['trace_id']}", "dim"


def _bar(span: Span, start: int, end: int) -> str:
    scale = _BAR_WIDTH / max(end - start, 1)
    before = min(int((span["start_ns"] - start) * scale), _BAR_WIDTH - 1)
    taken: int = round((span["end_ns"] - span["start_ns"]) * scale)
    length = max(1, min(taken, _BAR_WIDTH - before))
    return (" " * before + "━" * length).ljust(_BAR_WIDTH)


def _milliseconds(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e6:.1f} ms"


def _fetch(sink: str, trace_id: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = httpx.get(f"{sink}/traces/{trace_id}", timeout=10).raise_for_status().json()
    except httpx.HTTPError as problem:
        raise Problem(f"The trace sink at {sink} does not answer ({problem}): is the suite running?") from None
    return found
