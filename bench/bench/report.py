"""What was found: a table to read, and JSON to keep and to compare."""

import json
import platform
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from chassis.stack.postgres import MAJOR
from rich.console import Console
from rich.table import Table

from bench.backlog import CaughtUp
from bench.footprint import MODULES
from bench.lag import Lag
from bench.measure import WAYS, Measured
from bench.operations import OPERATIONS

RESULTS = Path(__file__).parents[1] / "results"
ROOT = RESULTS.parents[1]
LIBRARIES = ("grpcio", "protobuf", "SQLAlchemy", "asyncpg", "fastapi", "starlette", "uvicorn", "uvloop", "nats-py")
OTHERS = ("gateway", "postgres", "load")  # shown in columns of their own


@dataclass
class Report:
    """Everything of one run."""

    size: int
    rows: int
    seconds: int
    repetitions: int
    measured: list[Measured] = field(default_factory=list)
    lags: list[Lag] = field(default_factory=list)
    caught_up: list[CaughtUp] = field(default_factory=list)
    disk: dict[str, int] = field(default_factory=dict)  # service → bytes of its database, as filled
    memory: dict[str, dict[str, float]] = field(default_factory=dict)
    starting: dict[str, float] = field(default_factory=dict)
    importing: dict[str, float] = field(default_factory=dict)

    @property
    def wrong(self) -> list[str]:
        """Where the rows do not say what was answered."""
        return [f"{one.operation} over {one.way}, c = {one.connections}: {one.wrong}" for one in self.measured
                if one.wrong]  # fmt: skip

    def groups(self) -> dict[tuple[str, str, int], list[Measured]]:
        """The repetitions of each (operation, way, connections)."""
        found: defaultdict[tuple[str, str, int], list[Measured]] = defaultdict(list)
        for one in self.measured:
            found[one.operation, one.way, one.connections].append(one)
        order = {operation.name: at for at, operation in enumerate(OPERATIONS)}
        return dict(sorted(found.items(), key=lambda item: (order[item[0][0]], item[0][2], WAYS.index(item[0][1]))))

    def ratio(self, operation: str, way: str, connections: int) -> float | None:
        """The median rate over that of the database, at as many connections, or at one where it has no more."""
        groups = self.groups()
        base = groups.get((operation, "database", connections)) or groups.get((operation, "database", 1))
        ours = groups.get((operation, way, connections))
        return None if base is None or ours is None else rate(ours) / rate(base)

    def save(self) -> Path:
        RESULTS.mkdir(exist_ok=True)
        commit, changed = _git("rev-parse", "--short", "HEAD"), bool(_git("status", "--porcelain", "-uno"))
        name = f"{time.strftime('%Y-%m-%dT%H%M')}-{commit or 'unknown'}{'-changed' if changed else ''}.json"
        path = RESULTS / name
        content = {
            "commit": commit, "changed": changed, "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "machine": machine(),
            "size": self.size, "rows": self.rows, "seconds": self.seconds, "repetitions": self.repetitions,
            "ratios": {f"{name} {way} {c}": self.ratio(name, way, c) for name, way, c in self.groups()},
            "measured": [one.as_json() for one in self.measured], "lag": [one.as_json() for one in self.lags],
            "caught_up": [one.as_json() for one in self.caught_up],
            "disk": self.disk, "memory": self.memory, "starting": self.starting, "importing": self.importing,
            "wrong": self.wrong,
        }  # fmt: skip
        path.write_text(json.dumps(content, indent=1) + "\n")
        return path

    def show(self, console: Console) -> None:
        console.print(self._speed())
        if self.lags:
            console.print(self._lag())
        for one in self.caught_up:
            cpu = ", ".join(f"{name} {value:.2f}" for name, value in one.cpu.items())
            console.print(
                f"{one.consumer} caught up with {one.events:,} events at {one.rate:,.0f}/s; CPU ms each: {cpu}"
            )
        if self.memory:
            console.print(self._processes())
        if self.disk:
            shares = ", ".join(f"{name} {size / self.size / 1000:.1f}" for name, size in self.disk.items())
            console.print(f"disk, KB for each lead with all it left: {shares}")
        if not all(map(clean, self.groups().values())):
            console.print("* not all calls were answered: a rate of what was let in, not of what was asked")
        for sentence in self.wrong:
            console.print(f"[bold red]wrong:[/] {sentence}")

    def _speed(self) -> Table:
        table = Table(title=f"{self.size:,} leads, medians of {self.repetitions} × {self.seconds} s (least..most)")
        table.add_column("operation")
        for name in ("c", "way", "rate/s", "", "÷ database", "p50 ms", "p99 ms"):
            table.add_column(name, justify="left" if name == "way" else "right")
        for name in ("gateway", "service", "postgres", "others", "load"):
            table.add_column(f"{name}\nCPU ms", justify="right")
        table.add_column("refused", justify="right")
        services = {operation.name: operation.service for operation in OPERATIONS}
        before = ""
        for (name, way, connections), found in self.groups().items():
            if name != before and before:
                table.add_section()
            rates, ratio = [one.rate for one in found], self.ratio(name, way, connections)
            table.add_row(
                name if name != before else "", str(connections), way,
                f"{rate(found):,.0f}{'' if clean(found) else ' *'}",
                f"{min(rates):,.0f}..{max(rates):,.0f}",
                "" if ratio is None or way == "database" else f"{ratio:.3f}",
                _ms(one.p50 for one in found), _ms(one.p99 for one in found),
                *_cpu(found, services[name]), _refusals(found),
            )  # fmt: skip
            before = name
        return table

    def _lag(self) -> Table:
        table = Table(title="event lag: commit of a lead → commit of its entry in the timeline")
        for name in ("load", "creates/s", "events", "p50 ms", "p99 ms", "max ms", "lost"):
            table.add_column(name, justify="left" if name == "load" else "right")
        for one in self.lags:
            times = (f"{value:.1f}" for value in (one.p50, one.p99, one.max))
            table.add_row(one.load, f"{one.rate:,.0f}", str(one.count), *times, str(one.lost))
        return table

    def _processes(self) -> Table:
        table = Table(title="processes")
        for name in ("process", *(f"{when} MB" for when in self.memory), "ready s", "imports s"):
            table.add_column(name, justify="left" if name == "process" else "right")
        for name in sorted({name for found in self.memory.values() for name in found}, key=_first_ours):
            sizes = (f"{found[name]:.0f}" if name in found else "" for found in self.memory.values())
            times = (f"{found[name]:.2f}" if name in found else "" for found in (self.starting, self.importing))
            table.add_row(name, *sizes, *times)
        return table


def rate(found: Iterable[Measured]) -> float:
    return median(one.rate for one in found)


def clean(found: Iterable[Measured]) -> bool:
    """Whether everything that was asked was answered."""
    return not any(one.refused or one.failed for one in found)


def machine() -> dict[str, Any]:
    """What it ran on, and with what."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines(Path("/proc/cpuinfo")) if line.startswith("model name")), ""
    )
    return {
        "system": platform.platform(), "processor": model, "processors": psutil.cpu_count(),
        "memory_mb": psutil.virtual_memory().total >> 20, "python": platform.python_version(), "postgres": MAJOR,
        "libraries": {name: version(name) for name in LIBRARIES},
    }  # fmt: skip


def _cpu(found: list[Measured], service: str) -> list[str]:
    """Gateway, service, Postgres, all the other processes of the suite, the generator."""
    spent = {name: median(one.cpu.get(name, 0.0) for one in found) for one in found for name in one.cpu}
    others = sum(value for name, value in spent.items() if name not in (*OTHERS, service))
    shown = [spent.get("gateway", 0.0), spent.get(service, 0.0), spent.get("postgres", 0.0), others]
    return [f"{value:.2f}" for value in (*shown, spent.get("load", 0.0))]


def _ms(values: Iterable[float]) -> str:
    """Nothing where no single call was timed."""
    middle = median(values)
    return f"{middle:.2f}" if middle else ""


def _refusals(found: list[Measured]) -> str:
    """Refused of all calls, and what failed otherwise."""
    refused = sum(one.refused for one in found)
    failed: defaultdict[str, int] = defaultdict(int)
    for one in found:
        for status, number in one.failed.items():
            failed[status] += number
    share = refused / max(refused + sum(one.answered for one in found), 1)
    said = [f"{share:.1%}"] if refused else []
    return ", ".join([*said, *(f"{number} × {status}" for status, number in failed.items())])


def _first_ours(name: str) -> tuple[bool, str]:
    return name not in MODULES, name


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
