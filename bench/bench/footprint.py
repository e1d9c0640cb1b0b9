"""What the processes take besides time: memory, and how long they need to start."""

import asyncio
import os
import re
import sys
import time
from urllib.error import URLError
from urllib.request import urlopen

import psutil
from chassis.settings import SERVICES, package

from bench.stand import Stand, family

READY_SECONDS = 30.0
MODULES = {**{service: f"{package(service)}.__main__" for service in SERVICES}, "gateway": "gateway.__main__"}
IMPORT = re.compile(r"^import time:\s+(\d+) \|", re.MULTILINE)  # microseconds of one module, without what it imports


def memory(stand: Stand) -> dict[str, float]:
    """MB of each process with its children; what those of Postgres share is counted once."""
    return {name: _resident(pid) / 2**20 for name, pid in stand.pids.items()}


def _resident(pid: int) -> int:
    total, processes = 0, family(pid)
    for process in processes:
        try:
            total += process.memory_full_info().pss if len(processes) > 1 else process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


async def starting(stand: Stand) -> dict[str, float]:
    """Seconds from the birth of each process to its first yes on /readyz: one after the other is ended and comes back
    while the rest of the suite is idle."""
    took = {}
    for name, address in stand.stack.addresses["admin"].items():
        old = stand.pids[name]
        psutil.Process(old).terminate()
        took[name] = await asyncio.wait_for(asyncio.to_thread(_until_ready, stand, name, old, address), READY_SECONDS)
    return took


def _until_ready(stand: Stand, name: str, old: int, address: str) -> float:
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end:
        pid = stand.pids.get(name, old)
        if pid != old and psutil.pid_exists(pid):
            try:
                with urlopen(f"http://{address}/readyz", timeout=1):
                    return time.time() - psutil.Process(pid).create_time()
            except (URLError, OSError, psutil.NoSuchProcess):
                pass
        time.sleep(0.01)
    raise TimeoutError(name)


async def importing() -> dict[str, float]:
    """Seconds of imports alone, from `python -X importtime`."""
    took = {}
    for name, module in MODULES.items():
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-X", "importtime", "-c", f"import {module}",
            stderr=asyncio.subprocess.PIPE, env=os.environ,
        )  # fmt: skip
        _, said = await process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"{module} cannot be imported: {said.decode()[-500:]}")
        took[name] = sum(map(int, IMPORT.findall(said.decode()))) / 1e6
    return took
