"""Work that a suite does in the background, followed to its end."""

import asyncio
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from crmctl.suite import Suite

LOOK_SECONDS = 0.3


async def followed(suite: Suite, name: str, console: Console) -> dict[str, Any]:
    """The operation after its end; a bar on a terminal meanwhile. Whoever interrupts it cancels it."""
    parts = (TextColumn("{task.completed:,.0f} of {task.total:,.0f}"), BarColumn(), TextColumn("left"))
    with Progress(*parts, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=0)
        try:
            while (found := await suite.get(f"/v1/{name}"))["state"] == "RUNNING":
                bar.update(task, completed=int(found["doneItems"]), total=int(found["totalItems"]))
                await asyncio.sleep(LOOK_SECONDS)
        except asyncio.CancelledError:
            await suite.post(f"/v1/{name}:cancel", {}, once=False)
            raise
        bar.update(task, completed=int(found["doneItems"]), total=int(found["totalItems"]))
        return found
