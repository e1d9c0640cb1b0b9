"""`python -m bench.compare before.json after.json …`: the same figures of several runs side by side, the last over the
first. For what a change gave, and for how the cost grows with the size."""

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

Key = tuple[str, str, int]


def read(path: Path) -> tuple[str, dict[Key, dict[str, float]]]:
    """A run's heading, and the medians of each (operation, way, connections)."""
    content = json.loads(path.read_text())
    found: defaultdict[Key, list[dict[str, Any]]] = defaultdict(list)
    for one in content["measured"]:
        found[one["operation"], one["way"], one["connections"]].append(one)
    heading = f"{content['commit']}{'+' if content['changed'] else ''}\n{content['size']:,}"
    return heading, {key: _medians(group) for key, group in found.items()}


def _medians(group: list[dict[str, Any]]) -> dict[str, float]:
    cpu = [sum(value for name, value in one["cpu"].items() if name != "load") for one in group]
    return {name: median(one[name] for one in group) for name in ("rate", "p50", "p99")} | {"cpu": median(cpu)}


def table(runs: list[tuple[str, dict[Key, dict[str, float]]]], figure: str, title: str) -> Table:
    """One figure of all runs."""
    made = Table(title=title)
    for name in ("operation", "way"):
        made.add_column(name)
    for name in ("c", *(heading for heading, _ in runs), "last ÷ first"):
        made.add_column(name, justify="right")
    for key in dict.fromkeys(key for _, found in runs for key in found):
        values = [found[key][figure] if key in found else None for _, found in runs]
        shown = ["" if value is None else f"{value:,.2f}" if value < 100 else f"{value:,.0f}" for value in values]
        first, last = values[0], values[-1]
        made.add_row(key[0], key[1], str(key[2]), *shown, f"{last / first:.2f}" if first and last else "")
    return made


def main() -> int:
    asked = argparse.ArgumentParser(prog="python -m bench.compare", description=__doc__)
    asked.add_argument("results", nargs="+", type=Path)
    runs = [read(path) for path in asked.parse_args().results]
    console = Console(highlight=False)
    for figure, title in (
        ("rate", "rate/s"),
        ("p50", "p50 ms"),
        ("cpu", "CPU ms of the suite and Postgres for each unit"),
    ):
        console.print(table(runs, figure, title))
    return 0


if __name__ == "__main__":
    sys.exit(main())
