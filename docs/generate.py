"""Writes the pages that can be derived: docs/events.md, docs/errors.md, docs/permissions.md and the table of services
in README.md.

`--check` writes nothing and fails if one of them is not up to date.
"""

import re
import sys
import tomllib
from importlib import import_module
from pathlib import Path

from chassis.errors import CrmError
from chassis.settings import SERVICES, package
from chassis.streams import reactions
from crm.options.v1 import options_pb2
from google.protobuf import descriptor_pb2

from chassis import copies

ROOT = Path(__file__).resolve().parent.parent
HTTP = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}


def files() -> dict[str, descriptor_pb2.FileDescriptorProto]:
    image = descriptor_pb2.FileDescriptorSet.FromString((ROOT / "proto/gen/crm.binpb").read_bytes())
    return {file.name: file for file in image.file}


def comment(file: descriptor_pb2.FileDescriptorProto, *path: int) -> str:
    for location in file.source_code_info.location:
        if list(location.path) == list(path):
            return " ".join(location.leading_comments.split())
    return ""


def events_page() -> str:
    """Every event: what it says, what it carries, who reacts."""
    lines = ["# Events", "", "Generated from `proto/crm/*/v1/events.proto` and each service's `reactions.py`.", ""]
    reacting = {service: reactions(service) for service in SERVICES}
    for service in SERVICES:
        file = files()[f"crm/{package(service)}/v1/events.proto"] if _has_events(service) else None
        if file is None:
            continue
        lines += [f"## {service}", "", "| event | what happened | carries | who reacts |", "|---|---|---|---|"]
        for number, message in enumerate(file.message_type):
            full = f"{file.package}.{message.name}"
            who = [
                f"{name} (`{reaction.name}`)"
                for name, found in reacting.items()
                for reaction in found
                if full in reaction.types and reaction not in copies.REACTIONS
            ]
            who += [name for name, found in reacting.items() if any(not reaction.types for reaction in found)]
            if full.startswith("crm.directory."):
                who.insert(0, "every service (members)")
            fields = ", ".join(f"`{field.name}`" for field in message.field)
            lines.append(f"| `{message.name}` | {comment(file, 4, number)} | {fields} | {'; '.join(who) or '—'} |")
        lines.append("")
    return "\n".join(lines)


def _has_events(service: str) -> bool:
    return f"crm/{package(service)}/v1/events.proto" in files()


def errors_page() -> str:
    """Every reason a call can be refused for."""
    for service in SERVICES:
        for module in ("rpc", "reactions"):
            import_module(f"{package(service)}.{module}")
    for module in ("exports", "volume", "identity", "rpc", "event_log"):
        import_module(f"chassis.{module}")
    lines = [
        "# Errors",
        "",
        "Generated from the error classes. The reason stands in `ErrorInfo.reason` (gRPC) and `reason` (REST).",
        "",
        "| reason | gRPC | HTTP | message | where |",
        "|---|---|---|---|---|",
    ]
    for kind in sorted(_leaves(CrmError), key=lambda kind: (kind.__module__.split(".")[0] != "chassis", _reason(kind))):
        said = " ".join((kind.__doc__ or "").split())
        where = kind.__module__.split(".")[0]
        lines.append(f"| `{_reason(kind)}` | {kind.code} | {HTTP[kind.code]} | {said} | {where} |")
    return "\n".join(lines) + "\n"


def _leaves(kind: type[CrmError]) -> list[type[CrmError]]:
    below = [leaf for child in kind.__subclasses__() for leaf in _leaves(child)]
    return below if below and kind.__module__ == "chassis.errors" else [kind, *below]


def _reason(kind: type[CrmError]) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind.__name__).upper()


REACHES = {
    "own": "own records",
    "team": "the team's",
    "subtree": "those of the team and the teams below",
    "all": "all",
    "customer": "those of the caller's own account",
}


def permissions_page() -> str:
    """Who may do what, and how far it reaches: roles.toml as a table, and the calls behind each permission."""
    text = (ROOT / "chassis/chassis/roles.toml").read_text()
    given = {role: held for role, held in tomllib.loads(text).items() if role != "service"}
    calls: dict[str, list[str]] = {}
    open_to_all: list[str] = []
    for file in files().values():
        for method in (method for service in file.service for method in service.method):
            if method.options.Extensions[options_pb2.anonymous]:
                open_to_all.append(method.name)
            elif not method.options.Extensions[options_pb2.internal]:
                calls.setdefault(method.options.Extensions[options_pb2.permission], []).append(method.name)
    lines = [
        "# Who may do what",
        "",
        "Generated from `chassis/chassis/roles.toml` and the contracts; `tests/matrix` tries every cell. A person may",
        "hold several roles; the furthest reach counts. What lies beyond a reach is answered as if it did not exist.",
        "",
        *(f"- **{word}**: {said}" for word, said in REACHES.items()),
        "- –: not allowed",
        "",
        f"| permission | {' | '.join(role.replace('_', ' ') for role in given)} |",
        f"|---|{'---|' * len(given)}",
    ]
    for permission in [*sorted(calls), "act_for"]:
        cells = [held.get(permission) or held.get("*") or "–" for held in given.values()]
        lines.append(f"| `{permission}` | {' | '.join(cells)} |")
    lines += ["", "## The roles", "", "| role | what for |", "|---|---|"]
    lines += [f"| {role.replace('_', ' ')} | {_said_above(text, role)} |" for role in given]
    lines += ["", "## What a permission lets one do", "", "| permission | calls |", "|---|---|"]
    lines += [f"| `{permission}` | {', '.join(names)} |" for permission, names in sorted(calls.items())]
    lines += ["| `act_for` | Name the person behind a call with `crm-actor`. |", "", "## What needs no token", ""]
    return "\n".join([*lines, "Whoever has the link that such a call asks for: " + ", ".join(open_to_all) + ".", ""])


def _said_above(text: str, role: str) -> str:
    """The comment above a role in roles.toml."""
    above = text.partition(f"\n[{role}]\n")[0].splitlines()
    said: list[str] = []
    while above and above[-1].startswith("#"):
        said.insert(0, above.pop().removeprefix("#").strip())
    return " ".join(said)


def services_table() -> str:
    lines = ["| service | what it is for | RPCs | events | reacts to |", "|---|---|---|---|---|"]
    image = files()
    for service in SERVICES:
        file = image[f"crm/{package(service)}/v1/{package(service)}.proto"]
        purpose = comment(file, 6, 0)
        mine = [one for one in image.values() if one.package == file.package]
        count = sum(len(entry.method) for one in mine for entry in one.service)
        emitted = len(image[f"crm/{package(service)}/v1/events.proto"].message_type) if _has_events(service) else 0
        heard = sorted(
            {
                type_name.split(".")[1].replace("_", "-")
                for reaction in reactions(service)
                if reaction not in copies.REACTIONS
                for type_name in reaction.types
            }
        )
        everything = any(not reaction.types for reaction in reactions(service))
        link = f"[{service}](services/{service}/README.md)"
        lines.append(
            f"| {link} | {purpose} | {count} | {emitted} | {'all' if everything else ', '.join(heard) or '—'} |"
        )
    return "\n".join(lines)


def pages() -> dict[Path, str]:
    readme = ROOT / "README.md"
    begin, end = "<!-- services: generated -->\n", "<!-- end -->"
    before, _, rest = readme.read_text().partition(begin)
    after = rest.partition(end)[2]
    return {
        ROOT / "docs/events.md": events_page(),
        ROOT / "docs/errors.md": errors_page(),
        ROOT / "docs/permissions.md": permissions_page(),
        readme: f"{before}{begin}{services_table()}\n{end}{after}",
    }


def main() -> None:
    stale = [path for path, text in pages().items() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv:
        if stale:
            names = ", ".join(str(path.relative_to(ROOT)) for path in stale)
            sys.exit(f"not up to date: {names}; run `make docs`")
        return
    for path, text in pages().items():
        path.write_text(text)


if __name__ == "__main__":
    main()
