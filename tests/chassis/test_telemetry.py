"""Telemetry: the spans of a call, what they say, and that they cost nothing when nobody looks."""

import json
import logging

import pytest
from chassis.errors import NotFound
from chassis.values import new_id
from harness import until
from lead_calls import create, log_call, read
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind

from chassis import telemetry

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SENT = (("traceparent", f"00-{TRACE}-{PARENT}-01"),)


def exporting(monkeypatch, **how) -> InMemorySpanExporter:
    exporter, provider = InMemorySpanExporter(), TracerProvider(**how)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(telemetry, "_tracer", provider.get_tracer("crm"))
    return exporter


@pytest.fixture
def spans(monkeypatch) -> InMemorySpanExporter:
    return exporting(monkeypatch)


async def of_trace(exporter: InMemorySpanExporter, trace_id: str = TRACE) -> list:
    """The spans of a trace in the order they began, once its server span has ended."""

    async def ended() -> list:
        found = [span for span in exporter.get_finished_spans() if f"{span.context.trace_id:032x}" == trace_id]
        return found if any(span.kind is SpanKind.SERVER for span in found) else []

    return sorted(await until(ended, "the server span has ended"), key=lambda span: span.start_time)


async def finished(exporter: InMemorySpanExporter, name: str) -> list:
    return [span for span in exporter.get_finished_spans() if span.name == name]


async def test_a_create_is_a_server_span_with_one_write_below_it(leads, spans):
    from crm.leads.v1 import leads_pb2

    await read(leads, (await create(leads, by="users/ana", owner="users/ana")).name, by="users/ana")  # remembered now
    request = leads_pb2.CreateLeadRequest(lead=leads_pb2.Lead(display_name="Traced"))
    lead = await leads.call("LeadService/CreateLead", request, by="users/ana", metadata=SENT)
    server, write = await of_trace(spans)
    assert (server.name, server.kind) == ("crm.leads.v1.LeadService/CreateLead", SpanKind.SERVER)
    assert f"{server.parent.span_id:016x}" == PARENT
    assert server.attributes[telemetry.JOURNEY] == lead.journey_id
    assert server.attributes[telemetry.ACTOR] == "users/ana"
    assert server.attributes[telemetry.RECORD] == lead.name
    assert (write.name, write.kind) == ("postgresql WITH", SpanKind.CLIENT)
    assert write.parent.span_id == server.context.span_id
    assert "INSERT INTO leads" in write.attributes["db.query.text"]


async def test_the_spans_tell_no_personal_values(leads, spans):
    await create(leads, display_name="Secret Person", email="secret@example.com", phone="+49 30 1234567")
    told = " ".join(str(span.attributes) for span in spans.get_finished_spans())
    assert "ecret" not in told
    assert "1234567" not in told


async def test_the_event_carries_the_trace_of_the_call(leads, spans):
    from crm.leads.v1 import leads_pb2

    request = leads_pb2.CreateLeadRequest(lead=leads_pb2.Lead(display_name="Traced"))
    lead = await leads.call("LeadService/CreateLead", request, metadata=SENT)
    rows = await leads.rows("SELECT traceparent FROM outbox WHERE subject = $1", lead.name)
    assert rows[0]["traceparent"].split("-")[1] == TRACE


async def test_a_consumer_links_to_the_trace_that_told_it(broker, starting, spans):
    from crm.directory.v1 import directory_pb2
    from crm.directory.v1 import events_pb2 as directory_events

    await starting()
    import nats

    client = await nats.connect(broker.nats_url)
    event = directory_events.TeamUpdated(team=directory_pb2.Team(name="teams/linked", display_name="Linked"))
    headers = {
        "ce-id": new_id(), "ce-type": event.DESCRIPTOR.full_name, "ce-subject": "teams/linked", "ce-dataversion": "1",
        "ce-epoch": new_id(), "ce-source": "services/directory", "ce-time": "2026-01-01T00:00:00+00:00",
        "ce-recordedtime": "2026-01-01T00:00:00+00:00", "traceparent": SENT[0][1],
    }  # fmt: skip
    await client.jetstream().publish(event.DESCRIPTOR.full_name, event.SerializeToString(), headers=headers)
    await client.close()
    name = "react crm.directory.v1.TeamUpdated"
    (span,) = await until(lambda: finished(spans, name), "the event was reacted to")
    assert span.kind is SpanKind.CONSUMER
    assert [f"{link.context.trace_id:032x}" for link in span.links] == [TRACE]
    assert f"{span.context.trace_id:032x}" != TRACE
    assert span.attributes[telemetry.EVENT_ID] == headers["ce-id"]


async def test_an_error_is_marked_with_its_reason(leads, spans):
    with pytest.raises(NotFound):
        await read(leads, f"leads/{new_id()}", metadata=SENT)
    server = (await of_trace(spans))[0]
    assert server.attributes[telemetry.REASON] == "RECORD_NOT_FOUND"


async def test_nothing_is_recorded_of_a_call_that_is_not_sampled(leads, monkeypatch):
    spans = exporting(monkeypatch, sampler=ALWAYS_OFF)
    lead = await create(leads)
    await log_call(leads, lead.name)
    assert spans.get_finished_spans() == ()


def test_a_client_span_without_a_recording_parent_is_none_at_all(spans):
    with telemetry.client_span("postgresql", "SELECT 1"):
        pass
    assert spans.get_finished_spans() == ()


@pytest.mark.parametrize(
    "given", ["", "junk", "00-0-0-00", "00-xyz-1-01", f"00-{'0' * 32}-{'0' * 16}-01", "----", "00-" * 9]
)
def test_what_is_no_traceparent_begins_a_new_trace(given, spans):
    assert telemetry.parse(given) is None
    with telemetry.span("x", traceparent=given):
        assert len(telemetry.trace_id()) == 32


async def test_a_call_with_a_traceparent_of_junk_is_answered(leads):
    lead = await create(leads)
    assert await read(leads, lead.name, metadata=(("traceparent", "00-junk"),)) == lead


def test_a_log_line_is_json_with_its_trace(spans, monkeypatch):
    record = logging.LogRecord("crm", logging.INFO, "", 1, "sold %s", ("it",), None)
    record.fields = {"ms": 1.5}
    with telemetry.span("x"):
        line = json.loads(telemetry._Json("leads").format(record))
        assert line["trace_id"] == telemetry.trace_id()
    assert (line["process"], line["message"], line["level"], line["ms"]) == ("leads", "sold it", "INFO", 1.5)


async def test_each_call_leaves_one_log_line_with_method_code_and_time(leads, caplog):
    with caplog.at_level(logging.INFO, logger="crm"):
        await create(leads)
        with pytest.raises(NotFound):
            await read(leads, f"leads/{new_id()}")
    lines = [record.fields for record in caplog.records if record.message == "call"]
    assert [(line["method"].split("/")[1], line["code"]) for line in lines] == [
        ("CreateLead", "OK"),
        ("GetLead", "NOT_FOUND"),
    ]
    assert all(line["ms"] >= 0 for line in lines)
    assert lines[1]["reason"] == "RECORD_NOT_FOUND"


HOSTILE = ["a\nb", "a\r\n{}", "\x1b[2J", "\x9b31m", "a\u2028b", "\u202egnp", '"}\n{"level":"INFO', "\0"]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_value_in_a_log_line_neither_begins_another_line_nor_steers_a_terminal(hostile):
    record = logging.LogRecord("crm", logging.INFO, "", 0, "said %s", (hostile,), None)
    record.fields = {"reason": hostile}
    line = telemetry._Json("leads").format(record)
    assert len(line.splitlines()) == 1
    assert not [one for one in line if not one.isprintable()]
    assert (json.loads(line)["message"], json.loads(line)["reason"]) == (f"said {hostile}", hostile)
