"""PgBouncer in transaction mode, before the Postgres of a test; `make pgbouncer` installs one that keeps statements."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from chassis.stack.ports import HOST, free_port

NEEDED = (1, 21)  # the first that keeps prepared statements
POOL_SIZE = 3
START_SECONDS = 10
SETTINGS = """
[databases]
* = host={host} port={port}
[pgbouncer]
listen_addr = {host}
listen_port = {own}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users.txt
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 2000
max_prepared_statements = {statements}
query_wait_timeout = 20
{user}
"""


def binary() -> Path:
    """PgBouncer, from PGBOUNCER, beside the interpreter, or on PATH; without one the test is skipped, loudly."""
    beside = Path(sys.executable).parent / "pgbouncer"
    there = os.environ.get("PGBOUNCER") or (beside if beside.exists() else shutil.which("pgbouncer"))
    if not there:
        pytest.skip("NOT TESTED: there is no PgBouncer here; make pgbouncer installs it")
    said = subprocess.run([there, "--version"], capture_output=True, text=True).stdout
    version = re.search(r"PgBouncer (\d+)\.(\d+)", said)
    if not version or tuple(map(int, version.groups())) < NEEDED:
        pytest.skip(f"NOT TESTED: PgBouncer 1.21 or newer is needed, {there} is {said.split(chr(10))[0] or 'unknown'}")
    return Path(there)


class Pooler:
    """One PgBouncer before the Postgres at `port`, for these logins. `statements` 0: it keeps none."""

    def __init__(
        self, port: int, passwords: Mapping[str, str], *, size: int = POOL_SIZE, statements: int = 500
    ) -> None:
        self.port = free_port()
        self._binary, self._process = binary(), None
        # Not below a folder of the test: those are closed to the user that PgBouncer turns into.
        self.folder = Path(tempfile.mkdtemp(prefix="crm-pooler-"))
        self.folder.chmod(0o755)
        (self.folder / "users.txt").write_text("".join(f'"{name}" "{word}"\n' for name, word in passwords.items()))
        user = "user = nobody" if os.geteuid() == 0 else ""
        given = SETTINGS.format(
            host=HOST, port=port, own=self.port, folder=self.folder, size=size, statements=statements, user=user
        )  # fmt: skip
        (self.folder / "pgbouncer.ini").write_text(given)

    _process: asyncio.subprocess.Process | None

    async def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                str(self._binary), str(self.folder / "pgbouncer.ini"), stdout=log, stderr=log
            )
        async with asyncio.timeout(START_SECONDS):
            while not await self._listens():
                await asyncio.sleep(0.02)

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection(HOST, self.port)
        except OSError:
            return False
        writer.close()
        return True

    async def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def before(self, url: str) -> str:
        """The same login and database, by this pooler."""
        parts = urlsplit(url)
        return f"postgresql://{parts.username}:{parts.password}@{HOST}:{self.port}{parts.path}"
