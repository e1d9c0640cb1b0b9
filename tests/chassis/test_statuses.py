"""Errors over the wire: what one process raises, the next one understands."""

import grpc
import grpc.aio
import pytest
from chassis.errors import DatabaseAway, InvalidFields, RecordNotFound, ResourceExhausted, StaleEtag
from chassis.statuses import from_call, to_status
from crm.leads.v1 import leads_pb2
from google.rpc import error_details_pb2, status_pb2


class Answered(grpc.RpcError):
    """A call that ended with this status, as grpc hands it to the caller."""

    def __init__(self, status: grpc.Status) -> None:
        self._status = status

    def code(self):
        return self._status.code

    def details(self):
        return self._status.details

    def trailing_metadata(self):
        return self._status.trailing_metadata


def sent(error):
    return from_call(Answered(to_status(error)))


def details(error):
    status = status_pb2.Status.FromString(dict(to_status(error).trailing_metadata)["grpc-status-details-bin"])
    return {item.type_url.rpartition(".")[2]: item.value for item in status.details}


@pytest.mark.parametrize("error", [RecordNotFound(name="leads/1"), StaleEtag(name="leads/1"), DatabaseAway()])
def test_code_reason_and_metadata_arrive(error):
    arrived = sent(error)
    assert arrived.code == error.code
    assert arrived.metadata == {**error.metadata, "reason": error.reason}


def test_violations_arrive_with_their_fields():
    arrived = sent(InvalidFields(("lead.email", "is no address"), ("lead.phone", "is no number")))
    assert isinstance(arrived, InvalidFields)
    assert arrived.violations == [("lead.email", "is no address"), ("lead.phone", "is no number")]


def test_the_domain_of_every_reason_is_crm():
    info = error_details_pb2.ErrorInfo.FromString(details(StaleEtag())["ErrorInfo"])
    assert (info.reason, info.domain) == ("STALE_ETAG", "crm")


@pytest.mark.parametrize("error", [DatabaseAway(), ResourceExhausted()])
def test_what_may_pass_says_when_to_try_again(error):
    retry = error_details_pb2.RetryInfo.FromString(details(error)["RetryInfo"])
    assert retry.retry_delay.seconds == 1


def test_what_stays_wrong_does_not_ask_to_be_repeated():
    assert "RetryInfo" not in details(StaleEtag())


def test_a_plain_grpc_error_keeps_its_code_and_words():
    nothing = grpc.aio.Metadata()
    arrived = from_call(grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, nothing, nothing, details="gone"))
    assert (arrived.code, arrived.metadata) == ("UNAVAILABLE", {"detail": "gone"})


def test_what_a_caller_sent_is_told_back_only_in_part():
    status = to_status(RecordNotFound(name="线" * 5000))
    assert sum(len(value) for _, value in status.trailing_metadata) + 3 * len(status.details.encode()) < 8000


async def test_a_thousand_violations_are_told_as_far_as_a_header_can_hold_them(leads):
    labels = {f"{number}{'k' * 64}": "v" * 300 for number in range(1000)}
    request = leads_pb2.CreateLeadRequest(lead=leads_pb2.Lead(display_name="Ana", labels=labels))
    with pytest.raises(InvalidFields) as refused:
        await leads.call("LeadService/CreateLead", request)
    assert refused.value.violations
