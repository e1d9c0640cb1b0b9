"""The HTTP side put together: routes from the contract, pages, and the gate every request passes."""

import logging
from time import perf_counter
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.admin import Metrics
from gateway.admission import Place, Refused, Streams
from gateway.codec import Codec, Unsupported
from gateway.connections import REFUSALS
from gateway.connections import problem as refusal
from gateway.contract import Contract
from gateway.docs import PAGE, PAGE_HEADERS
from gateway.event_stream import EventStream
from gateway.json_text import render
from gateway.limits import ClientGone
from gateway.openapi import document
from gateway.problems import Problem
from gateway.routes import BadContract, Routes
from gateway.tracing import Exchange
from gateway.transcode import Transcoder
from gateway.upstreams import Upstreams
from gateway.visitors import Visitors

log = logging.getLogger("crm.gateway")


def build(contract: Contract, upstreams: Upstreams, metrics: Metrics, streams: Streams) -> "Gate":
    """The ASGI application. Raises BadContract for descriptors that cannot be served."""
    routes, visitors = Routes(), Visitors()
    codec = Codec()
    for rpc in contract.public:
        for rule in rpc.rules:
            try:
                channel = upstreams.channel(rpc.upstream)
                transcoder = (
                    EventStream(codec, rpc, rule, channel, streams)
                    if rpc.server_streaming
                    else Transcoder(codec, rpc, rule, channel, visitors)
                )
            except Unsupported as error:
                raise BadContract(f"{rpc.path}: {error}") from None
            routes.add(rpc, rule, transcoder)
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.router.routes.append(routes)
    app.router.routes += pages(contract)
    app.add_exception_handler(HTTPException, refuse)
    app.add_exception_handler(Exception, refuse)
    return Gate(app, routes, metrics)


def pages(contract: Contract) -> list[Route]:
    """What is not an RPC. Made once: neither page changes while the process runs."""
    openapi = render(document(contract))

    async def home(request: Request) -> Response:
        return RedirectResponse("/docs")

    async def docs(request: Request) -> Response:
        return Response(PAGE, headers=PAGE_HEADERS, media_type="text/html")

    async def description(request: Request) -> Response:
        return Response(openapi, headers={"x-content-type-options": "nosniff"}, media_type="application/json")

    return [Route("/", home), Route("/docs", docs), Route("/openapi.json", description)]


async def refuse(request: Request, error: Any) -> Response:
    """Starlette's own 404 and 405, and a page that failed, in the suite's form."""
    problem = Problem.internal()
    if isinstance(error, HTTPException):
        problem = Problem.no_such_path(request.url.path)
        if error.status_code == 405:
            problem = Problem.method_not_allowed(request.method, ["GET"])
    exchange: Exchange = request.scope["exchange"]
    exchange.status = problem.status
    headers = problem.headers | {"traceparent": exchange.traceparent, "x-trace-id": exchange.trace_id}
    headers["x-content-type-options"] = "nosniff"
    return Response(problem.body(exchange.trace_id), problem.status, headers, "application/problem+json")


class Gate:
    """Outermost ASGI: opens the span, turns every error into a problem, counts, gives the place back.

    Requests for RPCs go straight to their route: FastAPI's own middleware would cost more than all of this.
    """

    def __init__(self, app: ASGIApp, routes: Routes, metrics: Metrics) -> None:
        self.app, self.routes, self.metrics = app, routes, metrics

    def refused(self, status: int) -> None:
        """Counts an answer that the connection gave by itself."""
        self.metrics.count("", status, 0.0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = perf_counter()
        exchange = Exchange(header(scope, b"traceparent"), scope["method"])
        scope["exchange"] = exchange
        self.metrics.in_flight += 1
        place: Place | None = scope.get("place")
        reason = ""
        try:
            if self.routes.serves(scope["path"]):
                await self.routes.handle(scope, receive, send)
            else:
                await self.app(scope, receive, noted(exchange, send))
        except Problem as problem:
            reason = problem.reason
            await answer(problem, exchange, send)
        except Refused as refused:
            reason = refused.error.reason
            await answer(refusal(refused.error), exchange, send)
        except ClientGone:
            exchange.status, reason = 499, "CANCELLED"
        except Exception:
            log.exception("a request failed", extra={"fields": {"trace_id": exchange.trace_id, "rpc": exchange.rpc}})
            reason = "INTERNAL"
            if not exchange.status:
                await answer(Problem.internal(), exchange, send)
        finally:
            if place is not None:
                learn = exchange.status in (200, 304, 504)
                place.leave(exchange.rpc, learn, answered=exchange.status != 499)
            self.metrics.in_flight -= 1
            # Of a stream counts how long it took to begin.
            self.metrics.count(exchange.rpc, exchange.status, scope.get("opened", perf_counter()) - started)
            exchange.finish(scope["method"], reason)


def noted(exchange: Exchange, send: Send) -> Send:
    """The same, with the status known: pages that FastAPI answers are counted, too."""

    async def note(message: Message) -> None:
        if message["type"] == "http.response.start":
            exchange.status = message["status"]
        await send(message)

    return note


def header(scope: Scope, wanted: bytes) -> str:
    """The value of one header; empty if it is not there."""
    for name, value in scope["headers"]:
        if name == wanted:
            return value.decode("latin-1")
    return ""


async def answer(problem: Problem, exchange: Exchange, send: Send) -> None:
    """Sends a problem; one of the server's making is logged with its trace. Refusals are counted: under overload there
    are thousands a second."""
    exchange.status = problem.status
    if problem.status >= 500 and problem.reason not in REFUSALS:
        fields = {"trace_id": exchange.trace_id, "rpc": exchange.rpc, "reason": problem.reason}
        log.warning("answered %d: %s", problem.status, problem.detail, extra={"fields": fields})
    body = problem.body(exchange.trace_id)
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"x-content-type-options", b"nosniff"),  # it repeats what the caller sent
        (b"content-length", str(len(body)).encode()),
        (b"traceparent", exchange.traceparent.encode()),
        (b"x-trace-id", exchange.trace_id.encode()),
        *[(name.encode(), value.encode("latin-1", "replace")) for name, value in problem.headers.items()],
    ]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
