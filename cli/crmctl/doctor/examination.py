"""One examination of a whole installation, and how it is told: on a screen, or as JSON."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chassis import release
from crmctl.doctor import databases, processes, streams, trust
from crmctl.doctor.findings import Finding, Findings, Level
from crmctl.doctor.installation import GATEWAY, Installation
from crmctl.terminal import one_line

LONGEST_DETAIL = 300


@dataclass(frozen=True)
class Report:
    """What was found, in the order of the parts, the worst first; and the processes that answered."""

    findings: list[Finding]
    processes: list[processes.Process]
    seconds: float

    @property
    def worst(self) -> Level:
        return max((one.level for one in self.findings), default=Level.OK)

    def count(self, level: Level) -> int:
        return sum(one.level is level for one in self.findings)


async def examine(installation: Installation, seconds: float) -> Report:
    """Looks at everything at once; each look has `seconds`. Processes come first: pools are judged by what they say."""
    durables = streams.wanted(installation.services)  # before the first look: what it loads would stop their clocks
    began, found = time.monotonic(), Findings(seconds)
    do, page = "This is a mistake in crmctl; the other findings stand.", "#doctor"
    seen: list[processes.Process] = []

    async def inside() -> None:
        seen.extend(await processes.examine(installation, found))
        await databases.examine(installation, seen, found)

    await asyncio.gather(
        found.tried("suite", "processes and databases", inside(), do, page, 12),
        found.tried("suite", "gRPC", processes.answering(installation, found), do, page, 3),
        found.tried("suite", "streams", streams.examine(installation, durables, found), do, page, 4),
        found.tried("suite", "certificates and keys", trust.examine(installation, found), do, page, 3),
    )
    order = {part: place for place, part in enumerate(("suite", GATEWAY, *installation.services))}
    found.all.sort(key=lambda one: (-one.level, order.get(one.part.split()[0], len(order)), one.part, one.check))
    return Report(found.all, seen, time.monotonic() - began)


def tell(report: Report, say: Callable[[str], None]) -> None:
    """What is wrong, the worst first, each with what to do; then what is well, a line for each part. What is the same
    for several parts is said once: seven services behind one Postgres would fill the screen."""
    well, alike = defaultdict(list), defaultdict(list)
    for one in report.findings:
        if one.level is Level.OK:
            well[one.part].append(one.check)
        else:
            alike[one.level, one.check, one.said, one.do, one.page, one.detail].append(one)
    for same in alike.values():
        one, parts = same[0], ", ".join(other.part for other in same)
        say(one_line(f"{one.level.name:<5} {parts}, {one.check}: {one.said}"))
        if one.detail:
            say(one_line(f"      It said: {one.detail[:LONGEST_DETAIL]}"))
        say(one_line(f"      → {one.do}{f' See {one.path}.' if one.page else ''}"))
    for part, checks in well.items():
        shown = ", ".join(sorted(set(checks))) if len(checks) <= 10 else f"{len(checks)} looks"
        say(one_line(f"OK    {part}: {shown}"))
    fails, warns, oks = (report.count(level) for level in (Level.FAIL, Level.WARN, Level.OK))
    say(f"{fails} FAIL, {warns} WARN, {oks} OK in {report.seconds:.1f} s (crmctl {release.NUMBER})")


def as_json(report: Report, *, details: bool = True) -> dict[str, Any]:
    """The same for programs. Without `details` nothing that others said is in it."""
    return {
        "worst": report.worst.name,
        "fail": report.count(Level.FAIL),
        "warn": report.count(Level.WARN),
        "ok": report.count(Level.OK),
        "seconds": round(report.seconds, 2),
        "release": release.NUMBER,
        "findings": [_finding(one, details) for one in report.findings],
    }


def _finding(one: Finding, details: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"part": one.part, "check": one.check, "level": one.level.name, "said": one.said}
    if one.level is not Level.OK:
        told |= {"do": one.do, "page": one.path}
    if one.figures:
        told["figures"] = dict(one.figures)
    if details and one.detail:
        told["detail"] = one.detail
    return told
