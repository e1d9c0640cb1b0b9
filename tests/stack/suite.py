"""A suite with stand-ins for the services, as a process of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psutil
from chassis.stack.folder import DataFolder

SUITE = Path(__file__).with_name("fake_suite.py")
DEADLINE_SECONDS = 30


@dataclass
class Suite:
    """A starter process and what it started."""

    process: subprocess.Popen[str]
    data_dir: Path
    lines: list[str]

    @property
    def addresses(self) -> dict[str, Any]:
        addresses = DataFolder(self.data_dir).addresses()
        assert addresses is not None
        return addresses

    def family(self) -> list[psutil.Process]:
        """The starter and everything below it, as it is now."""
        starter = psutil.Process(self.process.pid)
        return [starter, *starter.children(recursive=True)]

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.communicate(timeout=DEADLINE_SECONDS)


def start_suite(data_dir: Path, *arguments: str, env: Mapping[str, str] = MappingProxyType({})) -> Suite:
    """Start it and read its output up to the line that begins with `ready `; a failed start ends the output earlier."""
    process = subprocess.Popen(
        [sys.executable, str(SUITE), str(data_dir), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | env,
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if line.startswith("ready "):
            break
    return Suite(process, data_dir, lines)
