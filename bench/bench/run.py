"""A whole run: the suite is started and filled, everything is measured in turns, and the report is made."""

import time
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from bench import footprint, rows
from bench.backlog import LEADS, catch_up, publish
from bench.baselines import Baseline, Ground, Loading, story_ids
from bench.company import Company
from bench.lag import lag
from bench.measure import Measured, Way, check, measure
from bench.operations import Operation
from bench.report import Report
from bench.rows import Copies
from bench.stand import Stand, stand

LAG_SECONDS = 3
TOKENS_SECONDS = 300.0
WARMING_SECONDS = 0.4  # not kept: statements are prepared, the gateway learns how long a call takes


@dataclass(frozen=True)
class Plan:
    """What is to be measured."""

    size: int
    operations: list[Operation]
    connections: list[int]
    ways: tuple[Way, ...]
    seconds: int
    repetitions: int
    lag: bool = True
    thorough: bool = True  # also what takes long: catching up, starting
    backlog: int = 0  # leads whose events are to be caught up with; 0: as many as usual, if thorough
    company: Company = field(default_factory=Company)

    def steps(self, operation: Operation, baseline: Baseline | None) -> list[tuple[Way, int]]:
        """One repetition: ways in turns, so that what else the machine does meets them alike."""
        most = sorted({min(c, operation.most_at_once) for c in self.connections})
        alone = isinstance(baseline, Loading)
        return [
            (way, c)
            for c in most
            for way in self.ways
            if way != "database" or (baseline is not None and (c == most[0] or not alone))
        ]


async def bench(plan: Plan, data_dir: Path, console: Console) -> Report:
    report = Report(plan.size, 0, plan.seconds, plan.repetitions)
    console.print(f"Starting the suite in {data_dir} ...")
    async with stand(data_dir) as running:
        ground = await fill(running, plan, report, console)
        await running.rest()
        report.memory["idle"] = footprint.memory(running)
        baselines = {one.name: await one.baseline(running, ground) for one in plan.operations}
        await _operations(running, plan, baselines, report, console)
        if plan.lag:
            console.print("Event lag ...")
            await _lags(running, report)
        if plan.thorough or plan.backlog:
            console.print("How fast a consumer and a relay catch up ...")
            leads = plan.backlog or LEADS
            report.caught_up = [await catch_up(running, leads), await publish(running, leads)]
        report.memory["after load"] = footprint.memory(running)
        if plan.thorough:
            console.print("How long each process takes to start ...")
            report.starting = await footprint.starting(running)
    if plan.thorough:
        report.importing = await footprint.importing()
    return report


async def fill(running: Stand, plan: Plan, report: Report, console: Console) -> Ground:
    """The company, its stories, and so many copies of them that there are `size` leads."""
    console.print(f"Hiring {plan.company.sellers} people, telling {plan.company.stories} stories ...")
    await plan.company.hire(running)
    await running.rest()
    before = await rows.ids(running)
    await plan.company.tell(running)
    await running.rest()
    found = await rows.patterns(running, before)
    stories = await story_ids(running)
    copies = Copies.of(max(plan.size // plan.company.stories - 1, 1))
    total = copies.count * sum(len(one.rows) for one in found)
    with progress(console) as bar:
        task = bar.add_task("loading rows", total=total)
        report.rows = await rows.fill(
            running, found, copies, lambda table, new: bar.update(task, advance=new, description=f"loading {table}")
        )
    for service, database in running.databases.items():
        report.disk[service] = await database.fetchval("SELECT pg_database_size(current_database())")
    console.print(f"{report.rows:,} rows loaded: {await running.count('leads', 'leads'):,} leads and all they left.")
    return Ground(copies, found, stories)


async def _operations(
    running: Stand, plan: Plan, baselines: dict[str, Baseline | None], report: Report, console: Console
) -> None:
    steps = {one.name: plan.steps(one, baselines[one.name]) for one in plan.operations}
    total = plan.repetitions * sum(map(len, steps.values()))
    began = time.monotonic()
    with progress(console) as bar:
        task = bar.add_task("measuring", total=total)
        for number, operation in enumerate(plan.operations, 1):
            await check(running, operation)
            if "REST" in plan.ways:
                await measure(running, operation, "REST", min(8, operation.most_at_once), WARMING_SECONDS)
            for repetition in range(1, plan.repetitions + 1):
                for way, connections in steps[operation.name]:
                    said = f"{operation.name} ({number} of {len(plan.operations)}), {way}, c = {connections}"
                    bar.update(task, description=f"{said}, repetition {repetition}")
                    if time.monotonic() - began > TOKENS_SECONDS:
                        running.renew()
                        began = time.monotonic()
                    baseline = baselines[operation.name]
                    found = await measure(running, operation, way, connections, plan.seconds, baseline)
                    report.measured.append(found)
                    bar.update(task, advance=1)
                    _tell(bar, found)


def _tell(bar: Progress, found: Measured) -> None:
    bad = f", refused {found.refused}" if found.refused else ""
    bad += f", failed {found.failed}" if found.failed else ""
    bad += f" [bold red]{found.wrong}[/]" if found.wrong else ""
    line = f"{found.operation:10}{found.way:9} c = {found.connections:<3} {found.rate:10,.0f}/s"
    bar.console.print(f"{line}   p50 {found.p50:8.2f} ms   p99 {found.p99:8.2f} ms{bad}")


async def _lags(running: Stand, report: Report) -> None:
    running.renew()
    saturated = await lag(running, "saturated", LAG_SECONDS)
    report.lags = [saturated, await lag(running, "half of it", LAG_SECONDS, saturated.rate / 2)]


def progress(console: Console) -> Progress:
    parts = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TextColumn("left"))
    return Progress(*parts, TimeRemainingColumn(), console=console, transient=True)
