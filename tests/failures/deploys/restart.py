"""Restarts of one process, as a deployment makes them: SIGTERM, its end, and the next one ready."""

import asyncio
import signal
import time
from dataclasses import dataclass, replace

from chassis.stack.supervisor import Service
from failures.chaos.stage import Stage
from failures.deploys.release import Release

END_SECONDS, READY_SECONDS = 30, 60


@dataclass(frozen=True)
class Restart:
    """`end_seconds` from SIGTERM to the exit, `away_seconds` from there until the next process was ready."""

    name: str
    code: int
    end_seconds: float
    away_seconds: float


async def restart(stage: Stage, name: str) -> Restart:
    """Ends a process with SIGTERM; the supervisor starts the next one."""
    one: Service = stage.children[name]
    process = one.process
    told = time.monotonic()
    stage.send(name, signal.SIGTERM)
    code = await asyncio.wait_for(process.wait(), END_SECONDS)
    ended = time.monotonic()
    async with asyncio.timeout(READY_SECONDS):
        while one.process is process or not await one.ready():
            await asyncio.sleep(0.05)
    return Restart(name, code, ended - told, time.monotonic() - ended)


async def switch(stage: Stage, release: Release | None, *names: str) -> list[Restart]:
    """Restarts these processes one after the other with the code of a release; None is this tree's."""
    done = []
    for name in names:
        one: Service = stage.children[name]
        env = {key: value for key, value in one.program.env.items() if key != "PYTHONPATH"}
        if release is not None:
            env["PYTHONPATH"] = release.python_path
        one.program = replace(one.program, env=env)
        done.append(await restart(stage, name))
    return done
