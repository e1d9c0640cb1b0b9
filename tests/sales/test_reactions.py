"""What sales does about leads, contracts and cases."""

from datetime import UTC, datetime, timedelta

import pytest
from chassis.errors import InvalidFields
from chassis.values import new_id
from crm.contracts.v1 import contracts_pb2
from crm.contracts.v1 import events_pb2 as contracts_events
from crm.leads.v1 import events_pb2 as leads_events
from crm.leads.v1 import leads_pb2
from crm.sales.v1 import sales_pb2
from crm.service_desk.v1 import events_pb2 as service_desk_events
from crm.service_desk.v1 import service_desk_pb2

ASSIGNED = datetime(2017, 11, 3, 9, tzinfo=UTC)


def lead(owner="users/ana", team="teams/north"):
    name, journey = f"leads/{new_id()}", new_id()
    return leads_pb2.Lead(name=name, display_name="Ida", owner=owner, team=team, journey_id=journey)


def about(event, of, version, at=ASSIGNED):
    """An event about a lead at that version of it."""
    of.etag = str(version)
    made = event(lead=of)
    made.event_time.FromDatetime(at)
    return made


def assigned(of, owner, team="teams/north", version=1):
    of.owner, of.team = owner, team
    return about(leads_events.LeadAssigned, of, version)


async def follow_ups(sales, of):
    rows = await sales.rows("SELECT * FROM activities WHERE subject = $1 ORDER BY create_time, id", of.name)
    return [(row["owner"], row["state"]) for row in rows]


async def test_the_assignee_of_a_new_lead_is_to_call_it_within_a_day(sales):
    new = lead()
    await sales.react(assigned(new, "users/ana"))
    (row,) = await sales.rows("SELECT * FROM activities WHERE subject = $1", new.name)
    assert (row["owner"], row["team"], row["kind"], row["state"]) == ("users/ana", "teams/north", "CALL", "PLANNED")
    assert row["due_time"] == ASSIGNED + timedelta(days=1)
    assert str(row["journey_id"]) == new.journey_id
    assert await sales.events(f"activities/{row['id']}") == ["ActivityPlanned"]


async def test_the_outbox_row_of_a_follow_up_carries_the_journey_of_the_lead(sales):
    new = lead()
    await sales.react(assigned(new, "users/ana"))
    rows = await sales.rows(
        "SELECT o.journey_id FROM outbox o JOIN activities a ON o.subject = 'activities/' || a.id WHERE a.subject = $1",
        new.name,
    )
    assert [str(row["journey_id"]) for row in rows] == [new.journey_id]


async def test_an_assignment_that_arrives_twice_plans_one_call(sales):
    new, event_id = lead(), new_id()
    event = assigned(new, "users/ana")
    assert await sales.react(event, id=event_id)
    assert not await sales.react(event, id=event_id)
    assert await follow_ups(sales, new) == [("users/ana", "PLANNED")]


async def test_a_lead_given_to_somebody_else_takes_the_call_along(sales):
    new = lead()
    await sales.react(assigned(new, "users/ana", version=1))
    await sales.react(assigned(new, "users/boris", version=2))
    assert await follow_ups(sales, new) == [("users/ana", "CANCELLED"), ("users/boris", "PLANNED")]


async def test_a_lead_given_to_the_same_person_again_asks_for_one_call(sales):
    new = lead()
    await sales.react(assigned(new, "users/ana", version=1))
    await sales.react(assigned(new, "users/ana", version=2))
    assert await follow_ups(sales, new) == [("users/ana", "PLANNED")]


async def test_an_assignment_that_was_overtaken_asks_nobody_for_anything(sales):
    new = lead()
    await sales.react(assigned(new, "users/boris", version=2))
    await sales.react(assigned(new, "users/ana", version=1))
    assert await follow_ups(sales, new) == [("users/boris", "PLANNED")]


ENDS = [
    (leads_events.LeadDisqualified, "CANCELLED"),
    (leads_events.LeadNurtured, "CANCELLED"),
    (leads_events.LeadRejected, "CANCELLED"),
    (leads_events.LeadRecycled, "CANCELLED"),
    (leads_events.LeadConverted, "DONE"),
]


@pytest.mark.parametrize(("end", "state"), ENDS)
async def test_the_call_ends_with_the_lead(sales, end, state):
    new = lead()
    await sales.react(assigned(new, "users/ana", version=1))
    await sales.react(about(end, new, 3))
    assert await follow_ups(sales, new) == [("users/ana", state)]


@pytest.mark.parametrize(("end", "state"), ENDS)
async def test_a_lead_whose_end_was_heard_of_first_is_not_called(sales, end, state):
    new = lead()
    await sales.react(about(end, new, 3))
    await sales.react(assigned(new, "users/ana", version=1))
    assert await follow_ups(sales, new) == []


@pytest.mark.parametrize("back", [leads_events.LeadWoken, leads_events.LeadReopened])
async def test_a_lead_that_comes_back_is_to_be_called_again(sales, back):
    new = lead()
    await sales.react(assigned(new, "users/ana", version=1))
    await sales.react(about(leads_events.LeadNurtured, new, 2))
    await sales.react(about(back, new, 3))
    assert await follow_ups(sales, new) == [("users/ana", "CANCELLED"), ("users/ana", "PLANNED")]


async def test_a_lead_that_comes_back_to_nobody_is_nobodys_to_call(sales):
    new = lead(owner="")
    await sales.react(about(leads_events.LeadWoken, new, 3))
    assert await follow_ups(sales, new) == []


async def test_a_lead_given_to_somebody_in_its_sleep_is_not_called_yet(sales):
    new = lead()
    new.state = leads_pb2.Lead.NURTURING
    await sales.react(assigned(new, "users/ana"))
    assert await follow_ups(sales, new) == []


async def test_a_call_that_was_made_stays_made(sales, service):
    new = lead()
    await sales.react(assigned(new, "users/ana", version=1))
    (row,) = await sales.rows("SELECT id FROM activities WHERE subject = $1", new.name)
    await service.call("CompleteActivity", name=f"activities/{row['id']}", outcome="They want an offer")
    await sales.react(about(leads_events.LeadDisqualified, new, 2))
    assert await follow_ups(sales, new) == [("users/ana", "DONE")]


async def test_what_people_planned_about_a_lead_stays_planned_when_it_ends(sales, service):
    new = lead()
    await sales.react(about(leads_events.LeadCreated, new, 1))
    planned = await service.activity(new.name)
    await sales.react(about(leads_events.LeadDisqualified, new, 2))
    assert (await service.call("GetActivity", name=planned.name)).state == planned.PLANNED


def lead_event():
    return about(leads_events.LeadCreated, lead(), 1)


def contract_event():
    contract = contracts_pb2.Contract(name=f"contracts/{new_id()}", owner="users/ana", journey_id=new_id())
    return contracts_events.ContractDrafted(contract=contract)


def case_event():
    case = service_desk_pb2.Case(name=f"cases/{new_id()}", owner="users/ana", journey_id=new_id())
    return service_desk_events.CaseOpened(case=case)


@pytest.mark.parametrize("make", [lead_event, contract_event, case_event])
async def test_an_activity_about_a_neighbours_record_is_part_of_its_journey(sales, service, make):
    event = make()
    record = getattr(event, event.DESCRIPTOR.fields[0].name)
    with pytest.raises(InvalidFields, match="not known here"):
        await service.activity(record.name)
    await sales.react(event)
    assert (await service.activity(record.name)).journey_id == record.journey_id


async def test_an_activity_is_planned_only_about_a_lead_one_may_see(sales, service):
    new = lead(owner="users/ana")
    await sales.react(about(leads_events.LeadCreated, new, 1))
    assert await service.activity(new.name, by="users/ana")
    with pytest.raises(InvalidFields, match="may not see"):
        await service.activity(new.name, by="users/chen")
    await sales.react(assigned(new, "users/chen", "teams/south", version=2))
    assert await service.activity(new.name, by="users/chen")


def merged(gone, into, owner="users/ana", version=9):
    gone.merged_into, gone.state = into.name, leads_pb2.Lead.MERGED
    event = about(leads_events.LeadMerged, gone, version)
    event.journey_id, event.owner = into.journey_id, owner
    return event


def unmerged(gone, version=10):
    gone.merged_into, gone.state = "", leads_pb2.Lead.ASSIGNED
    return about(leads_events.LeadUnmerged, gone, version)


async def held(sales, *of):
    """All that is kept of the activities about these leads, but for what each change changes."""
    columns = "id, display_name, subject, owner, team, journey_id, state, outcome, close_time, note, merges::text"
    rows = await sales.rows(
        f"SELECT {columns} FROM activities WHERE subject = any($1) ORDER BY id", [one.name for one in of]
    )
    return [tuple(row) for row in rows]


async def planned_about(sales, of):
    activity = {"display_name": "Visit", "subject": of.name, "due_time": {"seconds": 1_900_000_000}}
    request = sales_pb2.CreateActivityRequest(activity=activity | {"expected_outcome": "A look at the ovens"})
    return await sales.call("SalesService/CreateActivity", request, by="users/root")


async def test_activities_go_along_with_a_merged_lead_and_come_back(sales):
    stays, gone = lead(), lead()
    for one in (stays, gone):
        await sales.react(assigned(one, "users/ana"))
    visit = await planned_about(sales, gone)
    before = await held(sales, stays, gone)
    await sales.react(merged(gone, stays))
    assert await held(sales, gone) == []
    assert {str(row[5]) for row in await held(sales, stays)} == {stays.journey_id}
    assert sorted(state for _, state in await follow_ups(sales, stays)) == ["CANCELLED", "PLANNED", "PLANNED"]
    assert (await sales.events(visit.name))[-1] == "ActivityUpdated"
    await sales.react(unmerged(gone))
    assert await held(sales, stays, gone) == before


async def test_the_call_of_a_lead_that_nobody_else_had_stays_to_be_made(sales):
    stays, gone = lead(owner=""), lead()
    await sales.react(assigned(gone, "users/ana"))
    await sales.react(merged(gone, stays, owner="users/ana"))
    assert await follow_ups(sales, stays) == [("users/ana", "PLANNED")]


async def test_an_assignment_told_late_plans_no_call_with_a_merged_lead(sales):
    stays, gone = lead(), lead()
    await sales.react(merged(gone, stays))
    await sales.react(assigned(gone, "users/ana", version=2))
    assert await follow_ups(sales, gone) == []


async def test_nothing_is_planned_about_a_lead_that_was_merged(sales):
    stays, gone = lead(), lead()
    await sales.react(merged(gone, stays))
    with pytest.raises(InvalidFields) as refused:
        await planned_about(sales, gone)
    assert stays.name in str(refused.value)
    await sales.react(unmerged(gone))
    assert (await planned_about(sales, gone)).subject == gone.name


async def test_activities_follow_a_lead_that_is_merged_twice_and_come_back_in_turn(sales):
    first, second, third = lead(), lead(), lead()
    await sales.react(assigned(first, "users/ana"))
    before = await held(sales, first)
    await sales.react(merged(first, second))
    between = await held(sales, second)
    await sales.react(merged(second, third))
    assert await held(sales, first, second) == []
    await sales.react(unmerged(second))
    assert await held(sales, second) == between
    await sales.react(unmerged(first))
    assert await held(sales, first) == before
