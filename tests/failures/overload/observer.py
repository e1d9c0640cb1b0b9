"""What a running suite says of itself, and what the machine says of its processes."""

import re
from dataclasses import dataclass
from typing import Any

import psutil
from crmctl.http import Server
from whole_suite import Suite

from bench import load

SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? ([0-9.e+-]+)$")


class Processes:
    """The processes of a suite by the names of their logs: `gateway`, `leads`, …, `postgres` with all its children."""

    def __init__(self, suite: Suite) -> None:
        self.by_name: dict[str, list[psutil.Process]] = {}
        for child in psutil.Process(suite.process.pid).children():
            words = child.cmdline()
            name = "postgres" if any("postgres" in word for word in words[:3]) else words[-1].rpartition("/")[2]
            module = words[words.index("-m") + 1].rpartition(".")[2] if "-m" in words else name
            self.by_name[module] = [child]

    def admin(self, name: str) -> Server:
        return Server(f"http://{self.by_name[name][0].environ()['ADMIN_ADDRESS']}", 5.0)

    def resident(self, name: str) -> int:
        """Bytes in memory of a process and its children; what those of Postgres share is counted once."""
        total = 0
        for process in self.by_name[name]:
            children = process.children(recursive=True)
            for one in (process, *children):
                try:
                    total += one.memory_full_info().pss if children else one.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
        return total

    def files(self, name: str) -> int:
        return sum(process.num_fds() for process in self.by_name[name])


@dataclass
class Metrics:
    """One reading of /metrics: (name, labels) → value."""

    values: dict[tuple[str, str], float]

    @classmethod
    async def read(cls, server: Server) -> "Metrics":
        answer = await server.call("GET", "/metrics", {}, {})
        found = (SAMPLE.match(line) for line in answer.body.decode().splitlines())
        return cls({(match[1], match[2] or ""): float(match[3]) for match in found if match})

    def __getitem__(self, name: str) -> float:
        """All series of a name together."""
        return sum(value for (key, _), value in self.values.items() if key == name)

    def by_label(self, name: str, label: str) -> dict[str, float]:
        found: dict[str, float] = {}
        for (key, labels), value in self.values.items():
            match = re.search(f'{label}="([^"]*)"', labels)
            if key == name and match:
                found[match[1]] = found.get(match[1], 0) + value
        return found

    def percentile(self, name: str, share: float, since: "Metrics") -> float:
        """What `share` of the values observed since an earlier reading stayed below: interpolated in its bucket."""
        counts = [
            (float(bound), value - since.by_label(f"{name}_bucket", "le").get(bound, 0))
            for bound, value in self.by_label(f"{name}_bucket", "le").items()
        ]
        wanted, below, lower = share * counts[-1][1], 0.0, 0.0
        for bound, total in counts:
            if total >= wanted and total > below:
                return lower + (min(bound, 60.0) - lower) * (wanted - below) / (total - below)
            below, lower = total, bound
        return lower


async def generate(**plan: Any) -> dict[str, Any]:
    """Runs the HTTP generator in a process of its own; its result, with statuses as numbers."""
    return await load.generate("http_load", plan)
