"""A small OTLP receiver for the local stack: the latest spans in memory, found by trace and by journey.

`python -m chassis.stack.telemetry_sink` takes POST /v1/traces (protobuf, gzip or plain) on SINK_ADDRESS and answers
GET /traces/{trace id} and GET /journeys/{journey id}/traces. Nothing is written to disk.
"""

import os
import zlib
from collections import OrderedDict, defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

SPAN_LIMIT = 50_000
BODY_LIMIT_BYTES = 16 * 1024 * 1024
JOURNEY_ATTRIBUTE = "crm.journey.id"


@dataclass(frozen=True)
class Span:
    """One span. Ids are lower-case hex, times nanoseconds since 1970, status UNSET, OK or ERROR."""

    trace_id: str
    span_id: str
    parent_span_id: str
    name: str
    kind: str
    service: str
    start_ns: int
    end_ns: int
    status: str
    status_message: str
    attributes: dict[str, Any]
    links: list[dict[str, str]]


class SpanRing:
    """The latest `limit` spans; adding one more drops the oldest, with what points to it."""

    def __init__(self, limit: int = SPAN_LIMIT) -> None:
        self._limit = limit
        self._spans: OrderedDict[tuple[str, str], Span] = OrderedDict()
        self._of_trace: defaultdict[str, dict[str, Span]] = defaultdict(dict)
        self._of_journey: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
        self._linking_to: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)

    def __len__(self) -> int:
        return len(self._spans)

    def add(self, span: Span) -> None:
        """Keep a span; one that comes again (exporters retry) replaces itself."""
        key = (span.trace_id, span.span_id)
        if key in self._spans:
            self._forget(key)
        self._spans[key] = span
        self._of_trace[span.trace_id][span.span_id] = span
        for index, values in self._indexes(span):
            for value in values:
                index[value].add(key)
        if len(self._spans) > self._limit:
            self._forget(next(iter(self._spans)))

    def trace(self, trace_id: str) -> dict[str, Any]:
        """The spans of a trace by start time, and the other traces with a span that links to it."""
        spans = sorted(self._of_trace.get(trace_id, {}).values(), key=lambda span: (span.start_ns, span.span_id))
        linking = {trace for trace, _ in self._linking_to.get(trace_id, ())} - {trace_id}
        return {"spans": [asdict(span) for span in spans], "linkedFrom": sorted(linking, key=self._start)}

    def journey(self, journey_id: str) -> list[str]:
        """The ids of the traces that mention a journey, oldest first."""
        return sorted({trace for trace, _ in self._of_journey.get(journey_id, ())}, key=self._start)

    def _start(self, trace_id: str) -> tuple[int, str]:
        return min(span.start_ns for span in self._of_trace[trace_id].values()), trace_id

    def _indexes(self, span: Span) -> Iterable[tuple[defaultdict[str, set[tuple[str, str]]], list[str]]]:
        journey = span.attributes.get(JOURNEY_ATTRIBUTE)
        yield self._of_journey, [str(journey)] if journey else []
        yield self._linking_to, [link["trace_id"] for link in span.links]

    def _forget(self, key: tuple[str, str]) -> None:
        span = self._spans.pop(key)
        of_trace = self._of_trace[span.trace_id]
        del of_trace[span.span_id]
        if not of_trace:
            del self._of_trace[span.trace_id]
        for index, values in self._indexes(span):
            for value in set(values):
                index[value].discard(key)
                if not index[value]:
                    del index[value]


def read_export(body: bytes) -> Iterable[Span]:
    """The spans of one OTLP export request. Raises google.protobuf.message.DecodeError."""
    for resource_spans in trace_service_pb2.ExportTraceServiceRequest.FromString(body).resource_spans:
        service = str(_attributes(resource_spans.resource.attributes).get("service.name", "unknown"))
        for scope in resource_spans.scope_spans:
            for span in scope.spans:
                yield _span(span, service)


def _span(span: trace_pb2.Span, service: str) -> Span:
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_span_id=span.parent_span_id.hex(),
        name=span.name,
        kind=trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        service=service,
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        status=trace_pb2.Status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_"),
        status_message=span.status.message,
        attributes=_attributes(span.attributes),
        links=[{"trace_id": link.trace_id.hex(), "span_id": link.span_id.hex()} for link in span.links],
    )


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    if kind == "bytes_value":
        return value.bytes_value.hex()
    return getattr(value, kind) if kind else None


def unpacked(body: bytes, encoding: str) -> bytes | None:
    """The body without its gzip coding; None if it is not gzip or larger than the limit."""
    if encoding == "gzip":
        inflater = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        try:
            body = inflater.decompress(body, BODY_LIMIT_BYTES)
        except zlib.error:
            return None
        if not inflater.eof:
            return None
    return body if len(body) <= BODY_LIMIT_BYTES else None


def application(ring: SpanRing) -> Starlette:
    """The HTTP side of a ring."""
    accepted = trace_service_pb2.ExportTraceServiceResponse().SerializeToString()

    async def export(request: Request) -> Response:
        body = unpacked(await request.body(), request.headers.get("content-encoding", ""))
        if body is None:
            return Response(status_code=400)
        try:
            for span in read_export(body):
                ring.add(span)
        except DecodeError:
            return Response(status_code=400)
        return Response(accepted, media_type="application/x-protobuf")

    async def trace(request: Request) -> Response:
        return JSONResponse(ring.trace(request.path_params["trace_id"].lower()))

    async def journey(request: Request) -> Response:
        return JSONResponse({"traces": ring.journey(request.path_params["journey_id"])})

    return Starlette(
        routes=[
            Route("/v1/traces", export, methods=["POST"]),
            Route("/traces/{trace_id}", trace),
            Route("/journeys/{journey_id}/traces", journey),
        ]
    )


if __name__ == "__main__":
    from chassis.stack.http_server import serve

    serve(application(SpanRing()), os.environ["SINK_ADDRESS"])
