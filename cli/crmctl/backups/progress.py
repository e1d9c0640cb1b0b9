"""Bars for what takes long; on a terminal only."""

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn


def bars() -> Progress:
    """A bar for each task, in bytes; to the error stream, since the output is also read by programs."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:<14}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
