"""What our own source says by itself: templates of log lines, constants, names of errors and calls.

A word of a log or a metric that is one of these comes from us, whatever else stands beside it; nothing else is kept.
"""

import ast
import importlib
import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import crm
from chassis.settings import SERVICES, package
from google.protobuf import descriptor_pool
from grpc import StatusCode

LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}
LONGEST_WORD = 60
PLACE = re.compile(r"%(?:\.\d+)?[sdrf]|%%")


@cache
def templates() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Every `log.warning("relay waits: %s", …)` of the suite with what its lines look like; of two that fit, the one
    that says more comes first."""
    every = _sources("chassis", "gateway", *map(package, SERVICES))
    found = {text for source in every if "log." in source for text in _logged(ast.parse(source))}
    return tuple(
        (text, re.compile(_pattern(text), re.DOTALL))
        for text in sorted(found, key=lambda one: (-len(PLACE.sub("", one)), one))
    )


def template(message: str) -> str:
    """The template that a message was made of; empty if it is none of ours."""
    return next((text for text, pattern in templates() if pattern.fullmatch(message)), "")


@cache
def words() -> frozenset[str]:
    """Constants of chassis and gateway, reasons of errors, statuses, services and their calls."""
    found = {*SERVICES, *map(package, SERVICES), *(code.name for code in StatusCode)}
    for source in _sources("chassis", "gateway"):
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) <= LONGEST_WORD:
                found.add(node.value)
            elif isinstance(node, ast.ClassDef):
                found.add(re.sub(r"(?<=.)(?=[A-Z])", "_", node.name).upper())
    return frozenset(found | set(_calls()))


@cache
def errors() -> frozenset[str]:
    """Names of the classes of exceptions that are loaded here, and of those that our source declares."""
    waiting: list[type[BaseException]] = [BaseException]
    found = set()
    while waiting:
        kind = waiting.pop()
        found.add(kind.__name__)
        waiting += kind.__subclasses__()
    for source in _sources("chassis", "gateway", *map(package, SERVICES)):
        found |= set(re.findall(r"^class (\w+)\(", source, re.MULTILINE))
    return frozenset(found)


def _calls() -> Iterator[str]:
    """`crm.leads.v1.LeadService/CreateLead` for every call of the contracts."""
    pool = descriptor_pool.Default()
    files = {path.relative_to(root) for root in map(Path, crm.__path__) for path in root.rglob("*_pb2.py")}
    for file in sorted(files):
        name = importlib.import_module(".".join(("crm", *file.with_suffix("").parts))).DESCRIPTOR.name
        for service in pool.FindFileByName(name).services_by_name.values():
            yield from (f"{service.full_name}/{method.name}" for method in service.methods)


def _sources(*packages: str) -> Iterator[str]:
    """Those packages that are installed here, read but not run."""
    for name in packages:
        yield from _read(name)


@cache
def _read(name: str) -> tuple[str, ...]:
    spec = find_spec(name)
    folders = spec.submodule_search_locations or () if spec else ()
    return tuple(path.read_text() for folder in folders for path in sorted(Path(folder).rglob("*.py")))


def _logged(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
            continue
        if node.func.attr not in LEVELS or not (isinstance(node.func.value, ast.Name) and node.func.value.id == "log"):
            continue
        said = node.args[0]
        if isinstance(said, ast.Constant) and isinstance(said.value, str):
            yield said.value


def _pattern(text: str) -> str:
    parts = PLACE.split(text)
    return ".*?".join(re.escape(part) for part in parts)
