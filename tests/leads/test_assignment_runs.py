"""Leads given out in the background, handed over when somebody leaves, and policies tried on leads of the past."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from assignment_desk import CREW, MANAGER, RUN, a_policy, call, create, ended, owners, read
from chassis.errors import FailedPrecondition, InvalidFields, NotFound
from chassis.values import new_id
from crm.leads.v1 import leads_pb2
from harness import PEOPLE, start, until

# ---- hand-over


async def filled(desk, number, owner="users/p0"):
    return [(await create(desk, owner=owner)).name for _ in range(number)]


async def test_leads_are_handed_over_to_a_person_with_a_preview(fresh):
    names = await filled(fresh, 5)
    asked = {"from_person": "users/p0", "to_person": "users/spare"}
    preview = await call(fresh, "HandOverLeads", by=MANAGER, validate_only=True, **asked)
    assert (preview.total, [(one.person, one.number) for one in preview.shares]) == (5, [("users/spare", 5)])
    assert await owners(fresh) == {"users/p0": 5}
    run = await call(fresh, "HandOverLeads", by=MANAGER, **asked)
    done = await ended(fresh, run)
    assert (done.state, done.done) == (RUN.DONE, 5)
    assert await owners(fresh) == {"users/spare": 5}
    assert await fresh.events(run.name) == ["AssignmentRunStarted", "AssignmentRunEnded"]
    assert (await fresh.events(names[0]))[-1] == "LeadAssigned"
    listed = await call(fresh, "ListAssignmentRuns", by=MANAGER)
    assert [one.name for one in listed.assignment_runs] == [run.name]


async def test_leads_are_handed_over_by_a_policy_and_none_comes_back(fresh):
    policy = await a_policy(fresh, active=False)
    await filled(fresh, 40)
    run = await call(fresh, "HandOverLeads", by=MANAGER, from_person="users/p0", policy=policy.name)
    await ended(fresh, run)
    assert await owners(fresh) == dict.fromkeys((f"users/p{number}" for number in range(1, 5)), 10)


async def test_a_filter_says_which_leads_are_handed_over(fresh):
    await create(fresh, owner="users/p0", channel="channels/web")
    await create(fresh, owner="users/p0", channel="channels/fair")
    asked = {"from_person": "users/p0", "to_person": "users/p1", "filter": 'channel = "channels/web"'}
    await ended(fresh, await call(fresh, "HandOverLeads", **asked))
    assert await owners(fresh) == {"users/p0": 1, "users/p1": 1}
    with pytest.raises(InvalidFields):
        await call(fresh, "HandOverLeads", **(asked | {"filter": "phone = 5"}))


@pytest.mark.parametrize("to", ["users/gone", "users/nobody", "users/p0"])
async def test_leads_are_handed_over_to_nobody_who_is_not_there(fresh, to):
    await filled(fresh, 1)
    with pytest.raises(InvalidFields):
        await call(fresh, "HandOverLeads", from_person="users/p0", to_person=to)


async def test_a_hand_over_reaches_no_further_than_whoever_asks(fresh):
    await create(fresh, owner="users/dora")  # of the service team
    await ended(fresh, await call(fresh, "HandOverLeads", by=MANAGER, from_person="users/dora", to_person="users/p1"))
    assert await owners(fresh) == {"users/dora": 1}


async def test_closed_leads_stay_with_whom_they_were(fresh):
    name = (await filled(fresh, 1))[0]
    await fresh.call("LeadService/DisqualifyLead", leads_pb2.DisqualifyLeadRequest(name=name, reason="x"))
    run = await ended(fresh, await call(fresh, "HandOverLeads", from_person="users/p0", to_person="users/p1"))
    assert (run.total, run.done) == (0, 0)
    assert (await read(fresh, name)).owner == "users/p0"


async def test_a_run_goes_on_after_a_restart_and_can_be_ended(fresh, backend, issuer):
    """More leads than a batch: the process that begins dies, another one goes on."""
    first = await start("leads", backend, issuer, [*PEOPLE, *CREW])
    try:
        ids = await fill(first, 1600, owner="users/p0")
        run = await call(first, "HandOverLeads", from_person="users/p0", to_person="users/p1")

        async def begun():
            return (await call(first, "GetAssignmentRun", name=run.name)).done

        await until(begun, "the run has begun")
    finally:
        await first.stop()
    second = await start("leads", backend, issuer, [], database=first.database)
    try:
        done = await ended(second, run)
        assert (done.state, done.done) == (RUN.DONE, len(ids))
        assert await owners(second) == {"users/p1": len(ids)}
        handed = "SELECT count(*) AS n FROM outbox WHERE type LIKE '%LeadAssigned' AND operation = 'assignment'"
        assigned = await second.rows(handed)
        assert assigned[0]["n"] == len(ids)  # each once
        assert await call(second, "CancelAssignmentRun", name=run.name) == done
    finally:
        await second.stop()


async def test_a_run_that_is_ended_leaves_the_rest_where_it_is(fresh):
    await filled(fresh, 3)
    connection = await asyncpg.connect(fresh.database.owner_url)
    try:
        async with connection.transaction():  # another replica is handing out: the run cannot begin
            await connection.execute("SELECT policy FROM assignment_duties FOR UPDATE")
            run = await call(fresh, "HandOverLeads", from_person="users/p0", to_person="users/p1")
            over = await call(fresh, "CancelAssignmentRun", name=run.name)
        assert (over.state, over.reason, over.done) == (RUN.CANCELLED, "users/root ended it", 0)
        assert await owners(fresh) == {"users/p0": 3}
        assert await fresh.events(run.name) == ["AssignmentRunStarted", "AssignmentRunEnded"]
    finally:
        await connection.close()


async def fill(desk, number, **columns):
    """So many copies of one lead, straight into the table; their ids."""
    made = await create(desk, owner=columns.get("owner", ""))
    names = [row["column_name"] for row in await desk.rows(
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'leads'"
    )]  # fmt: skip
    quoted = ", ".join(f'"{name}"' for name in names)
    values = ", ".join("gen_random_uuid()" if name == "id" else f'"{name}"' for name in names)
    copy = f"INSERT INTO leads ({quoted}) SELECT {values} FROM leads, generate_series(2, {number}) WHERE id = $1"
    await desk.rows(copy, made.name.removeprefix("leads/"))
    return [row["id"] for row in await desk.rows("SELECT id FROM leads")]


# ---- simulation


async def test_a_simulation_says_who_would_have_got_what_and_changes_nothing(fresh):
    policy = await a_policy(fresh, {"rule": "even", "people": ["users/p0", "users/p1"]}, active=False)
    await filled(fresh, 10)
    answer = await call(fresh, "SimulateAssignmentPolicy", name=policy.name)
    assert (answer.leads, answer.different, answer.unassigned) == (10, 5, 0)
    assert [(one.person, one.simulated, one.actual) for one in answer.shares] == [
        ("users/p0", 5, 10), ("users/p1", 5, 0),
    ]  # fmt: skip
    assert dict(answer.rules) == {"even": 10}
    assert {(one.actual_owner, one.simulated_owner) for one in answer.differences} == {("users/p0", "users/p1")}
    assert await owners(fresh) == {"users/p0": 10}


async def test_a_simulation_takes_the_leads_of_its_period_only(fresh):
    policy = await a_policy(fresh, active=False)
    now = datetime.now(UTC)
    for days in (1, 40):
        await create(fresh, owner="users/p0", contact_time=now - timedelta(days=days))
    assert (await call(fresh, "SimulateAssignmentPolicy", name=policy.name)).leads == 1
    since = {"start_time": now - timedelta(days=50), "end_time": now - timedelta(days=30)}
    assert (await call(fresh, "SimulateAssignmentPolicy", name=policy.name, **since)).leads == 1


async def test_a_policy_that_is_not_there_is_not_simulated(fresh):
    with pytest.raises(NotFound):
        await call(fresh, "SimulateAssignmentPolicy", name=f"assignmentPolicies/{new_id()}")


async def test_without_a_policy_nothing_is_run(fresh):
    with pytest.raises(FailedPrecondition, match="NO_ACTIVE_POLICY"):
        await call(fresh, "RunAssignment")


async def test_who_may_not_see_a_lead_is_not_told_who_got_it(fresh):
    lead = await create(fresh, owner="users/p0")
    with pytest.raises(NotFound):
        await call(fresh, "ExplainAssignment", by="users/p1", name=lead.name)
