"""Runs pgbench, the program that comes with Postgres: its rate is what the database can do without us."""

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from chassis.stack.postgres import binary

from bench.baselines import Script
from bench.load import summary
from bench.stand import Stand


@dataclass(frozen=True)
class Ran:
    """What it did: transactions, in how many seconds, and how long they took."""

    transactions: int
    seconds: float
    took: dict[str, float]


async def run(stand: Stand, script: Script, connections: int, seconds: float) -> Ran:
    """The scripts in turns of chance, each transaction prepared, on so many connections, in whole seconds.
    RuntimeError if it fails."""
    address = urlsplit(stand.stack.database_url(script.service))
    with tempfile.TemporaryDirectory(prefix="crm-pgbench-") as folder:
        files = []
        for number, text in enumerate(script.texts):
            file = Path(folder) / f"{number}.sql"
            file.write_text(text)
            files += ["-f", str(file)]
        process = await asyncio.create_subprocess_exec(
            str(binary("pgbench")), "--no-vacuum", "--protocol=prepared", f"--client={connections}", "--jobs=1",
            f"--time={max(round(seconds), 1)}", "--log", f"--log-prefix={folder}/log", *files,
            "-h", str(address.hostname), "-p", str(address.port), "-U", str(address.username),
            address.path.removeprefix("/"),
            env={"PGPASSWORD": str(address.password)}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        said, complaint = await process.communicate()
        if b"number of transactions actually processed: 0\n" in said:
            raise RuntimeError(f"pgbench ended no transaction in {seconds:g} s: the machine has other work")
        if process.returncode != 0 or b"number of failed transactions: 0 " not in said:
            raise RuntimeError(f"pgbench: {complaint.decode()[-2000:]}{said.decode()[-2000:]}")
        lines = [line for log in Path(folder).glob("log*") for line in log.read_text().splitlines()]
    took = [int(line.split()[2]) / 1e6 for line in lines]
    rate = float(said.partition(b"\ntps = ")[2].split()[0])  # without the time it took to connect
    return Ran(len(took), len(took) / rate, summary(took))
