"""Restarts: when, how fast, and when a person is told."""

import asyncio
import itertools
import os
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Callable
from pathlib import Path

import pytest
from chassis.stack import child, supervisor
from chassis.stack.errors import StackError
from chassis.stack.plan import Program
from chassis.stack.supervisor import Service, Supervisor


def dying(folder: Path) -> Service:
    """A program that says why and ends at once."""
    argv = (sys.executable, "-c", "print('no luck today'); raise SystemExit(3)")
    return Service(Program("unlucky", argv, dict(os.environ), "127.0.0.1:1"), folder, folder / "unlucky.log")


class Counting:
    """A child that ends as soon as it starts; remembers when it was started."""

    name = "counting"

    def __init__(self, folder: Path, enough: int) -> None:
        self.log, self.process, self.starts = folder / "counting.log", None, []
        self._folder, self._enough, self.done = folder, enough, asyncio.Event()

    log: Path
    process: Process | None
    starts: list[float]

    async def start(self) -> None:
        self.starts.append(time.monotonic())
        if len(self.starts) == self._enough:
            self.done.set()
        self.process = await child.spawn(["true"], dict(os.environ), self._folder, self.log, supervisor.signal.SIGKILL)

    async def stop(self) -> None:
        assert self.process is not None
        await child.stop(self.process, ())


def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(supervisor, "LONGEST_PAUSE_SECONDS", 0.002)


def test_each_restart_waits_twice_as_long_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "LONGEST_PAUSE_SECONDS", 0.4)

    async def run() -> list[float]:
        counting = Counting(tmp_path, enough=5)
        watched = Supervisor([counting], lambda _: None)
        await watched.start()
        await asyncio.wait_for(counting.done.wait(), 20)
        await watched.stop()
        return [later - earlier for earlier, later in itertools.pairwise(counting.starts)]

    first, second, third, fourth = asyncio.run(run())
    assert first >= 0.2
    assert second >= 0.4
    assert third >= 0.4
    assert fourth < 0.8  # At the limit: without one it would have waited 1.6 s.


def test_ten_deaths_within_a_minute_are_told_with_the_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quickly(monkeypatch)

    async def run() -> tuple[str, list[str]]:
        said: list[str] = []
        watched = Supervisor([dying(tmp_path)], said.append)
        await watched.start()
        with pytest.raises(StackError) as problem:
            await watched.ready()
        await watched.stop()
        return str(problem.value), said

    problem, said = asyncio.run(run())
    assert problem in said
    assert problem.startswith("unlucky died 10 times within a minute")
    assert "no luck today" in problem
    assert str(tmp_path / "unlucky.log") in problem


def test_after_stop_nothing_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quickly(monkeypatch)

    async def run() -> tuple[int, int]:
        counting = Counting(tmp_path, enough=3)
        watched = Supervisor([counting], lambda _: None)
        await watched.start()
        await asyncio.wait_for(counting.done.wait(), 20)
        await watched.stop()
        return len(counting.starts), len(asyncio.all_tasks())

    _, tasks = asyncio.run(run())
    assert tasks == 1  # Only the test's own: no watch is left that could start it.


def test_a_process_that_ignores_sigterm_is_killed_in_time(tmp_path: Path) -> None:
    script = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"

    async def run() -> tuple[int, float]:
        log = tmp_path / "deaf.log"
        process = await child.spawn(
            [sys.executable, "-c", script], dict(os.environ), tmp_path, log, supervisor.signal.SIGKILL
        )
        await until(lambda: "deaf" in log.read_text())
        began = time.monotonic()
        return await child.stop(process, ((supervisor.signal.SIGTERM, 0.3),)), time.monotonic() - began

    status, seconds = asyncio.run(run())
    assert status == -9
    assert seconds < 3


def test_a_log_over_its_limit_is_moved_aside_while_the_writer_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "LOG_LIMIT_BYTES", 10)
    log = tmp_path / "chatty.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"twenty bytes of text\n")
        child.trim(log)
        writer.write(b"more\n")
    assert log.read_bytes() == b"more\n"
    assert (tmp_path / "chatty.log.1").read_bytes() == b"twenty bytes of text\n"


async def until(fact: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not fact():
            await asyncio.sleep(0)
