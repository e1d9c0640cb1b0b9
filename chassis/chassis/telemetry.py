"""Traces and logs: spans that cost almost nothing when unsampled, log lines with the trace they belong to.

A customer's journey takes months, so it is not one trace: each request and each event chain is a trace, joined by
links and by the attribute `crm.journey.id`.
"""

import json
import logging
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry import context, trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
)

# Attribute names, declared once.
JOURNEY = "crm.journey.id"
ACTOR = "crm.actor"
RECORD = "crm.record"
EVENT_ID = "crm.event.id"
EVENT_TYPE = "crm.event.type"
SAGA = "crm.saga.kind"
SAGA_STEP = "crm.saga.step"
REASON = "crm.error.reason"
REQUEST_ID = "crm.request.id"

# What JSON leaves as it is and a terminal or a reader of lines does not: C1 controls, separators, directions of text.
STEERING = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

_tracer = trace.get_tracer("crm")
log = logging.getLogger("crm")


def start(process: str) -> TracerProvider:
    """Sets up traces (by the standard OTEL_* settings; none are exported without an endpoint) and JSON logs."""
    global _tracer
    exported = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    sampler = None if exported else ALWAYS_OFF  # None: as OTEL_TRACES_SAMPLER says; what nobody gets is not recorded
    provider = TracerProvider(sampler=sampler, resource=Resource.create({"service.name": process}))
    if exported:
        provider.add_span_processor(BatchSpanProcessor(_exporter()))
    trace.set_tracer_provider(provider)
    _tracer = provider.get_tracer("crm")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json(process))
    logging.basicConfig(level=os.environ.get("LOG_LEVEL", "INFO"), handlers=[handler], force=True)
    return provider


def _exporter() -> Any:
    """The exporter named by OTEL_EXPORTER_OTLP_PROTOCOL; imported here because only one is needed."""
    if os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc").startswith("http"):
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter

        return HttpExporter()
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter

    return GrpcExporter()


class span:
    """A span around a piece of work. `traceparent` continues a caller's trace ("" begins a new one), `linked` names a
    trace that led to this one. Errors mark it; they are not swallowed. Written out, because the context managers of
    the library cost as much as a small reaction."""

    __slots__ = ("_span", "_token")

    def __init__(
        self,
        name: str,
        kind: SpanKind = SpanKind.INTERNAL,
        *,
        traceparent: str | None = None,
        linked: str = "",
        **attributes: str | int,
    ) -> None:
        within = None
        if traceparent is not None:
            parent = parse(traceparent)
            within = trace.set_span_in_context(NonRecordingSpan(parent) if parent else INVALID_SPAN)
        other = parse(linked) if linked else None
        links = [Link(other)] if other else None
        self._span = _tracer.start_span(name, within, kind, attributes, links)

    def __enter__(self) -> Span:
        self._token = context.attach(trace.set_span_in_context(self._span))
        return self._span

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        context.detach(self._token)
        if isinstance(error, Exception) and self._span.is_recording():
            self._span.record_exception(error)
            self._span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {error}"))
        self._span.end()


@contextmanager
def client_span(system: str, statement: str) -> Iterator[None]:
    """A span around a call to the database, only when somebody will look at it."""
    if not trace.get_current_span().is_recording():
        yield
        return
    words = statement.split(None, 1)[0].upper()
    attributes = {"db.system.name": system, "db.query.text": statement[:2000]}
    calling = _tracer.start_span(f"{system} {words}", kind=SpanKind.CLIENT, attributes=attributes)
    try:
        yield
    except Exception as error:
        calling.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {error}"))
        raise
    finally:
        calling.end()


def mark(**attributes: str | int) -> None:
    """Sets attributes of the current span; keys are names of this module's constants in lower case."""
    current = trace.get_current_span()
    if current.is_recording():
        current.set_attributes({globals()[key.upper()]: value for key, value in attributes.items()})


def parse(traceparent: str) -> SpanContext | None:
    """A W3C traceparent as a span context; None if it is not one."""
    parts = traceparent.split("-")
    try:
        found = SpanContext(int(parts[1], 16), int(parts[2], 16), True, TraceFlags(int(parts[3], 16)))
    except (IndexError, ValueError):
        return None
    return found if found.is_valid else None


def traceparent() -> str:
    """The current span as a W3C traceparent; empty outside of any trace."""
    current = trace.get_current_span().get_span_context()
    if not current.is_valid:
        return ""
    return f"00-{current.trace_id:032x}-{current.span_id:016x}-{current.trace_flags:02x}"


def trace_id() -> str:
    """The current trace, 32 hex digits; empty outside of any trace."""
    return traceparent()[3:35]


class _Json(logging.Formatter):
    """One JSON object a line: time, process, level, message, trace, and what the caller adds as `extra`."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname,
            "process": self._process,
            "message": record.getMessage(),
        }
        if current := trace_id():
            line["trace_id"] = current
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(line, ensure_ascii=False))
