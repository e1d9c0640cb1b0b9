"""`make soak MINUTES=30`: a steady mixed load through the whole suite; memory, files and tasks each minute; a verdict.

A process is flat if the line of least squares through the last two thirds of its readings rises, over that time, by no
more than FLAT_BYTES or FLAT_SHARE of what it has: Python's allocator moves by more than a megabyte without a leak, and
what leaks a hundred bytes per call is over the bound within the default half hour. Postgres and the NATS server are
shown, not judged: they use memory that they were given for more data.
"""

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from collections import defaultdict
from functools import partial
from pathlib import Path

import whole_suite
from chassis.stack.issuer import mint
from failures.chaos.journal import Journal
from failures.chaos.load import Customers
from failures.overload.observer import Metrics, Processes

FLAT_BYTES, FLAT_SHARE = 3 << 20, 0.03
WORKERS = 2
MINUTE = 60.0
NOT_JUDGED = ("postgres", "nats.conf")
TASKS = {"gateway": "crm_gateway_tasks"}  # the services call it crm_tasks
OURS = ("gateway", "directory", "leads", "sales", "marketing", "service_desk", "contracts", "insights")


def rise(readings: list[int]) -> float:
    """How much the least-squares line through equally spaced readings rises from the first to the last."""
    count = len(readings)
    if count < 2:
        return 0.0
    middle, mean = (count - 1) / 2, sum(readings) / count
    slope = sum((at - middle) * (value - mean) for at, value in enumerate(readings))
    slope /= sum((at - middle) ** 2 for at in range(count))
    return slope * (count - 1)


def leaks(readings: dict[str, list[int]]) -> list[str]:
    """What rose by more than the bound, in words."""
    found = []
    for name, values in readings.items():
        judged = values[len(values) // 3 :]
        risen = rise(judged)
        if name not in NOT_JUDGED and risen > max(FLAT_BYTES, FLAT_SHARE * judged[0]):
            found.append(f"{name} rose by {risen / 2**20:.1f} MB from {judged[0] / 2**20:.1f} MB")
    return found


async def soak(minutes: float, data_dir: Path, every: float = MINUTE) -> list[str]:
    """Runs and prints; what is wrong at the end, in words."""
    suite = await asyncio.to_thread(whole_suite.start, data_dir, SAMPLE="0")
    try:
        processes = Processes(suite)
        journal = Journal(Path(os.devnull))
        customers = Customers(suite.url, partial(mint, data_dir), journal, random.Random(1))
        await customers.prepare()
        load = asyncio.create_task(customers.run(WORKERS))
        memory: dict[str, list[int]] = defaultdict(list)
        end = time.monotonic() + minutes * MINUTE
        while time.monotonic() < end:
            await asyncio.sleep(every)
            for name in processes.by_name:
                memory[name].append(processes.resident(name))
            print(await line(processes, memory, customers.answered), flush=True)
        await customers.end(load, 60)
        wrong = leaks(memory) + customers.surprises
        metrics = await Metrics.read(processes.admin("gateway"))
        for name in ("crm_gateway_in_flight", "crm_gateway_places_taken", "crm_gateway_arriving"):
            if metrics[name]:
                wrong.append(f"{name} is {metrics[name]:.0f} when nothing is under way")
        print(verdict(memory, customers, minutes))
        return wrong
    finally:
        await asyncio.to_thread(suite.stop)


async def line(processes: Processes, memory: dict[str, list[int]], answered: int) -> str:
    parts = [f"{time.strftime('%H:%M:%S')} {answered} calls"]
    for name, values in memory.items():
        part = f"{name} {values[-1] / 2**20:.1f}"
        if name in OURS:
            metrics = await Metrics.read(processes.admin(name))
            part += f"/{processes.files(name)}f/{metrics[TASKS.get(name, 'crm_tasks')]:.0f}t"
        parts.append(part)
    return " · ".join(parts)


def verdict(memory: dict[str, list[int]], customers: Customers, minutes: float) -> str:
    lines = [
        f"{minutes:g} minutes, {customers.stories} stories, {customers.answered} calls, {customers.retried} retried"
    ]
    for name, values in memory.items():
        judged = values[len(values) // 3 :]
        first, start, last = (value / 2**20 for value in (values[0], judged[0], values[-1]))
        lines.append(f"{name}: {first:.1f} → {start:.1f} → {last:.1f} MB, line rises {rise(judged) / 2**20:+.2f} MB")
    return "\n".join(lines)


def main() -> int:
    asked = argparse.ArgumentParser()
    asked.add_argument("--minutes", type=float, default=30)
    given = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="crm-soak-") as folder:
        wrong = asyncio.run(soak(given.minutes, Path(folder)))
    print("flat" if not wrong else "\n".join(["not flat, or not well:", *wrong]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
