"""The faults: each hurts the suite for a while, and heals it as an operator would."""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chassis.settings import SERVICES
from failures.chaos.proxy import Link
from failures.chaos.stage import Stage

PROCESSES = (*SERVICES, "gateway", "postgres", "nats-server")
RESTORE_TRIES = 10


@dataclass
class Faults:
    """Faults on one stage, chosen by `chance`. What a restore lost is kept in `named`."""

    stage: Stage
    chance: random.Random
    folder: Path
    named: set[str] = field(default_factory=set)

    def schedule(self, count: int, only: Sequence[str] = ()) -> list[str]:
        """Each kind equally often, in a random order; the same for the same seed."""
        known = list(only or KINDS)
        kinds = known * (count // len(known)) + self.chance.sample(known, count % len(known))
        self.chance.shuffle(kinds)
        return kinds

    async def kill(self) -> str:
        name = self.chance.choice(PROCESSES)
        self.stage.kill(name)
        return name

    async def kill_two(self) -> str:
        names = self.chance.sample(PROCESSES, 2)
        for name in names:
            self.stage.kill(name)
        return " and ".join(names)

    async def pause(self) -> str:
        """Longer than a lease of a connection, sometimes longer than JetStream waits for an acknowledgement."""
        name, seconds = self.chance.choice(PROCESSES), self.chance.uniform(0.5, 8)
        self.stage.send(name, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            self.stage.send(name, signal.SIGCONT)
        return f"{name} for {seconds:.1f} s"

    async def link(self) -> str:
        service, what = self.chance.choice(sorted(self.stage.links))
        link = self.chance.choice([Link.DROP, Link.SLOW, Link.HALF, Link.REFUSE])
        seconds = self.chance.uniform(1, 6)
        proxy = self.stage.links[service, what]
        proxy.set(link)
        try:
            await asyncio.sleep(seconds)
        finally:
            proxy.heal()
        return f"{service} to {what}: {link.value} for {seconds:.1f} s"

    async def skew(self) -> str:
        name = self.chance.choice(SERVICES)
        seconds = self.chance.choice([-90, -20, -5, 5, 20, 90])
        self.stage.skew(name, seconds)
        await asyncio.sleep(self.chance.uniform(3, 6))
        self.stage.skew(name, 0)
        return f"{name} by {seconds} s"

    async def redeliver(self) -> str:
        service = self.chance.choice(["leads", "sales", "contracts"])
        count = await self.stage.redeliver(service, self.chance.shuffle)
        return f"{count} events of {service} in another order"

    async def empty_nats(self) -> str:
        self.stage.lose_streams()
        await self._nats_answers()
        await self.stage.make_streams()
        return ""

    async def old_nats(self) -> str:
        """Yesterday's messages under today's consumers."""
        copy = self.folder / f"streams-{self.chance.getrandbits(32):x}"
        self.stage.stored_streams(copy)
        await self._nats_answers()
        await asyncio.sleep(self.chance.uniform(3, 6))
        self.stage.roll_back_streams(copy)
        await self._nats_answers()
        await self.stage.make_streams()
        return ""

    async def restore(self) -> str:
        service = self.chance.choice(["leads", "sales", "contracts", "service-desk"])
        backup = self.folder / f"{service}-{self.chance.getrandbits(32):x}"
        await self.stage.backup(service, backup)
        await asyncio.sleep(self.chance.uniform(2, 5))
        for _ in range(RESTORE_TRIES):
            lost = await self.stage.restore(service, backup)
            await self.stage.ready()
            if lost is not None:
                break
            await asyncio.sleep(self.chance.uniform(0.5, 2))  # for the relay
        else:
            return f"{service}: given up, it always had something unpublished"
        names = {one.subject for one in lost}
        self.named |= names
        return f"{service}: {len(names)} records named by reconciliation"

    async def _nats_answers(self) -> None:
        """The supervisor has started NATS again, and whoever worked on its store is done."""
        server = self.stage.children["nats-server"]
        async with asyncio.timeout(30):
            while server.work is not None or server.process is None or server.process.returncode is not None:
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)


Fault = Callable[[Faults], Awaitable[str]]
KINDS: dict[str, Fault] = {
    "kill": Faults.kill,
    "kill two at once": Faults.kill_two,
    "pause": Faults.pause,
    "bad link": Faults.link,
    "wrong clock": Faults.skew,
    "redeliver": Faults.redeliver,
    "empty NATS": Faults.empty_nats,
    "yesterday's NATS": Faults.old_nats,
    "restored database": Faults.restore,
}
