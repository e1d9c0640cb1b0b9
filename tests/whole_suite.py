"""The whole suite as a newcomer starts it: `crmctl up`, every service and the gateway as its own process."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chassis.stack.ports import free_ports
from crmctl.connection import Client, Refused, connect

READY_SECONDS = 60


@dataclass
class Suite:
    """A running suite: where it is, and a client of its administrator."""

    data_dir: Path
    http_port: int
    grpc_port: int
    process: subprocess.Popen[str]
    printed: list[str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def client(self) -> Client:
        return connect("", "", self.data_dir)

    def crmctl(self, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "crmctl", "--data-dir", str(self.data_dir), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout)

    def stop(self) -> int:
        self.process.terminate()
        self.process.communicate(timeout=30)
        return self.process.returncode


def start(data_dir: Path, **env: str) -> Suite:
    """Starts a suite and waits for its line `ready …`."""
    http_port, grpc_port = free_ports(2)
    command = [sys.executable, "-m", "crmctl", "up", "--data-dir", str(data_dir)]
    command += ["--http-port", str(http_port), "--grpc-port", str(grpc_port)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | env
    )
    assert process.stdout is not None
    printed = []
    for line in process.stdout:
        printed.append(line.rstrip())
        if line.startswith("ready "):
            return Suite(data_dir, http_port, grpc_port, process, printed)
    raise AssertionError("the suite did not get ready:\n" + "\n".join(printed))


def until(fact, said: str, seconds: float = 30) -> Any:
    """Waits until `fact()` is true and returns it. A refusal counts as not yet."""
    end = time.monotonic() + seconds
    last: Any = None
    while time.monotonic() < end:
        try:
            last = fact()
        except Refused as refused:
            last = refused
        else:
            if last:
                return last
        time.sleep(0.05)
    raise AssertionError(f"not in {seconds} s: {said}; last seen: {last!r}")
