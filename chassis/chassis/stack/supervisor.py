"""Keeps children alive: what dies is started again, slower each time, until `stop`."""

import asyncio
import signal
import time
from asyncio.subprocess import Process
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from chassis.stack import child
from chassis.stack.errors import StackError
from chassis.stack.plan import Program

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 5.0
SETTLED_SECONDS = 30.0  # Who lived this long starts again without the pauses of its earlier deaths.
ALARM_DEATHS, ALARM_SECONDS = 10, 60.0
READY_SECONDS = 60.0
LOG_CHECK_SECONDS = 10.0

Say = Callable[[str], None]
Result = TypeVar("Result")


class Child(Protocol):
    """Anything that runs as one process: a service, Postgres, NATS."""

    name: str
    log: Path
    process: Process | None

    async def start(self) -> None:
        """Start it; raises StackError."""

    async def stop(self) -> None:
        """End it, within a bound; no error if it does not run."""


class Service:
    """A program of the plan as a child. Another `program` holds from the next start on."""

    STOP_STEPS = ((signal.SIGTERM, 4.5),)  # Then SIGKILL: the whole stack ends within 10 s.

    def __init__(self, program: Program, folder: Path, log: Path) -> None:
        self.name, self.log, self.process = program.name, log, None
        self.program, self._folder = program, folder

    process: Process | None

    async def start(self) -> None:
        """Return as soon as it runs; `ready` says when it can work."""
        # SIGKILL when the starter is killed: a service that hangs must not outlive it, and each survives a crash.
        self.process = await child.spawn(
            self.program.argv, self.program.env, self._folder, self.log, death_signal=signal.SIGKILL
        )

    async def stop(self) -> None:
        """SIGTERM, some seconds to finish what it does, SIGKILL."""
        if self.process is not None:
            await child.stop(self.process, self.STOP_STEPS)

    async def ready(self) -> bool:
        """Whether /readyz answers 200 now."""
        host, _, port = self.program.admin_address.rpartition(":")
        try:
            async with asyncio.timeout(2):
                reader, writer = await asyncio.open_connection(host, int(port))
                try:
                    writer.write(f"GET /readyz HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode())
                    return (await reader.readline()).split()[1:2] == [b"200"]
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return False


class Supervisor:
    """Some children, watched. `say` gets a sentence when one keeps dying; `changed` is called after every restart."""

    def __init__(self, children: Iterable[Child], say: Say, changed: Callable[[], None] = lambda: None) -> None:
        self.children = list(children)
        self._say, self._changed = say, changed
        self._watches: list[asyncio.Task[None]] = []
        self._alarm: asyncio.Future[str] | None = None

    async def start(self) -> None:
        """Start all at once, then watch them. Raises the StackError of the first that cannot start."""
        self._alarm = asyncio.get_running_loop().create_future()
        await together(one.start() for one in self.children)
        self._watches = [asyncio.create_task(self._watch(one), name=f"watch {one.name}") for one in self.children]
        self._watches.append(asyncio.create_task(self._trim_logs(), name="trim logs"))

    async def ready(self) -> None:
        """Return when every service answers /readyz with 200. Raises StackError if one keeps dying or is late."""
        services = [one for one in self.children if isinstance(one, Service)]
        assert self._alarm is not None
        waiting = asyncio.create_task(together(_until_ready(one) for one in services))
        alarm: asyncio.Future[Any] = self._alarm
        try:
            await asyncio.wait({waiting, alarm}, timeout=READY_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if alarm.done() and not waiting.done():
            raise StackError(alarm.result())
        late = [one for one in services if not await one.ready()]
        if late:
            names = ", ".join(one.name for one in late)
            raise StackError(f"Not ready within {READY_SECONDS:.0f} s: {names}; {last_words(late[0].log)}")

    async def stop(self) -> None:
        """End every child, all at the same time, and watch no more."""
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        await asyncio.gather(*(one.stop() for one in self.children))

    async def _watch(self, one: Child) -> None:
        pause, deaths = FIRST_PAUSE_SECONDS, deque[float](maxlen=ALARM_DEATHS)
        while True:
            started = time.monotonic()
            if one.process is not None:
                await one.process.wait()
            now = time.monotonic()
            if now - started > SETTLED_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            deaths.append(now)
            if len(deaths) == ALARM_DEATHS and now - deaths[0] < ALARM_SECONDS:
                self._report(f"{one.name} died {ALARM_DEATHS} times within a minute; {last_words(one.log)}")
                deaths.clear()
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            try:
                await one.start()
            except (StackError, OSError) as problem:
                self._say(str(problem))
            self._changed()

    def _report(self, sentence: str) -> None:
        self._say(sentence)
        if self._alarm is not None and not self._alarm.done():
            self._alarm.set_result(sentence)

    async def _trim_logs(self) -> None:
        while True:
            await asyncio.sleep(LOG_CHECK_SECONDS)
            for one in self.children:
                child.trim(one.log)


async def together(work: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """Run all at once; when one fails the others are cancelled, and awaited, before its exception goes on."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except BaseExceptionGroup as problems:
        raise problems.exceptions[0] from None
    return [task.result() for task in tasks]


async def _until_ready(service: Service) -> None:
    while not await service.ready():  # noqa: ASYNC110 - the fact lies in another process
        await asyncio.sleep(0.1)


def last_words(log: Path) -> str:
    """The last line of a log and where it lies, for the end of a sentence."""
    with log.open("rb") as text:
        text.seek(max(0, log.stat().st_size - 4096))
        lines = text.read().decode(errors="replace").split("\n")
    said = [line.strip() for line in lines if line.strip()]
    return f"its last words: {said[-1]} ({log})" if said else f"it said nothing ({log})"
