"""What a run did: counts per kind of record, and the progress shown meanwhile."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

Outcome = Literal["created", "changed", "unchanged"]
OUTCOMES: tuple[Outcome, ...] = ("created", "changed", "unchanged")


class Tally:
    """Counts per kind of record, in the order in which kinds first appear."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {}

    def count(self, kind: str, outcome: Outcome, by: int = 1) -> None:
        """`by` records of a kind were created, changed, or found as they should be."""
        self._counts.setdefault(kind, Counter())[outcome] += by

    @property
    def changed(self) -> int:
        """How many records are not as they were before: created and changed ones."""
        return sum(counts["created"] + counts["changed"] for counts in self._counts.values())

    def table(self) -> Table:
        """The counts for people."""
        table = Table("", *OUTCOMES, box=None, pad_edge=False)
        for column in table.columns[1:]:
            column.justify = "right"
        for kind, counts in self._counts.items():
            table.add_row(kind, *(f"{counts[outcome]:,}" for outcome in OUTCOMES))
        return table


class _Speed(ProgressColumn):
    """Rows per second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.finished_speed or task.speed or 0:,.0f} rows/s")


class Watch:
    """Shows how far each phase is: a bar on a terminal, else one line when a phase is over."""

    def __init__(self, console: Console) -> None:
        self._console = console
        columns = (
            TextColumn("{task.description:<14}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Speed(),
            TimeElapsedColumn(),
        )
        self._bars = Progress(*columns, console=console, disable=not console.is_terminal)

    def __enter__(self) -> "Watch":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    @contextmanager
    def phase(self, name: str, rows: int) -> Iterator[Callable[[int], None]]:
        """Gives a function to tell how many more rows are done."""
        began = time.monotonic()
        bar = self._bars.add_task(name, total=rows)
        yield lambda done: self._bars.advance(bar, done)
        if not self._console.is_terminal:
            seconds = time.monotonic() - began
            speed = rows / max(seconds, 0.001)
            self._console.print(f"{name}: {rows:,} rows in {seconds:.1f} s, {speed:,.0f} rows/s")
