"""The admin port: whether the process lives, whether it may be sent work, and what it counted."""

import asyncio
from collections import defaultdict
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from chassis import release
from gateway.histogram import Histogram

# Seconds; a plain read takes a few milliseconds, the deadline is 10 s.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """Counts of one process since its start, and what others add to /metrics: lines of text."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.draining = False
        self.sections: list[Callable[[], list[str]]] = []
        self._requests: defaultdict[tuple[str, int], int] = defaultdict(int)
        self._seconds = Histogram(BUCKETS)

    def count(self, rpc: str, status: int, seconds: float) -> None:
        """One answered request; `rpc` is empty for pages and unknown paths."""
        self._requests[rpc, status] += 1
        self._seconds.observe(seconds)

    def text(self) -> str:
        """In the text format that Prometheus reads."""
        lines = [*release.told(), "# TYPE crm_gateway_requests_total counter"]
        for (rpc, status), number in sorted(self._requests.items()):
            lines.append(f'crm_gateway_requests_total{{rpc="{rpc}",status="{status}"}} {number}')
        lines += ["# TYPE crm_gateway_in_flight gauge", f"crm_gateway_in_flight {self.in_flight}"]
        lines += self._seconds.text("crm_gateway_request_seconds")
        lines += [line for section in self.sections for line in section()]
        lines += ["# TYPE crm_gateway_tasks gauge", f"crm_gateway_tasks {len(asyncio.all_tasks())}"]
        return "\n".join(lines) + "\n"


def build(metrics: Metrics) -> Starlette:
    """The admin application. The gateway stores nothing, so it is ready while it is not draining."""

    async def livez(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(request: Request) -> Response:
        if metrics.draining:
            return PlainTextResponse("draining\n", 503)
        return PlainTextResponse("ok\n")

    async def numbers(request: Request) -> Response:
        return PlainTextResponse(metrics.text(), media_type="text/plain; version=0.0.4")

    return Starlette(routes=[Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", numbers)])
