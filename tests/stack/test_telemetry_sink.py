"""The trace sink: what it keeps, what it forgets, and how traces are found."""

import gzip

import httpx
import pytest
from chassis.stack.telemetry_sink import BODY_LIMIT_BYTES, Span, SpanRing, unpacked
from opentelemetry import trace as api
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from stack.suite import Suite


def span(trace: str, name: str, parent: str = "", journey: str = "", link: str = "") -> Span:
    return Span(
        trace_id=trace,
        span_id=name,
        parent_span_id=parent,
        name=name,
        kind="INTERNAL",
        service="leads",
        start_ns=len(name),
        end_ns=len(name) + 1,
        status="OK",
        status_message="",
        attributes={"crm.journey.id": journey} if journey else {},
        links=[{"trace_id": link, "span_id": "x"}] if link else [],
    )


def test_the_ring_never_holds_more_than_its_limit_and_forgets_the_oldest() -> None:
    ring = SpanRing(limit=3)
    for number in range(10):
        ring.add(span(f"trace{number}", "only", journey="j", link="origin"))
        assert len(ring) <= 3
    assert ring.trace("trace6")["spans"] == []
    assert [len(ring.trace(f"trace{number}")["spans"]) for number in (7, 8, 9)] == [1, 1, 1]
    assert ring.journey("j") == ["trace7", "trace8", "trace9"]
    assert ring.trace("origin")["linkedFrom"] == ["trace7", "trace8", "trace9"]


def test_what_is_forgotten_leaves_nothing_in_the_indexes() -> None:
    ring = SpanRing(limit=1)
    ring.add(span("old", "only", journey="j", link="origin"))
    ring.add(span("new", "only"))
    assert ring.journey("j") == []
    assert ring.trace("origin")["linkedFrom"] == []
    assert [len(index) for index in (ring._of_trace, ring._of_journey, ring._linking_to)] == [1, 0, 0]


def test_a_span_that_comes_twice_is_kept_once() -> None:
    ring = SpanRing()
    ring.add(span("trace", "a"))
    ring.add(span("trace", "a"))
    assert len(ring.trace("trace")["spans"]) == len(ring) == 1


def test_a_body_that_unpacks_to_too_much_is_refused() -> None:
    assert unpacked(gzip.compress(b"x" * 100), "gzip") == b"x" * 100
    assert unpacked(gzip.compress(b"x" * (BODY_LIMIT_BYTES + 1)), "gzip") is None
    assert unpacked(b"not gzip", "gzip") is None


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_spans_of_the_standard_exporter_are_found_by_trace_and_by_journey(
    suite: Suite, compression: str | None
) -> None:
    from opentelemetry.exporter.otlp.proto.http import Compression

    sink, journey = suite.addresses["sink"], f"journey-{compression}"
    provider = TracerProvider(resource=Resource.create({"service.name": "leads"}))
    exporter = OTLPSpanExporter(f"{sink}/v1/traces", compression=Compression(compression) if compression else None)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    about = {"crm.journey.id": journey, "crm.tags": ["a", "b"]}
    with (
        tracer.start_as_current_span("outer", attributes=about) as outer,
        tracer.start_as_current_span("inner") as inner,
    ):
        inner.set_status(api.StatusCode.ERROR, "it broke")
    with tracer.start_as_current_span("later", links=[api.Link(outer.get_span_context())]) as later:
        pass
    provider.shutdown()

    trace_id = format(outer.get_span_context().trace_id, "032x")
    found = httpx.get(f"{sink}/traces/{trace_id}").json()
    first, second = found["spans"]
    assert (first["name"], first["service"], first["attributes"]["crm.tags"]) == ("outer", "leads", ["a", "b"])
    assert (second["name"], second["status"], second["status_message"]) == ("inner", "ERROR", "it broke")
    assert second["parent_span_id"] == first["span_id"]
    assert first["start_ns"] <= second["start_ns"] <= second["end_ns"] <= first["end_ns"]
    assert found["linkedFrom"] == [format(later.get_span_context().trace_id, "032x")]
    assert httpx.get(f"{sink}/journeys/{journey}/traces").json() == {"traces": [trace_id]}


def test_a_body_that_is_no_export_is_refused(suite: Suite) -> None:
    assert httpx.post(f"{suite.addresses['sink']}/v1/traces", content=b"\xff\xff\xff").status_code == 400
