"""Load comes from processes of their own: what it costs to make is not taken from what it measures, as far as the
machine has processors, and is told beside it."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any, Literal

HERE = Path(__file__).parents[1]  # `python -m bench.…` is found from here, whatever else is installed
Generator = Literal["http_load", "grpc_load"]


async def generate(generator: Generator, plan: dict[str, Any]) -> dict[str, Any]:
    """Runs one generator, see `http_load` and `grpc_load`; its result, with statuses as numbers."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"bench.{generator}", cwd=HERE,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        said, _ = await process.communicate(json.dumps(plan).encode())
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode != 0:
        raise RuntimeError(f"the generator {generator} ended with status {process.returncode}")
    result: dict[str, Any] = json.loads(said)
    result["statuses"] = {int(status): numbers for status, numbers in result["statuses"].items()}
    return result


def summary(took: list[float]) -> dict[str, float]:
    """Of how long things took, in seconds: their count, p50, p99 and max."""
    took.sort()
    return {"count": len(took), "p50": took[len(took) // 2], "p99": took[int(len(took) * 0.99)], "max": took[-1]}
