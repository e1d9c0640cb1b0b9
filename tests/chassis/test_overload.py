"""A service that is asked too much, and callers who leave in the middle of a write."""

import asyncio
import uuid

import pytest
from chassis.errors import TooBusy, Unavailable
from crm.leads.v1 import leads_pb2
from harness import until
from lead_calls import Locked

from chassis import rpc


def write(leads, number: int, key: str) -> asyncio.Task:
    request = leads_pb2.CreateLeadRequest(lead=leads_pb2.Lead(display_name=f"Who left {number}"), request_id=key)
    return asyncio.create_task(leads.call("LeadService/CreateLead", request))


async def at_rest(leads) -> None:
    async def nothing_under_way() -> bool:
        return leads.process._edge.under_way == 0

    await until(nothing_under_way, "no call is under way")


async def test_more_calls_than_the_bound_are_told_to_come_back(leads, monkeypatch):
    monkeypatch.setattr(rpc, "MOST_CALLS", 3)

    async def three() -> bool:
        return leads.process._edge.under_way == 3

    async with Locked(leads):
        calls = [write(leads, 1000 + number, str(uuid.uuid4())) for number in range(3)]
        await until(three, "three calls wait")
        with pytest.raises(Unavailable) as refused:
            await write(leads, 1009, str(uuid.uuid4()))
    assert refused.value.metadata["reason"] == TooBusy().reason
    assert len({lead.name for lead in await asyncio.gather(*calls)}) == 3
    await at_rest(leads)


async def test_writes_of_callers_who_left_are_there_whole_or_not_at_all_and_can_be_repeated(leads):
    keys = [str(uuid.uuid4()) for _ in range(40)]

    async def all_there() -> bool:
        return leads.process._edge.under_way == len(keys)

    async with Locked(leads):
        calls = [write(leads, number, key) for number, key in enumerate(keys)]
        await until(all_there, "all calls wait")
        for call in calls[::2]:
            call.cancel()
        await asyncio.wait(calls[::2])
    for call in calls[1::2]:
        call.cancel()  # somewhere between lock, statement, commit and answer
        await asyncio.sleep(0)
    await asyncio.wait(calls[1::2])
    await at_rest(leads)
    names = [f"Who left {number}" for number in range(len(keys))]
    written = await leads.rows(
        "SELECT 'leads/' || id::text AS name, display_name FROM leads WHERE display_name = ANY($1)", names
    )
    requests = await leads.rows("SELECT id FROM request WHERE id = ANY($1::uuid[])", keys)
    events = await leads.rows("SELECT id FROM outbox WHERE subject = ANY($1)", [row["name"] for row in written])
    assert len(written) == len(requests) == len({row["display_name"] for row in written})
    assert len(events) >= len(written)
    again = [await write(leads, n, key) for n, key in enumerate(keys)]
    assert len({lead.name for lead in again}) == len(keys)
    assert {row["name"] for row in written} <= {lead.name for lead in again}
    rows = await leads.rows("SELECT id FROM leads WHERE display_name = ANY($1)", names)
    assert len(rows) == len(keys)
