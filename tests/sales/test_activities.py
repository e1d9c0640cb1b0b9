"""Activities over gRPC: planned, changed, done, cancelled."""

import pytest
from chassis.errors import FailedPrecondition, InvalidFields, NotFound
from chassis.values import new_id


async def test_an_activity_is_part_of_its_subjects_journey(service):
    account = await service.account()
    deal, contact = await service.deal(account.name), await service.contact(account.name)
    for subject in (account, deal, contact):
        made = await service.activity(subject.name, kind="VISIT")
        assert (made.journey_id, made.state, made.kind) == (account.journey_id, made.PLANNED, made.VISIT)
    assert await service.events(made.name) == ["ActivityPlanned"]


async def test_an_activity_of_no_kind_is_a_task_of_its_planner(service):
    account = await service.account(by="users/ana")
    made = await service.activity(account.name, by="users/ana")
    assert (made.kind, made.owner, made.team) == (made.TASK, "users/ana", "teams/north")


@pytest.mark.parametrize("collection", ["accounts", "contacts", "opportunities", "leads", "contracts", "cases"])
async def test_an_activity_is_about_something_there_is(service, collection):
    for name in (f"{collection}/{new_id()}", f"{collection}/{'-' * 36}"):
        with pytest.raises(InvalidFields) as refused:
            await service.activity(name)
        assert refused.value.violations[0][0] == "activity.subject"


async def test_an_agent_plans_about_an_account_the_agent_may_read(service):
    account = await service.account(owner="users/ana")
    assert (await service.activity(account.name, by="users/dora")).owner == "users/dora"


async def test_an_activity_needs_an_expected_outcome_and_a_date(service):
    account = await service.account()
    with pytest.raises(InvalidFields, match="expected_outcome"):
        await service.activity(account.name, expected_outcome="")
    with pytest.raises(InvalidFields, match="due_time"):
        await service.activity(account.name, due_time=None)


async def test_a_planned_activity_is_changed_and_takes_the_journey_of_its_new_subject(service):
    one, two = await service.account(), await service.account()
    made = await service.activity(one.name)
    given = {"name": made.name, "subject": two.name, "owner": "users/chen", "kind": "MEETING"}
    changed = await service.call("UpdateActivity", activity=given)
    assert (changed.journey_id, changed.team, changed.kind) == (two.journey_id, "teams/south", changed.MEETING)
    assert await service.events(made.name) == ["ActivityPlanned", "ActivityUpdated"]


async def test_a_done_activity_tells_what_came_of_it_and_when(service):
    made = await service.activity((await service.account()).name)
    done = await service.call(
        "CompleteActivity", name=made.name, outcome="They asked for a quote", complete_time={"seconds": 1_000_000_000}
    )
    assert (done.state, done.outcome, done.close_time.seconds) == (done.DONE, "They asked for a quote", 1_000_000_000)
    assert await service.events(made.name) == ["ActivityPlanned", "ActivityCompleted"]


async def test_a_cancelled_activity_is_not_done(service):
    made = await service.activity((await service.account()).name)
    cancelled = await service.call("CancelActivity", name=made.name, note="They closed the shop")
    assert cancelled.state == cancelled.CANCELLED
    assert cancelled.HasField("close_time")
    assert await service.events(made.name) == ["ActivityPlanned", "ActivityCancelled"]


CLOSED = {
    "CompleteActivity": lambda name: {"name": name, "outcome": "Again"},
    "CancelActivity": lambda name: {"name": name},
    "UpdateActivity": lambda name: {"activity": {"name": name, "expected_outcome": "Less"}},
}


@pytest.mark.parametrize("method", CLOSED)
async def test_a_closed_activity_is_history(service, method):
    made = await service.activity((await service.account()).name)
    await service.call("CompleteActivity", name=made.name, outcome="Done")
    with pytest.raises(FailedPrecondition, match="DONE"):
        await service.call(method, **CLOSED[method](made.name))


async def test_activities_are_found_by_what_the_contract_names(service):
    account = await service.account()
    made = await service.activity(account.name, kind="EMAIL", owner="users/chen", due_time={"seconds": 1_800_000_000})
    later = await service.activity(account.name)
    subject = f'subject = "{account.name}"'
    for asked in ("kind = EMAIL", "owner = users/chen AND team = teams/south", "due_time < 2028-01-01T00:00:00Z"):
        page = await service.call("ListActivities", filter=f"{subject} AND state = PLANNED AND {asked}")
        assert [item.name for item in page.activities] == [made.name]
    page = await service.call("ListActivities", filter=f"journey_id = {account.journey_id}")
    assert [item.name for item in page.activities] == [later.name, made.name]


async def test_a_colleagues_activity_is_not_seen(service):
    made = await service.activity((await service.account(owner="users/ana")).name, by="users/ana")
    assert await service.call("GetActivity", by="users/ana", name=made.name) == made
    with pytest.raises(NotFound):
        await service.call("GetActivity", by="users/chen", name=made.name)
