"""The whole suite as a newcomer starts it: `crmctl up`, every service and the gateway as its own process."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chassis.settings import SERVICES
from chassis.stack.ports import free_ports
from crm.chassis.v1 import chassis_pb2
from crmctl.connection import Client, Refused, connect
from crmctl.internal import Internal

READY_SECONDS = 60
PAGE = 1000


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

    def events(self) -> list[dict[str, str]]:
        """The headers of every event of every outbox."""
        found: list[dict[str, str]] = []
        for service in SERVICES:
            internal, after = Internal(service, "", "", self.data_dir), 0
            while True:
                request = chassis_pb2.ReadEventsRequest(after=after, limit=PAGE)
                method = "crm.chassis.v1.EventLogService/ReadEvents"
                page = internal.call(method, request, chassis_pb2.ReadEventsResponse).events
                found += [dict(event.headers) for event in page]
                if len(page) < PAGE:
                    break
                after = page[-1].position
        return found

    def asked_for(self) -> int:
        """How many of them follow from what somebody asked for, when no more come. What services tell when a clock
        runs out comes at any moment."""
        before, now = -1, 0
        while now != before:
            before, now = now, sum(not one["ce-actor"].startswith("services/") for one in self.events())
            time.sleep(1)
        return now

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
