"""`make chaos`: the run, its verdict and its report. `python -m failures.chaos.run --seconds 600 --seed 7`."""

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType

from failures.chaos.faults import KINDS, Faults
from failures.chaos.journal import Journal, lines
from failures.chaos.load import WAIT_SECONDS, Customers
from failures.chaos.rest import at_rest, findings
from failures.chaos.stage import Stage
from failures.checker import Findings

WORKERS = 4
WARM_UP_CALLS = 50  # answered before the first fault
WARM_UP_SECONDS = 60.0
REST_SECONDS = 120.0
LAST_WORDS_SECONDS = 30.0  # for the stories under way at the end; some wait for what a restore has lost
Say = Callable[[str], None]
SECONDS_PER_FAULT = 8.0  # about what one takes with its recovery and the pause after it


@dataclass
class Report:
    """What happened, to be printed."""

    seed: int
    faults: Counter[str] = field(default_factory=Counter)
    longest: tuple[float, str] = (0.0, "none")
    findings: Findings = field(default_factory=Findings)
    surprises: list[str] = field(default_factory=list)
    stories: int = 0
    answered: int = 0
    retried: int = 0
    unanswered: int = 0
    repeated: int = 0
    rest_seconds: float = 0.0

    @property
    def kept(self) -> bool:
        return not self.findings.all and not self.surprises

    def __str__(self) -> str:
        found, kinds = self.findings, ", ".join(f"{count} {kind}" for kind, count in sorted(self.faults.items()))
        lines = [
            f"seed {self.seed}: {sum(self.faults.values())} faults ({kinds})",
            f"{self.stories} stories, {self.answered} calls answered ({self.retried} after retries),"
            f" {self.unanswered} never, {self.repeated} made twice",
            f"{found.writes} acknowledged writes, {found.events} events, {found.effects} effects looked up,"
            f" {found.excused} records named by reconciliation",
            f"lost {len(found.lost)}, doubled {len(found.doubled)}, without effect {len(found.unapplied)},"
            f" orphans {len(found.orphans)}, unfinished {len(found.unfinished)}, differing {len(found.differing)},"
            f" surprises {len(self.surprises)}",
            f"longest recovery {self.longest[0]:.1f} s after {self.longest[1]};"
            f" at rest {self.rest_seconds:.1f} s after the load",
        ]
        return "\n".join([*lines, *(f"  ! {said}" for said in [*found.all, *self.surprises][:40])])


async def chaos(
    seed: int,
    faults: int,
    folder: Path,
    say: Say,
    *,
    only: tuple[str, ...] = (),
    mutants: Mapping[str, str] = MappingProxyType({}),
    warm_up_calls: int = WARM_UP_CALLS,
    patience_seconds: float = WAIT_SECONDS,
    rest_seconds: float = REST_SECONDS,
) -> Report:
    """One run: start, load, faults, heal, rest, check."""
    report, chance = Report(seed), random.Random(seed)
    stage = Stage(folder / "data", mutants)
    journal = Journal(folder / "journal.jsonl")
    await stage.start()
    try:
        customers = Customers(
            stage.address_book()["http"], stage.token, journal, random.Random(seed + 1), patience_seconds
        )
        await customers.prepare()
        load = asyncio.create_task(customers.run(WORKERS))
        await warm(customers, warm_up_calls)
        hurt = Faults(stage, chance, folder)
        kinds = hurt.schedule(faults, only)
        for number, kind in enumerate(kinds, 1):
            said = await KINDS[kind](hurt)
            healed = time.monotonic()
            await stage.ready()
            await customers.heard(stage, number)
            took = time.monotonic() - healed
            report.faults[kind] += 1
            report.longest = max(report.longest, (took, f"{kind} {said}"))
            so_far = f"[{number}/{len(kinds)}] {customers.answered} calls answered"
            say(f"{so_far}; {kind} {said}: recovered after {took:.1f} s")
            await asyncio.sleep(chance.uniform(1, 4))
        await customers.end(load, LAST_WORDS_SECONDS)
        journal.close()
        began = time.monotonic()
        await at_rest(stage, rest_seconds)
        report.rest_seconds = time.monotonic() - began
        report.findings = await findings(stage, folder / "journal.jsonl", hurt.named)
        report.surprises = [said for said in customers.surprises if not excused(said, hurt.named)]
        report.stories, report.answered, report.retried = customers.stories, customers.answered, customers.retried
        report.unanswered, report.repeated = counts(folder)
        return report
    finally:
        await stage.stop()


async def warm(customers: Customers, calls: int) -> None:
    """Returns when so many calls were answered."""
    async with asyncio.timeout(WARM_UP_SECONDS):
        while customers.answered < calls:
            await asyncio.sleep(0.1)


def excused(said: str, named: set[str]) -> bool:
    """A story whose records were lost in a restore cannot go on."""
    return bool(named) and any(name.partition("/")[2] in said for name in named)


def counts(folder: Path) -> tuple[int, int]:
    """Calls never answered, and calls made twice on purpose."""
    calls = list(lines(folder / "journal.jsonl"))
    return sum(call["answered"] is None for call in calls), sum(call["repeat_of"] is not None for call in calls)


def main() -> int:
    asked = argparse.ArgumentParser()
    asked.add_argument("--seconds", type=float, default=600)
    asked.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    asked.add_argument("--only", nargs="*", default=(), choices=list(KINDS))
    given = asked.parse_args()
    count = max(1, int((given.seconds - 60) / SECONDS_PER_FAULT))
    print(
        f"seed {given.seed}, {count} faults; the same run again: make chaos SECONDS={given.seconds:g} SEED={given.seed}"
    )
    folder = Path(tempfile.mkdtemp(prefix="crm-chaos-"))
    report = asyncio.run(chaos(given.seed, count, folder, partial(print, flush=True), only=tuple(given.only)))
    print(report)
    if report.kept:
        shutil.rmtree(folder)
        return 0
    print(f"everything is still in {folder}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
