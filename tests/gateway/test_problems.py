"""Errors of services and limits of the gateway, as a REST caller sees them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import grpc
import httpx
import pytest
from google.protobuf import duration_pb2
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased

from gateway import limits, tracing

if TYPE_CHECKING:
    from conftest import Running

pytestmark = pytest.mark.asyncio(loop_scope="session")
LEAD = "/v1/leads/0190b5a0-7c3e-7000-8000-000000000001"


def details(*messages: object) -> tuple[tuple[str, bytes], ...]:
    packed = []
    for message in messages:
        any_message = AnyMessage()
        any_message.Pack(message)
        packed.append(any_message)
    return (("grpc-status-details-bin", status_pb2.Status(details=packed).SerializeToString()),)


@pytest.mark.parametrize(("code", "status"), [
    ("INVALID_ARGUMENT", 400), ("FAILED_PRECONDITION", 400), ("OUT_OF_RANGE", 400), ("UNAUTHENTICATED", 401),
    ("PERMISSION_DENIED", 403), ("NOT_FOUND", 404), ("ABORTED", 409), ("ALREADY_EXISTS", 409),
    ("RESOURCE_EXHAUSTED", 429),
    ("INTERNAL", 500), ("UNKNOWN", 500), ("DATA_LOSS", 500), ("UNIMPLEMENTED", 501),
    ("DEADLINE_EXCEEDED", 504),
])  # fmt: skip
async def test_each_grpc_code_has_its_http_status(gateway: Running, code: str, status: int) -> None:
    gateway.world.fail("GetLead", grpc.StatusCode[code], "because")
    answer = await gateway.http.get(LEAD)
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["reason"]) == (status, status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert ("retry-after" in answer.headers) == (status == 429)
    assert ("www-authenticate" in answer.headers) == (status == 401)


async def test_the_services_reason_metadata_and_violations_are_shown_in_the_callers_spelling(gateway: Running) -> None:
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="lead.external_ids[0].id", description="must not be empty")
    info = error_details_pb2.ErrorInfo(reason="VALIDATION", domain="crm", metadata={"lead": "leads/1"})
    gateway.world.fail("CreateLead", grpc.StatusCode.INVALID_ARGUMENT, "wrong", details(info, bad))
    problem = (await gateway.http.post("/v1/leads", json={})).json()
    assert problem["type"] == "urn:crm:problem:VALIDATION"
    assert (problem["title"], problem["detail"], problem["reason"]) == ("Bad Request", "wrong", "VALIDATION")
    assert problem["metadata"] == {"lead": "leads/1"}
    assert problem["violations"] == [{"field": "externalIds[0].id", "reason": "must not be empty"}]


async def test_a_service_says_when_to_try_again(gateway: Running) -> None:
    retry = error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=4))
    gateway.world.fail("GetLead", grpc.StatusCode.UNAVAILABLE, "no database", details(retry))
    answer = await gateway.http.get(LEAD)
    assert (answer.headers["retry-after"], answer.json()["detail"]) == ("4", "no database")


async def test_a_service_that_is_not_configured_is_a_503_that_names_the_setting(gateway: Running) -> None:
    answer = await gateway.http.get("/v1/channels")
    assert answer.status_code == 503
    assert "UPSTREAM_MARKETING" in answer.json()["detail"]
    assert "retry-after" not in answer.headers  # asking again would not help


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED])
async def test_a_call_whose_answer_was_lost_is_a_503_that_says_it_may_have_been_executed(
    gateway: Running, code: grpc.StatusCode
) -> None:
    gateway.world.fail("GetLead", code, "Stream removed (Socket closed)")
    answer = await gateway.http.get(LEAD)
    assert (answer.status_code, answer.json()["reason"]) == (503, "ANSWER_LOST")
    assert "not known" in answer.json()["detail"]
    assert "retry-after" in answer.headers


async def test_a_service_that_does_not_answer_is_a_503_at_once_and_its_address_stays_secret(gateway: Running) -> None:
    started = time.monotonic()
    answer = await gateway.http.get("/v1/accounts")
    assert time.monotonic() - started < 1
    assert answer.status_code == 503
    assert answer.json()["reason"] == "SERVICE_AWAY"
    assert answer.json()["detail"] == "the service sales cannot be reached, so nothing was done; try again"


async def test_an_answer_over_the_message_limit_is_a_400_that_says_so(gateway: Running) -> None:
    gateway.world.answer("ListLeads", leads=[{"note": "x" * 1_000_000}] * 5)
    answer = await gateway.http.get("/v1/leads")
    assert (answer.status_code, answer.json()["reason"]) == (400, "MESSAGE_TOO_LARGE")


# Limits


@pytest.mark.parametrize(("path", "size", "status"), [
    ("/v1/leads", limits.BODY_BYTES, 200), ("/v1/leads", limits.BODY_BYTES + 1, 413),
    ("/v1/leads:import", limits.BODY_BYTES + 1, 200), ("/v1/leads:import", limits.BULK_BODY_BYTES + 1, 413),
])  # fmt: skip
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_may_have_its_limit_and_no_byte_more(
    gateway: Running, path: str, size: int, status: int, chunked: bool
) -> None:
    body = b"{" + b" " * (size - 2) + b"}"

    async def parts() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 100_000):
            yield body[start : start + 100_000]

    headers = {"content-type": "application/json"}
    answer = await gateway.http.post(path, content=parts() if chunked else body, headers=headers)
    assert answer.status_code == status


async def test_a_long_url_and_large_headers_are_refused(gateway: Running) -> None:
    assert (await gateway.http.get(f"/v1/leads?filter={'x' * limits.URL_BYTES}")).status_code == 414
    assert (await gateway.http.get(LEAD, headers={"x-big": "x" * limits.HEAD_BYTES})).status_code == 431


async def test_headers_that_never_end_close_the_connection(gateway: Running) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nx-endless: ")
    answer = asyncio.create_task(reader.read())
    while not answer.done():
        writer.write(b"x" * 65_536)
        try:
            await writer.drain()
        except ConnectionError:
            break
    # Closed while we still wrote, the answer may be lost on the way.
    with contextlib.suppress(ConnectionError):
        assert (await answer).startswith(b"HTTP/1.1 431")
    writer.close()


# Deadlines


async def hang(request: object, context: grpc.aio.ServicerContext) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("headers", [{"request-timeout": "0.2"}, {"grpc-timeout": "200m"}])
async def test_an_answer_after_the_callers_deadline_is_a_504(gateway: Running, headers: dict[str, str]) -> None:
    gateway.world.replies["GetLead"] = hang
    answer = await gateway.http.get(LEAD, headers=headers)
    assert (answer.status_code, answer.json()["reason"]) == (504, "DEADLINE_EXCEEDED")


@pytest.mark.parametrize(("value", "seconds"), [(None, 10), ("3", 3), ("900", 30)])
async def test_a_deadline_has_a_default_and_a_cap(gateway: Running, value: str | None, seconds: float) -> None:
    await gateway.http.get(LEAD, headers={"request-timeout": value} if value else {})
    assert gateway.world.last.seconds == pytest.approx(seconds, abs=0.5)


@pytest.mark.parametrize("headers", [{"request-timeout": "soon"}, {"request-timeout": "0"}, {"grpc-timeout": "5"}])
async def test_a_deadline_that_is_none_is_a_400(gateway: Running, headers: dict[str, str]) -> None:
    assert (await gateway.http.get(LEAD, headers=headers)).status_code == 400


async def test_a_caller_who_leaves_cancels_the_call(gateway: Running) -> None:
    arrived, cancelled = asyncio.Event(), asyncio.Event()

    async def wait(request: object, context: grpc.aio.ServicerContext) -> None:
        arrived.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    gateway.world.replies["GetLead"] = wait
    async with httpx.AsyncClient(base_url=gateway.http.base_url, headers=gateway.http.headers) as caller:
        task = asyncio.create_task(caller.get(LEAD))
        await arrived.wait()
        task.cancel()
        await asyncio.wait([task])
    await asyncio.wait_for(cancelled.wait(), 5)


async def test_what_is_not_http_gets_a_problem_too(gateway: Running) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(b"\x00\x01 not http\r\n\r\n")
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in answer


# Traces


async def test_a_sampled_request_is_a_span_that_names_rpc_record_journey_and_failure(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans, provider = InMemorySpanExporter(), TracerProvider(sampler=ParentBased(ALWAYS_OFF))
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("test"))
    gateway.world.answer("GetLead", name="leads/1", journey_id="j-1")
    sampled = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    await gateway.http.get(LEAD, headers=sampled)
    gateway.world.fail("GetLead", grpc.StatusCode.NOT_FOUND)
    await gateway.http.get(LEAD, headers=sampled)
    await gateway.http.get(LEAD)
    good, bad = spans.get_finished_spans()
    assert good.name == "GET /crm.leads.v1.LeadService/GetLead"
    assert f"{good.context.trace_id:032x}" == "0af7651916cd43dd8448eb211c80319c"
    assert f"{good.parent.span_id:016x}" == "b7ad6b7169203331"
    assert good.attributes["crm.record"] == "leads/1"
    assert good.attributes["crm.journey.id"] == "j-1"
    assert (bad.attributes["crm.error.reason"], bad.attributes["http.response.status_code"]) == ("NOT_FOUND", 404)
