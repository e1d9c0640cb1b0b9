"""The tree of the suite as its architecture tests read it: modules, what they import, and the contract."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

from chassis.settings import SERVICES, package
from google.api import annotations_pb2
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet

ROOT = Path(__file__).resolve().parent.parent
CHASSIS = ROOT / "chassis" / "chassis"
GATEWAY = ROOT / "gateway" / "gateway"
CLI = ROOT / "cli" / "crmctl"
BENCH = ROOT / "bench" / "bench"
IMAGE = ROOT / "proto" / "gen" / "crm.binpb"


def service_package(service: str) -> Path:
    return ROOT / "services" / service / package(service)


def modules(*folders: Path) -> list[Path]:
    """Every Python file below these folders."""
    return sorted(path for folder in folders for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def services_code() -> list[Path]:
    return modules(*(service_package(service) for service in SERVICES))


def all_code() -> list[Path]:
    return [*modules(CHASSIS, GATEWAY, CLI, BENCH), *services_code()]


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports(path: Path, *, at_import: bool = False) -> set[str]:
    """The modules a file imports; with `at_import` only those imported when it is."""
    found: set[str] = set()
    for node in _top_level(parsed(path)) if at_import else ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    return found


def _top_level(tree: ast.Module) -> Iterator[ast.stmt]:
    """Statements that run at import; what only type checkers read does not."""
    waiting: list[ast.stmt] = list(tree.body)
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test):
            waiting += [*node.body, *node.orelse]
        elif isinstance(node, ast.Try):
            waiting += [*node.body, *(part for handler in node.handlers for part in handler.body)]


def roots(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


def strings(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of a file's strings that are no docstrings; what an f-string puts in is `{}`."""
    tree = parsed(path)
    passed_over = {id(node.body[0].value) for node in ast.walk(tree) if _has_docstring(node)}  # type: ignore[attr-defined]
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            passed_over |= {id(part) for part in node.values}
            parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
            yield node.lineno, "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in passed_over:
            yield node.lineno, node.value


def _has_docstring(node: ast.AST) -> bool:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return isinstance(node, kinds) and bool(node.body) and isinstance(node.body[0], ast.Expr)


@cache
def image() -> FileDescriptorSet:
    """All descriptors of the suite with their comments."""
    return FileDescriptorSet.FromString(IMAGE.read_bytes())


@cache
def contract() -> list[tuple[ServiceDescriptor, MethodDescriptor]]:
    """Every method of the suite, with the options of its contract understood."""
    for file in image().file:
        if file.package.startswith("crm."):
            import_module(file.name.removesuffix(".proto").replace("/", ".") + "_pb2")
    pool = descriptor_pool.Default()
    found = []
    for file in image().file:
        if file.package.startswith("crm."):
            for service in file.service:
                described = pool.FindServiceByName(f"{file.package}.{service.name}")
                found += [(described, method) for method in described.methods]
    return found


def http(method: MethodDescriptor) -> tuple[str, str]:
    """Verb and path template of a method's route, variables as their patterns; both empty without one."""
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    verb = rule.WhichOneof("pattern")
    return (verb, re.sub(r"\{[^}=]*=?([^}]*)\}", r"\1", getattr(rule, verb))) if verb else ("", "")


def route(method: MethodDescriptor) -> str:
    return http(method)[1]
