"""What of requirements.lock an image needs: what the code that it runs imports, and what that depends on.

Nothing of it is written down twice: an import in a service is enough to have the package in the service's image. Run by
the Python whose environment holds all of requirements.lock.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import distribution, distributions, packages_distributions
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
# What code names without importing it, by who names it.
BY_NAME = {
    "chassis.database": ["asyncpg", "sqlalchemy[asyncio]"],  # the scheme of an address
    "chassis.business_time": ["tzdata"],  # zones, which the image has from nowhere else
    "contracts.printing": ["pylopdf-fonts-zh-cn"],
    "gateway.__main__": ["httptools"],  # uvicorn chooses it if it is there
    "chassis.tokens": ["pyjwt[crypto]"],
}


def services() -> list[str]:
    return sorted(path.parent.name for path in ROOT.glob("services/*/migrations"))


def package(service: str) -> str:
    return service.replace("-", "_")


def sources() -> list[str]:
    """The folders that our modules are in."""
    return ["chassis", "cli", "gateway", "proto/gen", *(f"services/{one}" for one in services())]


def images() -> list[str]:
    """All images there are: every service, the gateway, and crmctl for what operators do."""
    return [*services(), "gateway", "crmctl"]


def needed(image: str) -> set[str]:
    """The names of the distributions in an image."""
    return closure(direct(image))


def shared() -> set[str]:
    """Those that every service needs: a layer of all their images."""
    return set.intersection(*(needed(service) for service in services()))


def direct(image: str) -> set[str]:
    """Requirements (`name` or `name[extra]`) of the code that an image runs."""
    return {requirement for module in reached(image) for requirement in asked_by(module)}


def reached(image: str) -> set[str]:
    """Our modules that the image's processes may import, sooner or later."""
    if image in ("gateway", "crmctl"):
        found = _walk(name for name in _ours() if name.split(".")[0] == image)
    else:
        found = _walk([f"{package(image)}.__main__", f"{package(image)}.reactions", "chassis.migrate"])
    if image == "crmctl":  # makes the streams of all services, for which it loads what they react to
        found |= _walk(["chassis.streams", *(f"{package(one)}.reactions" for one in services())], at_once=True)
    return found


@cache
def asked_by(module: str) -> frozenset[str]:
    others = {_distribution(name) for name in _imports(module) if not _own(name)}
    return frozenset((others - {""}) | set(BY_NAME.get(module, [])))


def closure(requirements: Iterable[str]) -> set[str]:
    """The distributions of requirements and of all that they require, by their normal names."""
    found: set[str] = set()
    seen: set[str] = set()
    waiting = [Requirement(one) for one in requirements]
    while waiting:
        one = waiting.pop()
        if str(one) in seen:
            continue
        seen.add(str(one))
        found.add(normal(one.name))
        for text in distribution(one.name).requires or []:
            further = Requirement(text)
            if not further.marker or any(further.marker.evaluate({"extra": extra}) for extra in one.extras or {""}):
                waiting.append(further)
    return found


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _walk(modules: Iterable[str], *, at_once: bool = False) -> set[str]:
    """Our modules reached from some. `at_once`: by what is imported when they are loaded, not later in a function."""
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [own for each in _imports(name, at_once=at_once) if (own := _own(each))]
    return found


@cache
def _ours() -> dict[str, Path]:
    """Our modules: name -> file."""
    found = {}
    for source in sources():
        for path in (ROOT / source).rglob("*.py"):
            parts = path.relative_to(ROOT / source).with_suffix("").parts
            if parts[0] != "migrations":
                found[".".join(parts).removesuffix(".__init__")] = path
    return found


def _own(name: str) -> str:
    """The module of ours that a dotted name is, or is something of; empty if it is somebody else's."""
    while name and name not in _ours():
        name = name.rpartition(".")[0]
    return name


@cache
def _imports(module: str, *, at_once: bool = False) -> frozenset[str]:
    """The dotted names that a module imports: `from a import b` is a.b."""
    found = set()
    for node in _statements(ast.parse(_ours()[module].read_text()), at_once):
        match node:
            case ast.Import():
                found |= {alias.name for alias in node.names}
            case ast.ImportFrom(level=0):
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def _statements(node: ast.AST, at_once: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if at_once and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        yield child
        yield from _statements(child, at_once)


@cache
def _theirs() -> dict[str, str]:
    """Modules of distributions: dotted name -> the distribution's normal name."""
    found = {}
    for one in distributions():
        for path in one.files or []:
            name = re.sub(r"(/__init__)?\.(py|pyi|abi3\.so|cpython[^/]*\.so|so)$", "", str(path))
            if name != str(path) and not name.startswith(".."):
                found[name.replace("/", ".")] = normal(one.name)
    for top, names in packages_distributions().items():
        if len(set(names)) == 1:
            found.setdefault(top, normal(names[0]))
    return found


def _distribution(name: str) -> str:
    """The distribution that a dotted name is of; empty if it is of the standard library."""
    while name and name not in _theirs():
        name = name.rpartition(".")[0]
    return _theirs().get(name, "")
