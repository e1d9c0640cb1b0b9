"""The trace of each request: continued from the caller's `traceparent` or begun here, named in every answer."""

import re
import secrets

from chassis.telemetry import JOURNEY, REASON, RECORD
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})", re.ASCII)
# Without a parent the sampler decides; the empty context keeps a span of the server's own task out.
NO_PARENT = Context()
# A proxy until telemetry.start: fetching a tracer for each request would cost more than an unsampled span.
_tracer = trace.get_tracer("crm.gateway")


class Exchange:
    """One request being answered: its trace, and what will be counted and shown of it."""

    __slots__ = ("rpc", "span", "status", "trace_id", "traceparent")

    def __init__(self, received: str, name: str) -> None:
        self.span = _tracer.start_span(name, parent_context(received), SpanKind.SERVER)
        context = self.span.get_span_context()
        if context.is_valid:
            self.trace_id = f"{context.trace_id:032x}"
            self.traceparent = f"00-{self.trace_id}-{context.span_id:016x}-{context.trace_flags:02x}"
        else:
            # No tracing is set up: the id still joins the log lines of all processes.
            self.trace_id = secrets.token_hex(16)
            self.traceparent = f"00-{self.trace_id}-{secrets.token_hex(8)}-00"
        self.rpc = ""
        self.status = 0

    def finish(self, method: str, reason: str) -> None:
        """Ends the span; `reason` is empty unless the answer is an error."""
        if self.span.is_recording():
            self.span.set_attributes({"http.request.method": method, "http.response.status_code": self.status})
            if self.rpc:
                self.span.update_name(f"{method} {self.rpc}")
            if reason:
                self.span.set_attribute(REASON, reason)
            if self.status >= 500:
                self.span.set_status(Status(StatusCode.ERROR, reason))
        self.span.end()

    def concerns(self, record: str, journey: str) -> None:
        """Names the record and the journey that the request was about; empty ones are left out."""
        attributes = {RECORD: record, JOURNEY: journey}
        self.span.set_attributes({key: value for key, value in attributes.items() if value})


def parent_context(received: str) -> Context:
    """The context of a `traceparent` header; NO_PARENT if there is none or it is not one."""
    match = TRACEPARENT.fullmatch(received)
    if match is None:
        return NO_PARENT
    parent = SpanContext(int(match[1], 16), int(match[2], 16), True, TraceFlags(int(match[3], 16)))
    return trace.set_span_in_context(NonRecordingSpan(parent), NO_PARENT) if parent.is_valid else NO_PARENT
