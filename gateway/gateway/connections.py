"""HTTP connections: how many, how long each may take to say or read something, and the quick refusal.

uvicorn's protocol with bounds around it. One sweep a second looks at all connections: a timer for each would cost every
request more than the sweep costs them together.
"""

import asyncio
import re
import secrets
import weakref
from collections.abc import Callable
from functools import partial
from math import inf
from typing import Any, cast

from chassis.errors import CrmError, TooBusy
from chassis.statuses import RETRY_SECONDS
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from gateway import limits
from gateway.admission import CALLER, EVERYBODY, Admission, Place, Refused
from gateway.line import Line, Waiting
from gateway.problems import Problem, title

SWEEP_SECONDS = 1.0
TRACE = re.compile(rb"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
NO_TRACE = "0" * 32


class Refusal:
    """An answer that is rendered once and sent many times; only its trace id differs."""

    def __init__(self, problem: Problem, close: bool = False) -> None:
        body = problem.body(NO_TRACE)
        head = [f"HTTP/1.1 {problem.status} {title(problem.status)}", "content-type: application/problem+json"]
        head += ["x-content-type-options: nosniff"]
        head += [f"content-length: {len(body)}", f"x-trace-id: {NO_TRACE}"]
        head += [f"{name}: {value}" for name, value in problem.headers.items()]
        head += ["connection: close"] if close else []
        self.status = problem.status
        self._head = ("\r\n".join(head) + "\r\n\r\n").encode().split(NO_TRACE.encode())
        self._body = body.split(NO_TRACE.encode())

    def render(self, trace: bytes = NO_TRACE.encode(), with_body: bool = True) -> bytes:
        head = trace.join(self._head)
        return head + trace.join(self._body) if with_body else head


def problem(error: CrmError) -> Problem:
    """A refusal of the gateway's own, told as those of the services are."""
    status = 429 if error.code == "RESOURCE_EXHAUSTED" else 503
    return Problem(status, error.reason, error.message, headers={"retry-after": str(RETRY_SECONDS)})


REFUSALS = {error.reason: Refusal(problem(error)) for error in (CALLER, EVERYBODY)}
LAST_REFUSALS = {error.reason: Refusal(problem(error), close=True) for error in (CALLER, EVERYBODY)}
FULL = LAST_REFUSALS[TooBusy().reason].render()
NOT_HTTP = Refusal(Problem.invalid("", "the request is not HTTP/1.1"), close=True).render()
HEAD_TOO_LARGE = Refusal(
    Problem(431, "HEADERS_TOO_LARGE", f"the headers may have {limits.HEAD_BYTES} bytes"), close=True
).render()
HEAD_TOO_SLOW = Refusal(
    Problem(408, "HEAD_TOO_SLOW", f"the head did not arrive within {limits.HEAD_SECONDS:g} seconds"), close=True
).render()


class Connections:
    """Every HTTP connection of one port. `service` tells who answers a path, `refused` is told the status of each quick
    refusal, `most` are open at a time."""

    def __init__(
        self, admission: Admission, service: Callable[[str], str | None], refused: Callable[[int], None], most: int
    ) -> None:
        self.admission, self.service, self.refused, self.most = admission, service, refused, most
        self.open: set[BoundedProtocol] = set()
        self.unsent = self.turned_away = self.cut_off = 0

    def protocol(self, **given: Any) -> "BoundedProtocol":
        """As uvicorn asks for one per connection."""
        return BoundedProtocol(self, **given)

    async def watch(self) -> None:
        """Sweeps until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self.sweep(asyncio.get_running_loop().time())

    def sweep(self, now: float) -> None:
        """Ends what has waited too long, and the largest unread answers if all together are too much."""
        unread = []
        for connection in [*self.open]:
            if connection.until < now:
                connection.expire()
                self.cut_off += 1
            elif size := connection.transport.get_write_buffer_size():
                unread.append((size, id(connection), connection))
        self.unsent = sum(size for size, _, _ in unread)
        for size, _, connection in sorted(unread, reverse=True):
            if self.unsent <= limits.UNSENT_BYTES:
                break
            connection.transport.abort()
            self.cut_off += 1
            self.unsent -= size

    def text(self) -> list[str]:
        """For /metrics."""
        return [
            "# TYPE crm_gateway_connections gauge",
            f"crm_gateway_connections {len(self.open)}",
            f"crm_gateway_unsent_bytes {self.unsent}",
            f"crm_gateway_connections_turned_away_total {self.turned_away}",
            f"crm_gateway_connections_cut_off_total {self.cut_off}",
        ]


class BoundedProtocol(HttpToolsProtocol):
    """One connection. `until` is when the sweep ends it: while a request is being answered, never; that has its own
    deadlines."""

    def __init__(self, all_of_them: Connections, **given: Any) -> None:
        super().__init__(**given)
        self._all = all_of_them
        self.until = inf
        self._head_bytes = self._dropped = 0
        self._in_head = True
        self._arriving = False  # a request's head or body is not complete
        self._in_line: tuple[Line, Waiting] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self.until = self.loop.time() + limits.HEAD_SECONDS
        if len(self._all.open) >= self._all.most:
            self._all.turned_away += 1
            self.transport.write(FULL)
            self.transport.close()
        self._all.open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.open.discard(self)
        if self._in_line is not None:
            line, waiting = self._in_line
            line.leave(waiting)
        super().connection_lost(exc)

    def expire(self) -> None:
        """The time is up: said to who began a request, silent to who was idle, final for who does not read."""
        if self.transport.is_closing() or self.transport.get_write_buffer_size():
            self.transport.abort()
            return
        if self._in_head and self._arriving:
            self.transport.write(HEAD_TOO_SLOW)
        self.transport.close()

    # ---- what the parser calls

    def on_message_begin(self) -> None:
        self._in_head, self._arriving, self._head_bytes, self._dropped = True, True, 0, 0
        self.until = self.loop.time() + limits.HEAD_SECONDS
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if len(self.pipeline) >= limits.PIPELINED:
            raise ValueError("too many requests ahead of their answers")
        self._in_head = False
        self.until = inf
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self.cycle.response_complete:
            self._dropped += len(body)
            if self._dropped > limits.DROPPED_BYTES:
                self.transport.abort()
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._arriving = False
        if self.cycle.response_complete:
            self.until = self.loop.time() + limits.IDLE_SECONDS
        super().on_message_complete()

    def on_response_complete(self) -> None:
        seconds = limits.BODY_SECONDS if self._arriving else limits.IDLE_SECONDS
        self.until = self.loop.time() + seconds
        super().on_response_complete()

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
            # One read may hold a whole request with its body; only a head that goes on after that is refused.
            if self._head_bytes - len(data) > limits.HEAD_BYTES:
                self.transport.write(HEAD_TOO_LARGE)
                self.transport.close()
                return
        super().data_received(data)

    def send_400_response(self, msg: str) -> None:
        """What is not HTTP gets the same kind of answer as every other mistake, unless it would be taken for the
        answer to a request before it."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.abort()
            return
        self.transport.write(NOT_HTTP)
        self.transport.close()

    # ---- the gate before everything else

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Starts to answer a request, or refuses it for a few microseconds of work."""
        if self.flow.write_paused:
            self.transport.abort()  # asks for more and does not read what it was answered
            return
        scope: Any = cycle.scope
        service = self._all.service(scope["path"])
        if service is not None:
            authorization, traceparent = identity(scope)
            caller = hash(authorization or (self.client[0] if self.client else ""))
            lane = self._all.admission.lanes[service]
            # A reference that counted would keep each request, its body included, until the garbage is collected.
            scope["cycle"] = weakref.ref(cycle)
            try:
                place = lane.arrive(caller, partial(self._in_turn, cycle, app, traceparent))
            except Refused as refused:
                self._refuse(cycle, refused.error, traceparent)
                return
            if isinstance(place, Waiting):
                self._in_line = (lane.line, place)
                return
            scope["place"] = place
        self.until = inf
        super()._start_asgi_task(cycle, app)

    def _in_turn(self, cycle: RequestResponseCycle, app: Any, traceparent: bytes, given: Place | Refused) -> None:
        """The moment in the line is over."""
        self._in_line = None
        if isinstance(given, Refused):
            self._refuse(cycle, given.error, traceparent)
            return
        cast(dict[str, Any], cycle.scope)["place"] = given
        super()._start_asgi_task(cycle, app)

    def _refuse(self, cycle: RequestResponseCycle, error: CrmError, traceparent: bytes) -> None:
        refusal = (REFUSALS if cycle.keep_alive else LAST_REFUSALS)[error.reason]
        found = TRACE.fullmatch(traceparent)
        trace = found[1] if found else secrets.token_hex(16).encode()
        self.transport.write(refusal.render(trace, cycle.scope["method"] != "HEAD"))
        self._all.refused(refusal.status)
        cycle.response_complete = True
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()


def identity(scope: Scope) -> tuple[bytes, bytes]:
    """The headers Authorization and traceparent; empty if not there."""
    authorization = traceparent = b""
    for name, value in scope["headers"]:
        if name == b"authorization":
            authorization = value
        elif name == b"traceparent":
            traceparent = value
    return authorization, traceparent
