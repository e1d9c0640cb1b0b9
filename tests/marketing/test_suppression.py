"""Suppressed addresses: known by a keyed hash only."""

import pytest
from chassis.errors import FailedPrecondition, InvalidFields, PermissionDenied
from crm.marketing.v1 import marketing_pb2

Reason = marketing_pb2.Suppression.Reason
EMAIL = "Лина@пример.bg"


async def suppress(marketing, email=EMAIL, reason="UNSUBSCRIBED"):
    request = marketing_pb2.SuppressAddressRequest(email=email, reason=reason)
    return await marketing.call("MarketingService/SuppressAddress", request)


async def reasons(marketing, *emails):
    request = marketing_pb2.CheckSuppressionsRequest(emails=emails)
    answer = await marketing.call("MarketingService/CheckSuppressions", request)
    return [Reason.Name(one.reason) if one.suppressed else "" for one in answer.results]


async def test_a_suppressed_address_is_recognised_in_any_case_and_stored_nowhere(marketing):
    await suppress(marketing)
    assert await reasons(marketing, EMAIL.upper(), "other@example.com") == ["UNSUBSCRIBED", ""]
    for row in await marketing.rows("SELECT s::text AS said FROM suppressions s"):
        assert "лина" not in row["said"].lower()
    for row in await marketing.rows("SELECT payload FROM outbox WHERE subject LIKE 'suppressions/%'"):
        assert EMAIL.encode() not in row["payload"]


async def test_the_first_reason_stays(marketing):
    first = await suppress(marketing, "first@example.com", "COMPLAINT")
    again = await suppress(marketing, "FIRST@example.com", "MANUAL")
    assert (again.name, Reason.Name(again.reason)) == (first.name, "COMPLAINT")
    assert await marketing.events(first.name) == ["AddressSuppressed"]


async def test_a_suppression_is_lifted_once_and_can_return(marketing):
    made = await suppress(marketing, "back@example.com")
    lift = marketing_pb2.LiftSuppressionRequest(name=made.name)
    lifted = await marketing.call("MarketingService/LiftSuppression", lift)
    assert lifted.HasField("lift_time")
    assert await reasons(marketing, "back@example.com") == [""]
    with pytest.raises(FailedPrecondition):
        await marketing.call("MarketingService/LiftSuppression", lift)
    await suppress(marketing, "back@example.com", "BOUNCED")
    assert await reasons(marketing, "back@example.com") == ["BOUNCED"]


async def test_suppressions_are_listed_by_reason(marketing):
    made = await suppress(marketing, "listed@example.com", "BOUNCED")
    request = marketing_pb2.ListSuppressionsRequest(filter="reason = BOUNCED")
    page = await marketing.call("MarketingService/ListSuppressions", request)
    assert made.name in [one.name for one in page.suppressions]


@pytest.mark.parametrize(("email", "reason"), [("nobody", "MANUAL"), ("a@b.example", "REASON_UNSPECIFIED")])
async def test_what_is_no_address_or_no_reason_is_refused(marketing, email, reason):
    with pytest.raises(InvalidFields):
        await suppress(marketing, email, reason)


async def test_not_everybody_may_suppress(marketing):
    request = marketing_pb2.SuppressAddressRequest(email=EMAIL, reason="MANUAL")
    with pytest.raises(PermissionDenied):
        await marketing.call("MarketingService/SuppressAddress", request, by="users/ana")
