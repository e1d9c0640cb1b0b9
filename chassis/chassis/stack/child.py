"""One child process of the starter: its own process group, its own log file, and no life after the starter's."""

import asyncio
import ctypes
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

LOG_LIMIT_BYTES = 20 * 1024 * 1024

_PR_SET_PDEATHSIG = 1
# Loaded before any fork: between fork and exec only async-signal-safe work may happen.
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


async def spawn(
    argv: Sequence[str | Path], env: Mapping[str, str], folder: Path, log: Path, death_signal: signal.Signals
) -> asyncio.subprocess.Process:
    """Start `argv` in `folder`, both output streams appended to `log`.

    On Linux the child receives `death_signal` when the thread that called this dies, however it dies.
    """
    trim(log)
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *argv,
            env=dict(env),
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            process_group=0,  # Ctrl-C reaches the starter alone, which then stops everybody in order.
            preexec_fn=_die_with_parent(death_signal),
        )


def _die_with_parent(death_signal: signal.Signals) -> Callable[[], None] | None:
    libc, parent = _libc, os.getpid()
    if libc is None:
        return None

    def before_exec() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != parent:  # The starter died between fork and prctl: nobody would send the signal.
            os._exit(1)

    return before_exec


async def stop(process: asyncio.subprocess.Process, steps: Iterable[tuple[signal.Signals, float]]) -> int:
    """Send each signal in turn, waiting its seconds for the process to end; finally SIGKILL. The exit status."""
    for number, seconds in steps:
        if process.returncode is not None:
            return process.returncode
        send(process, number)
        try:
            return await asyncio.wait_for(process.wait(), seconds)
        except TimeoutError:
            continue
    send(process, signal.SIGKILL)
    return await process.wait()


def send(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Signal a process that may be gone already."""
    with suppress(ProcessLookupError):
        process.send_signal(number)


def trim(log: Path) -> None:
    """Move the text of a log that passed its limit to `<name>.log.1`.

    Copied and truncated instead of renamed: a running child keeps its descriptor, and in append mode it continues at 0.
    """
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        shutil.copyfile(log, log.with_name(log.name + ".1"))
        os.truncate(log, 0)


def left_behind(folder: Path, names: Sequence[str]) -> list[psutil.Process]:
    """Processes of an earlier start that still work in `folder`, if their program is one of `names`.

    The caller holds the lock of the data folder, so nobody living owns them.
    """
    found = []
    for process in psutil.process_iter(["name", "cwd", "status"]):
        name, cwd, status = (process.info[key] for key in ("name", "cwd", "status"))
        if name in names and cwd and Path(cwd) == folder and status != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


async def end(processes: Sequence[psutil.Process], signals: Iterable[signal.Signals], seconds: float) -> bool:
    """Send each signal in turn, waiting up to `seconds` after each. Whether one of the processes still lives."""
    alive = list(processes)
    for number in signals:
        for process in alive:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        _, alive = await asyncio.to_thread(psutil.wait_procs, alive, timeout=seconds)
    return bool(alive)
