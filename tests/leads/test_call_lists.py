"""Call lists over gRPC on a real database: kept, and filled with whom may be called."""

import asyncio

import pytest
from call_list_calls import ROOT, SARA, SDRS, a_list, call, entry_of, fill, lead, left_out, limits, verb
from chassis.errors import FailedPrecondition, InvalidArgument, InvalidFields, PermissionDenied
from chassis.values import new_id
from crm.leads.v1 import call_lists_pb2 as pb
from crm.leads.v1 import (
    interactions_pb2,
    segments_pb2,
)
from harness import PEOPLE, start
from lead_calls import a_channel


@pytest.fixture(scope="module")
async def desk(backend, issuer):
    running = await start("leads", backend, issuer, [*PEOPLE, *SDRS])
    yield running
    await running.stop()


async def test_a_list_is_kept_changed_paused_resumed_and_closed(desk):
    made = await a_list(desk, script="Добър ден!", callers=["teams/north", SARA])
    assert (made.most_attempts, made.lease_minutes, made.state) == (5, 15, pb.CallList.ACTIVE)
    assert await call(desk, "GetCallList", by=SARA, name=made.name) == made
    changed = await call(desk, "UpdateCallList", callList={"name": made.name, "script": "您好"})
    assert (changed.script, changed.display_name) == ("您好", made.display_name)
    for name, state in (("Pause", pb.CallList.PAUSED), ("Resume", pb.CallList.ACTIVE), ("Close", pb.CallList.CLOSED)):
        assert (await call(desk, f"{name}CallList", name=made.name)).state == state
    for name in ("Pause", "Resume", "Close"):
        with pytest.raises(FailedPrecondition):
            await call(desk, f"{name}CallList", name=made.name)
    with pytest.raises(FailedPrecondition):
        await call(desk, "UpdateCallList", callList={"name": made.name, "script": "?"})
    with pytest.raises(FailedPrecondition):
        await call(desk, "FillCallList", name=made.name, filter="state = NEW")
    assert made.name in [one.name for one in (await call(desk, "ListCallLists", filter="state = CLOSED")).call_lists]
    kinds = ("Created", "Updated", "Paused", "Resumed", "Closed")
    assert await desk.events(made.name) == [f"CallList{kind}" for kind in kinds]


@pytest.mark.parametrize(
    "wrong",
    [
        {"calendar": "calendars/nowhere"}, {"callers": ["users/nobody"]},
        {"hours": [{"start": "09:00", "end": "18:00"}]},
        {"hours": [{"days": ["MONDAY"], "start": "9", "end": "18:00"}]}, {"mostAttempts": 21},
        {"pauses": [{"disposition": "INTERESTED", "minutes": 5}]}, {"pauses": [{"disposition": "BUSY"}] * 2},
    ],
)  # fmt: skip
async def test_a_list_that_cannot_be_worked_is_refused(desk, wrong):
    with pytest.raises(InvalidArgument):
        await a_list(desk, **wrong)


async def test_who_hands_out_leads_makes_lists_and_who_calls_does_not(desk):
    with pytest.raises(PermissionDenied):
        await call(desk, "CreateCallList", by=SARA, callList={"displayName": "Mine"})
    with pytest.raises(PermissionDenied):
        await call(desk, "NextCall", by="users/marta", name=(await a_list(desk)).name)


# ---- filling


async def test_a_list_is_filled_by_a_filter_a_segment_or_names(desk):
    channel, listed = a_channel(), await a_list(desk)
    made = [await lead(desk, channel=channel) for _ in range(3)]
    asked = {"display_name": new_id(), "filter": f'channel = "{channel}"'}
    request = segments_pb2.CreateLeadSegmentRequest(lead_segment=asked)
    segment = await desk.call("LeadSegmentService/CreateLeadSegment", request, by=ROOT)
    assert (await fill(desk, listed, made[0])).lead_count == 1
    told = await fill(desk, listed, filter=f'channel = "{channel}"')
    assert (told.lead_count, left_out(told)) == (3, {"IN_LIST": 1})
    other = await a_list(desk)
    assert (await fill(desk, other, segment=segment.name)).lead_count == 3
    await lead(desk, channel=channel)  # later: the list is as it was filled
    assert (await call(desk, "GetCallListProgress", name=other.name)).leads == 3
    assert (await desk.events(listed.name))[1:] == ["CallListFilled"] * 2


async def test_many_leads_are_put_in_part_by_part(desk, monkeypatch):
    monkeypatch.setattr("leads.calling.PART", 2)
    channel = a_channel()
    made = [await lead(desk, channel=channel) for _ in range(5)]
    listed = await fill(desk, await a_list(desk), filter=f'channel = "{channel}"')
    assert listed.lead_count == 5
    named = await fill(desk, await a_list(desk), *made)
    assert (named.lead_count, left_out(named)) == (5, {})


async def test_who_may_not_be_called_is_left_out_and_counted_with_the_reason(desk):
    refusing = await lead(desk, do_not_call=True, phone="+359888000111")
    same_number = await lead(desk, phone="0888 000 111", country="BG")
    wrong = await lead(desk, phone="+359888000222")
    await verb(desk, "LogCall", wrong, outcome="WRONG_NUMBER")
    closed, archived = await lead(desk), await lead(desk)
    await verb(desk, "DisqualifyLead", closed, reason="no_budget")
    await verb(desk, "ArchiveLead", archived)
    contacted = await lead(desk)
    request = interactions_pb2.LogInteractionRequest(name=contacted.name, kind="EMAIL")
    await desk.call("InteractionService/LogInteraction", request, by=ROOT)
    beyond, well = await lead(desk, owner="users/dora"), await lead(desk)
    await limits(desk, mostContacts=1, perDays=7)
    try:
        listed = await fill(
            desk, await a_list(desk), refusing, same_number, wrong, closed, archived, contacted, beyond, well,
            await lead(desk, phone=""),
        )  # fmt: skip
    finally:
        await limits(desk, mostContacts=0, perDays=0)
    reasons = {"NOT_FOUND": 1, "CLOSED": 2, "NO_PHONE": 1, "WRONG_NUMBER": 1, "REFUSES_CALLS": 2, "OVER_LIMIT": 1}
    assert (listed.lead_count, left_out(listed)) == (1, reasons)
    assert await entry_of(desk, listed, well)


@pytest.mark.parametrize("wrong", [{}, {"filter": "state = NEW", "leads": [f"leads/{new_id()}"]}, {"filter": "a = 1"},
                                   {"segment": "leadSegments/none"}])  # fmt: skip
async def test_what_does_not_say_which_leads_fills_nothing(desk, wrong):
    listed = await a_list(desk)
    with pytest.raises(InvalidFields):
        await call(desk, "FillCallList", name=listed.name, **wrong)


async def test_two_fillings_at_once_put_a_lead_in_once(desk):
    listed, made = await a_list(desk), [await lead(desk) for _ in range(4)]
    await asyncio.gather(fill(desk, listed, *made), fill(desk, listed, *reversed(made)))
    told = await call(desk, "GetCallList", name=listed.name)
    assert (told.lead_count, left_out(told)) == (4, {"IN_LIST": 4})


# ---- who is next
