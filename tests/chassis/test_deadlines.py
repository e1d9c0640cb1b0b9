"""Deadlines: a call that cannot be finished in time is refused or told to be late, by name; nothing is half done."""

import asyncio

import pytest
from chassis.errors import CrmError, DeadlineExceeded, InvalidArgument
from chassis.values import new_id
from crm.leads.v1 import leads_pb2
from harness import until
from lead_calls import Locked, create, listed, log_call, read


async def test_less_than_a_tenth_of_a_second_is_refused_at_once(leads):
    with pytest.raises(DeadlineExceeded):
        await read(leads, f"leads/{new_id()}", timeout=0.09)


async def test_a_call_without_a_deadline_is_answered(leads):
    lead = await create(leads)
    assert await read(leads, lead.name, timeout=None) == lead


async def test_a_late_call_is_told_by_name_before_its_caller_gives_up(leads):
    lead = await create(leads)
    async with Locked(leads):
        with pytest.raises(DeadlineExceeded) as late:
            await read(leads, lead.name, timeout=0.4)
    assert late.value.metadata["reason"] == "CALL_TOO_LATE"
    assert late.value.metadata["method"] == "crm.leads.v1.LeadService/GetLead"


async def test_a_late_write_leaves_nothing_and_can_be_repeated(leads):
    lead, request_id = await create(leads), new_id()
    request = leads_pb2.LogCallRequest(name=lead.name, request_id=request_id)
    async with Locked(leads):
        with pytest.raises(DeadlineExceeded):
            await leads.call("LeadService/LogCall", request, timeout=0.4)
    await log_call(leads, lead.name, request_id=request_id)
    assert (await read(leads, lead.name)).call_count == 1


async def test_connections_of_late_calls_are_given_back(leads):
    lead = await create(leads)
    async with Locked(leads):
        calls = [read(leads, lead.name, timeout=0.4) for _ in range(20)]  # more than the pool holds
        answers = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(answer, CrmError) for answer in answers)

    async def answers_again():
        return await read(leads, lead.name) == lead

    assert await until(answers_again, "the pool has connections again")


async def test_a_list_that_takes_two_seconds_asks_for_a_better_filter(leads):
    async with Locked(leads):
        with pytest.raises(InvalidArgument) as broad:
            await listed(leads)
    assert broad.value.metadata["reason"] == "FILTER_TOO_BROAD"
