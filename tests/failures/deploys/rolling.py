"""A rolling restart of everything, under load, twice round."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from chassis.settings import SERVICES
from failures.chaos.journal import Journal, lines
from failures.chaos.load import Customers
from failures.chaos.rest import at_rest, findings
from failures.chaos.stage import Stage
from failures.checker import Findings
from failures.deploys.restart import Restart, restart
from failures.deploys.watch import Watch

ROUNDS, WORKERS = 2, 4
REST_SECONDS, LAST_WORDS_SECONDS = 90.0, 30.0
WARM_UP_SECONDS = 3.0


@dataclass
class Report:
    """What the restarts cost, and whether anything was lost."""

    restarts: list[Restart]
    watch: Watch
    passing: Counter[str]
    answered: int
    retried: int
    unanswered: int
    findings: Findings = field(default_factory=Findings)
    surprises: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        found = self.findings
        longest = max(self.watch.gaps, key=lambda name: self.watch.gaps[name])
        end = max(self.restarts, key=lambda one: one.end_seconds)
        lines = [
            f"{len(self.restarts)} restarts, exit codes {dict(Counter(one.code for one in self.restarts))},"
            f" slowest end {end.end_seconds:.1f} s ({end.name})",
            f"{self.answered} writes answered, {self.retried} of them after retries, {self.unanswered} never;"
            f" tried again: {dict(self.passing.most_common())}",
            f"{self.watch.total.total()} reads without retry: {dict(self.watch.total.most_common())}",
            f"longest unavailability {self.watch.gaps[longest]:.1f} s ({longest})",
            f"{found.writes} acknowledged writes, {found.events} events, {found.effects} effects;"
            f" lost {len(found.lost)}, doubled {len(found.doubled)}, without effect {len(found.unapplied)}",
        ]
        return "\n".join([*lines, *(f"  ! {said}" for said in [*found.all, *self.surprises, *self.watch.wrong][:20])])


async def rolling(folder: Path, seed: int = 5) -> Report:
    stage, journal = Stage(folder / "data"), Journal(folder / "journal.jsonl")
    await stage.start()
    try:
        url = stage.address_book()["http"]
        customers = Customers(url, stage.token, journal, random.Random(seed))
        await customers.prepare()
        watch = Watch(url, stage.token("users/admin"))
        watching = asyncio.create_task(watch.run())
        load = asyncio.create_task(customers.run(WORKERS))
        await asyncio.sleep(WARM_UP_SECONDS)
        restarts = [await restart(stage, name) for _ in range(ROUNDS) for name in (*SERVICES, "gateway")]
        await customers.end(load, LAST_WORDS_SECONDS)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        journal.close()
        await at_rest(stage, REST_SECONDS)
        unanswered = sum(call["answered"] is None for call in lines(folder / "journal.jsonl"))
        report = Report(restarts, watch, customers.passing, customers.answered, customers.retried, unanswered)
        report.findings = await findings(stage, folder / "journal.jsonl")
        report.surprises = customers.surprises
        return report
    finally:
        await stage.stop()
