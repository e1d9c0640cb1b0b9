"""The gRPC port: calls pass through unchanged, in every shape, and only those that outsiders may make."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from crm.leads.v1 import leads_pb2, leads_pb2_grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from gateway import limits

if TYPE_CHECKING:
    from conftest import Running

pytestmark = pytest.mark.asyncio(loop_scope="session")
EVERYTHING = "/crm.everything.v1.EverythingService/"


def method(gateway: Running, name: str, shape: str) -> Callable[..., Any]:
    """A method of the test service, called with its own message classes."""
    rpc = next(rpc for rpc in gateway.contract.rpcs if rpc.name == name)
    return getattr(gateway.grpc, shape)(
        rpc.path,
        request_serializer=rpc.request_class.SerializeToString,
        response_deserializer=rpc.reply_class.FromString,
    )


def named(gateway: Running, name: str) -> Any:
    rpc = next(rpc for rpc in gateway.contract.rpcs if rpc.name == "GetShelf")
    return rpc.request_class(name=name)


async def test_a_call_arrives_with_its_metadata_and_deadline_and_answers(gateway: Running) -> None:
    gateway.world.answer("GetLead", name="leads/1", display_name="Ana")
    metadata = [
        ("authorization", "Bearer abc"),
        ("crm-actor", "users/ana"),
        ("traceparent", "00-a-b-01"),
        ("x-own", "1"),
    ]
    stub = leads_pb2_grpc.LeadServiceStub(gateway.grpc)
    reply = await stub.GetLead(leads_pb2.GetLeadRequest(name="leads/1"), timeout=5, metadata=metadata)
    assert reply == leads_pb2.Lead(name="leads/1", display_name="Ana")
    seen = gateway.world.last
    assert (seen.request.name, seen.metadata["authorization"]) == ("leads/1", "Bearer abc")
    assert (seen.metadata["crm-actor"], seen.metadata["traceparent"]) == ("users/ana", "00-a-b-01")
    assert "x-own" not in seen.metadata
    assert seen.seconds == pytest.approx(5, abs=0.5)


async def test_a_call_without_a_deadline_gets_the_default(gateway: Running) -> None:
    await leads_pb2_grpc.LeadServiceStub(gateway.grpc).GetLead(leads_pb2.GetLeadRequest(name="leads/1"))
    assert gateway.world.last.seconds == pytest.approx(limits.DEFAULT_SECONDS, abs=0.5)


async def test_an_error_passes_with_status_details_and_trailing_metadata_unchanged(gateway: Running) -> None:
    status = status_pb2.Status(code=9, message="closed")
    status.details.add().Pack(
        error_details_pb2.ErrorInfo(reason="LEAD_CLOSED", domain="crm", metadata={"state": "NEW"})
    )
    trailing = (("grpc-status-details-bin", status.SerializeToString()), ("x-extra", "kept"))
    gateway.world.fail("QualifyLead", grpc.StatusCode.FAILED_PRECONDITION, "closed", trailing)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await leads_pb2_grpc.LeadServiceStub(gateway.grpc).QualifyLead(leads_pb2.QualifyLeadRequest(name="leads/1"))
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.FAILED_PRECONDITION, "closed")
    assert dict(caught.value.trailing_metadata()) == dict(trailing)


async def test_an_answers_initial_and_trailing_metadata_pass(gateway: Running) -> None:
    async def reply(request: Any, context: grpc.aio.ServicerContext) -> dict[str, str]:
        await context.send_initial_metadata((("x-first", "1"),))
        context.set_trailing_metadata((("x-last", "2"),))
        return {"name": "leads/1"}

    gateway.world.replies["GetLead"] = reply
    call = leads_pb2_grpc.LeadServiceStub(gateway.grpc).GetLead(leads_pb2.GetLeadRequest())
    await call
    assert dict(await call.initial_metadata())["x-first"] == "1"
    assert dict(await call.trailing_metadata())["x-last"] == "2"


async def test_streams_pass_in_all_shapes(gateway: Running) -> None:
    async def requests() -> AsyncIterator[Any]:
        for name in ("a", "b"):
            yield named(gateway, name)

    numbers = [reply.i32 async for reply in method(gateway, "Watch", "unary_stream")(named(gateway, "a"))]
    assert numbers == [0, 1, 2]
    assert [reply.i32 async for reply in method(gateway, "Chat", "stream_stream")(requests())] == [0, 1, 2]
    await method(gateway, "Collect", "stream_unary")(requests())
    assert [item.name for item in gateway.world.last.request] == ["a", "b"]


async def test_a_stream_that_breaks_ends_with_the_services_status(gateway: Running) -> None:
    gateway.world.fail("Watch", grpc.StatusCode.DATA_LOSS, "gone")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        [reply async for reply in method(gateway, "Watch", "unary_stream")(named(gateway, "a"))]
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.DATA_LOSS, "gone")


@pytest.mark.parametrize(
    "path",
    [
        f"{EVERYTHING}Secret",
        f"{EVERYTHING}Nope",
        "/crm.nope.v1.NopeService/Get",
        "/crm.chassis.v1.EventLogService/ReadEvents",
    ],
)
async def test_internal_and_unknown_methods_are_unimplemented_alike(gateway: Running, path: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await gateway.grpc.unary_unary(path)(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert gateway.world.seen == []


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED])
async def test_a_call_whose_answer_was_lost_is_unavailable_and_says_that_it_may_have_been_executed(
    gateway: Running, code: grpc.StatusCode
) -> None:
    gateway.world.fail("QualifyLead", code, "Socket closed")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await leads_pb2_grpc.LeadServiceStub(gateway.grpc).QualifyLead(leads_pb2.QualifyLeadRequest(name="leads/1"))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert error_info(caught.value).reason == "ANSWER_LOST"


async def test_a_call_that_never_left_is_unavailable_and_says_that_nothing_was_done(gateway: Running) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await gateway.grpc.unary_unary("/crm.sales.v1.SalesService/ListAccounts")(b"")
    assert error_info(caught.value).reason == "SERVICE_AWAY"
    assert "127.0.0.1" not in caught.value.details()  # the address stays secret


def error_info(error: grpc.aio.AioRpcError) -> error_details_pb2.ErrorInfo:
    raw = dict(error.trailing_metadata())["grpc-status-details-bin"]
    return error_details_pb2.ErrorInfo.FromString(status_pb2.Status.FromString(raw).details[0].value)


async def test_a_service_that_is_not_configured_is_unavailable(gateway: Running) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await gateway.grpc.unary_unary("/crm.marketing.v1.MarketingService/ListChannels")(b"")
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "UPSTREAM_MARKETING" in caught.value.details()


@pytest.mark.parametrize(("name", "passes"), [("CreateLead", False), ("ImportLeads", True)])
async def test_only_bulk_methods_take_more_than_the_message_limit(gateway: Running, name: str, passes: bool) -> None:
    call = gateway.grpc.unary_unary(f"/crm.leads.v1.LeadService/{name}")
    lead = leads_pb2.Lead(note="x" * (limits.MESSAGE_BYTES + 1))
    message = leads_pb2.ImportLeadsRequest(leads=[lead]) if passes else leads_pb2.CreateLeadRequest(lead=lead)
    if passes:
        await call(message.SerializeToString())
        return
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(message.SerializeToString())
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_caller_who_cancels_cancels_the_services_work(gateway: Running) -> None:
    arrived, cancelled = asyncio.Event(), asyncio.Event()

    async def wait(request: Any, context: grpc.aio.ServicerContext) -> None:
        arrived.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    gateway.world.replies["GetLead"] = wait
    call = leads_pb2_grpc.LeadServiceStub(gateway.grpc).GetLead(leads_pb2.GetLeadRequest())
    await arrived.wait()
    call.cancel()
    await asyncio.wait_for(cancelled.wait(), 5)


async def ask(gateway: Running, **question: Any) -> Any:
    async def requests() -> AsyncIterator[Any]:
        yield reflection_pb2.ServerReflectionRequest(**question)

    stub = reflection_pb2_grpc.ServerReflectionStub(gateway.grpc)
    [reply] = [reply async for reply in stub.ServerReflectionInfo(requests())]
    return reply


async def test_reflection_lists_the_public_services_only(gateway: Running) -> None:
    names = {service.name for service in (await ask(gateway, list_services="")).list_services_response.service}
    assert {"crm.leads.v1.LeadService", "grpc.health.v1.Health"} <= names
    assert "crm.chassis.v1.EventLogService" not in names


async def test_reflection_describes_public_methods_and_no_internal_one(gateway: Running) -> None:
    reply = await ask(gateway, file_containing_symbol="crm.everything.v1.EverythingService")
    described = b"".join(reply.file_descriptor_response.file_descriptor_proto)
    assert b"GetShelf" in described
    assert b"Secret" not in described


async def test_health_is_the_gateways_own_or_that_of_the_service_asked_for(gateway: Running) -> None:
    stub = health_pb2_grpc.HealthStub(gateway.grpc)
    assert (await stub.Check(health_pb2.HealthCheckRequest())).status == health_pb2.HealthCheckResponse.SERVING
    # The services of these tests have no health to answer with.
    leads = await stub.Check(health_pb2.HealthCheckRequest(service="crm.leads.v1.LeadService"))
    assert leads.status == health_pb2.HealthCheckResponse.NOT_SERVING
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Check(health_pb2.HealthCheckRequest(service="nope"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
