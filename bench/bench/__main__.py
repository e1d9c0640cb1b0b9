"""`make bench`: starts the suite, fills it, measures, says what was found.

SIZE=100000 leads · QUICK=1 for a look within two minutes · ONLY=create,get · C=32 or C=1,16,32 · WAYS=REST,database ·
BENCH_SECONDS=2 of each measurement · REPEAT=3 · BACKLOG=500000 leads, whose events a consumer catches up with
"""

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from bench.measure import WAYS
from bench.operations import OPERATIONS
from bench.run import Plan, bench

QUICK_SIZE, SIZE = 10_000, 100_000
QUICK_OPERATIONS = ("create", "get", "update", "list", "filtered", "convert", "board", "360", "import")
console = Console(highlight=False, width=None if sys.stdout.isatty() else 150)


def asked() -> Plan:
    """The command line. Ends the process with a sentence if it names what there is not."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--size", type=int, default=0)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--connections", default="")
    parser.add_argument("--ways", default="")
    parser.add_argument("--seconds", type=int, default=0)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--backlog", type=int, default=0)
    given = parser.parse_args()
    known = {one.name: one for one in OPERATIONS}
    everything = () if given.backlog else QUICK_OPERATIONS if given.quick else list(known)
    names = [name for name in given.only.split(",") if name] or everything
    if unknown := [name for name in names if name not in known]:
        parser.exit(2, f"ONLY: there is no operation {unknown[0]}; there are {', '.join(known)}.\n")
    ways = tuple(way for way in WAYS if way in (given.ways.split(",") if given.ways else WAYS))
    connections = [int(one) for one in given.connections.split(",") if one]
    return Plan(
        size=given.size or (QUICK_SIZE if given.quick else SIZE),
        operations=[known[name] for name in names],
        connections=connections or ([32] if given.quick else [1, 16, 32]),
        ways=("REST", "database") if given.quick and not given.ways else ways,
        seconds=given.seconds or (1 if given.quick else 2),
        repetitions=given.repeat,
        lag=not given.only and not given.backlog,
        thorough=not given.quick and not given.only and not given.backlog,
        backlog=given.backlog,
    )


def main() -> int:
    plan, began = asked(), time.monotonic()
    for number in (signal.SIGINT, signal.SIGTERM):  # also in the background, where a shell has SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    data_dir = Path(tempfile.mkdtemp(prefix="crm-bench-"))
    data_dir.chmod(0o711)
    try:
        report = asyncio.run(bench(plan, data_dir, console))
    except KeyboardInterrupt:
        console.print("Stopped; nothing was kept.")
        return 130
    finally:
        shutil.rmtree(data_dir, ignore_errors=True)
    report.show(console)
    console.print(f"{report.save()} after {time.monotonic() - began:.0f} s")
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
