"""The paths of google.api.http rules, found by look-up.

All rules live in one Starlette route. Starlette tries its routes one after the other, so with a hundred of them the
last would pay for ninety-nine regular expressions; here a request costs one look-up by collection, length and verb.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from gateway.contract import Rpc, Rule
from gateway.problems import Problem

VERSION = "v1"
Endpoint = Callable[[Scope, Receive, Send, dict[str, str]], Awaitable[None]]
SEGMENT = re.compile(r"\{([a-z0-9_.]+)(?:=([^{}]+))?\}|([^{}/]+)")


class BadContract(Exception):
    """The descriptors ask for something that cannot be served; the message names the RPC."""


@dataclass
class Template:
    """A parsed path: `/v1/{lead.name=leads/*}:qualify` has segments v1, leads, None, variable lead.name at 1..3."""

    segments: list[str | None] = field(default_factory=list)
    variables: dict[str, tuple[int, int]] = field(default_factory=dict)
    verb: str = ""

    @classmethod
    def parse(cls, text: str) -> "Template":
        template = cls()
        path, _, verb = text.rpartition(":") if ":" in text.rsplit("/", 1)[-1].rsplit("}", 1)[-1] else (text, "", "")
        template.verb = verb
        position = 1
        while position <= len(path):
            match = SEGMENT.match(path, position)
            if match is None or path[position - 1] != "/" or path[match.end() : match.end() + 1] not in ("", "/"):
                raise BadContract(f"the path {text} cannot be read")
            start = len(template.segments)
            parts = (match[2] or "*").split("/") if match[1] else [match[3]]
            template.segments += [None if part == "*" else part for part in parts]
            if match[1]:
                template.variables[match[1]] = (start, len(template.segments))
            position = match.end() + 1
        if "**" in template.segments or len(template.segments) < 2 or template.collection is None:
            raise BadContract(f"the path {text} needs a version and a collection, and ** is not served")
        return template

    @property
    def collection(self) -> str | None:
        """What a path is about: behind the version, or of a short path the first of all, as `m` of `/m/{token}`."""
        return collection_of(self.segments)

    @property
    def key(self) -> tuple[int, str | None, str]:
        return len(self.segments), self.collection, self.verb

    def fits(self, segments: list[str]) -> bool:
        """Whether a path of the same key has this shape."""
        for wanted, given in zip(self.segments, segments, strict=True):
            if given != wanted and (wanted is not None or not given or "/" in given):
                return False
        return True

    def values(self, segments: list[str]) -> dict[str, str]:
        """The variables of a path that fits."""
        return {name: "/".join(segments[start:end]) for name, (start, end) in self.variables.items()}


@dataclass
class Shape:
    """One path, and for each of its HTTP methods the RPC, the endpoint and that RPC's names for the variables."""

    template: Template
    methods: dict[str, tuple[Rpc, Template, Endpoint]] = field(default_factory=dict)


class Routes(BaseRoute):
    """The Starlette route that answers everything below /v1/, and short paths."""

    def __init__(self) -> None:
        self._table: dict[tuple[int, str | None, str], list[Shape]] = {}
        self._services: dict[str, str] = {}
        self._short: tuple[str, ...] = ()

    def serves(self, path: str) -> bool:
        """Whether a path is one of an RPC, or nobody's below /v1/."""
        return path.startswith("/v1/") or bool(self._short and path.startswith(self._short))

    def add(self, rpc: Rpc, rule: Rule, endpoint: Endpoint) -> None:
        """Raises BadContract if another RPC has the same method and path."""
        template = Template.parse(rule.template)
        shapes = self._table.setdefault(template.key, [])
        shape = next((shape for shape in shapes if shape.template.segments == template.segments), None)
        if shape is None:
            shape = Shape(template)
            shapes.append(shape)
            # A literal beats a variable: /v1/reports/channels before /v1/reports/*.
            shapes.sort(key=lambda shape: [segment is None for segment in shape.template.segments])
        if rule.method in shape.methods:
            other = shape.methods[rule.method][0]
            raise BadContract(f"{rpc.path} and {other.path} both want {rule.method} {rule.template}")
        shape.methods[rule.method] = (rpc, template, endpoint)
        self._services[template.collection or ""] = rpc.upstream
        if template.segments[0] != VERSION:
            self._short += (f"/{template.collection}/",)

    def service(self, path: str) -> str | None:
        """Who answers what lies at a path, by its collection alone; None if nobody does."""
        if not self.serves(path):
            return None
        behind = path[4:] if path.startswith("/v1/") else path[1:]
        return self._services.get(behind.partition("/")[0].partition(":")[0])

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        serves = scope["type"] == "http" and self.serves(scope["path"])
        return (Match.FULL if serves else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint, variables = self.find(scope["method"], scope["raw_path"])
        await endpoint(scope, receive, send, variables)

    def find(self, method: str, raw_path: bytes) -> tuple[Endpoint, dict[str, str]]:
        """Raises Problem: 404 for an unknown path, 405 for a method it does not have."""
        segments = raw_path.decode("latin-1")[1:].split("/")
        last, colon, verb = segments[-1].rpartition(":")
        if colon:
            segments[-1] = last
        else:
            verb = ""
        if b"%" in raw_path:
            segments = [decoded(segment) for segment in segments]
        collection = collection_of(segments) if len(segments) > 1 else ""
        for shape in self._table.get((len(segments), collection, verb), ()):
            if shape.template.fits(segments):
                found = shape.methods.get("GET" if method == "HEAD" else method)
                if found is None:
                    raise Problem.method_not_allowed(method, sorted(shape.methods))
                _, template, endpoint = found
                return endpoint, template.values(segments)
        raise Problem.no_such_path(raw_path.decode("latin-1"))


def collection_of(segments: Sequence[str | None]) -> str | None:
    return segments[1] if segments[0] == VERSION else segments[0]


def decoded(segment: str) -> str:
    """A segment without percent signs; raises Problem if it is not UTF-8."""
    try:
        return unquote(segment, errors="strict")
    except UnicodeDecodeError:
        raise Problem.invalid("", "the path is not UTF-8") from None
