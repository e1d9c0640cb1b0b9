"""The admin port: whether the process lives, whether it may be sent work, and what it counted."""

from bisect import bisect_left
from collections import defaultdict

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

# Seconds; a plain read takes a few milliseconds, the deadline is 10 s.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """Counts of one process since its start. `in_flight` is also what the gate bounds."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.draining = False
        self._requests: defaultdict[tuple[str, int], int] = defaultdict(int)
        self._buckets = [0] * (len(BUCKETS) + 1)
        self._seconds = 0.0

    def count(self, rpc: str, status: int, seconds: float) -> None:
        """One answered request; `rpc` is empty for pages and unknown paths."""
        self._requests[rpc, status] += 1
        self._buckets[bisect_left(BUCKETS, seconds)] += 1
        self._seconds += seconds

    def text(self) -> str:
        """In the text format that Prometheus reads."""
        lines = ["# TYPE crm_gateway_requests_total counter"]
        for (rpc, status), number in sorted(self._requests.items()):
            lines.append(f'crm_gateway_requests_total{{rpc="{rpc}",status="{status}"}} {number}')
        lines += ["# TYPE crm_gateway_in_flight gauge", f"crm_gateway_in_flight {self.in_flight}"]
        lines.append("# TYPE crm_gateway_request_seconds histogram")
        total = 0
        for bound, number in zip((*BUCKETS, "+Inf"), self._buckets, strict=True):
            total += number
            lines.append(f'crm_gateway_request_seconds_bucket{{le="{bound}"}} {total}')
        lines += [f"crm_gateway_request_seconds_sum {self._seconds:.6f}", f"crm_gateway_request_seconds_count {total}"]
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
