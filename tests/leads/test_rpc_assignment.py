"""Leads given out by policies, over gRPC on a real database. A service of its own: other tests' leads stay."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from assignment_desk import (
    CREW,
    RUN,
    a_policy,
    call,
    create,
    ended,
    owned,
    owners,
    read,
    tried,
)
from chassis.errors import FailedPrecondition, InvalidFields, NotFound, PermissionDenied
from chassis.values import new_id
from crm.directory.v1 import calendars_pb2
from crm.directory.v1 import events_pb2 as directory_events
from crm.leads.v1 import assignment_pb2, leads_pb2
from crm.sales.v1 import events_pb2 as sales_events
from crm.sales.v1 import sales_pb2
from harness import start, until

# ---- policies


async def test_a_version_is_recorded_with_a_number_and_does_nothing_yet(fresh):
    first, second = [await a_policy(fresh, active=False) for _ in range(2)]
    assert second.number > first.number
    assert not second.active
    assert (await call(fresh, "GetAssignmentPolicy", name=second.name)) == second
    listed = await call(fresh, "ListAssignmentPolicies", page_size=2)
    assert [one.name for one in listed.assignment_policies] == [second.name, first.name]
    made = await create(fresh)
    assert (await read(fresh, made.name)).owner == ""


async def test_a_policy_that_cannot_be_followed_is_refused_with_the_path(fresh):
    odd = {"rule": "x", "teams": ["teams/crew"], "conditions": [{"fact": "COMPANY_SIZE", "any_of": ["big"]}]}
    with pytest.raises(InvalidFields) as refused:
        await a_policy(fresh, odd)
    assert refused.value.violations[0][0] == "assignment_policy.rules[0].conditions[0].fact"


async def test_one_policy_is_active_at_a_time(fresh):
    first = await a_policy(fresh)
    second = await a_policy(fresh)
    assert second.active
    assert not (await call(fresh, "GetAssignmentPolicy", name=first.name)).active
    assert await fresh.events(first.name) == [
        "AssignmentPolicyCreated", "AssignmentPolicyActivated", "AssignmentPolicyDeactivated",
    ]  # fmt: skip
    with pytest.raises(FailedPrecondition):
        await call(fresh, "ActivateAssignmentPolicy", name=second.name)
    with pytest.raises(FailedPrecondition):
        await call(fresh, "DeactivateAssignmentPolicy", name=first.name)


async def test_policies_activated_at_once_leave_one_active(fresh):
    made = [await a_policy(fresh, active=False) for _ in range(6)]
    calls = [call(fresh, "ActivateAssignmentPolicy", name=one.name) for one in made]
    await asyncio.gather(*calls, return_exceptions=True)
    active = await fresh.rows("SELECT id::text AS id FROM assignment_policies WHERE active")
    duty = await fresh.rows("SELECT policy FROM assignment_duties")
    assert [f"assignmentPolicies/{row['id']}" for row in active] == [duty[0]["policy"]]


async def test_who_may_not_configure_makes_no_policy(fresh):
    with pytest.raises(PermissionDenied):
        await call(fresh, "CreateAssignmentPolicy", by="users/ana", assignment_policy={"display_name": "Mine"})


# ---- new leads


async def test_a_new_lead_is_given_to_somebody_and_the_decision_says_why(fresh):
    policy = await a_policy(fresh, {"rule": "pt", "people": ["users/spare"], "conditions": [
        {"fact": "LANGUAGE", "any_of": ["pt"]}, {"fact": "COUNTRY", "none_of": ["PT"]},
    ]}, {"rule": "rest", "teams": ["teams/crew"]})  # fmt: skip
    brazilian = await owned(fresh, (await create(fresh, language="pt-BR", country="br")).name)
    assert (brazilian.owner, brazilian.country) == ("users/spare", "BR")
    other = await owned(fresh, (await create(fresh, language="pt", country="PT")).name)
    assert other.team == "teams/crew"
    told = (await call(fresh, "ExplainAssignment", name=other.name)).decisions[0]
    assert (told.owner, told.policy, told.rule) == (other.owner, policy.name, "rest")
    assert [(one.rule, one.condition) for one in told.passed] == [("pt", 1)]
    verdicts = {one.person: assignment_pb2.AssignmentDecision.Verdict.Name(one.verdict) for one in told.candidates}
    assert verdicts.pop(other.owner) == "CHOSEN"
    assert verdicts.pop("users/gone") == "NOT_ACTIVE"
    assert set(verdicts.values()) == {"OUT_OF_TURN"}
    assert await fresh.events(other.name) == ["LeadCreated", "LeadAssigned"]


async def test_a_lead_made_with_an_owner_stays_with_them(fresh):
    await a_policy(fresh)
    mine = await create(fresh, owner="users/ana")
    await owned(fresh, (await create(fresh)).name)
    assert (await read(fresh, mine.name)).owner == "users/ana"


async def test_leads_made_at_once_are_spread_evenly(fresh):
    await a_policy(fresh)
    made = await asyncio.gather(*(create(fresh) for _ in range(200)))
    for lead in made:
        await owned(fresh, lead.name)
    assert sorted((await owners(fresh)).values()) == [40] * 5


async def test_two_replicas_that_make_leads_at_once_go_beyond_nobodys_capacity(fresh, backend, issuer):
    second = await start("leads", backend, issuer, [], database=fresh.database)
    try:
        for one in CREW:
            name = one.name.replace("users", "assignees")
            await call(fresh, "UpdateAssignee", assignee={"name": name, "daily_capacity": 7})
        await a_policy(fresh)
        made = await asyncio.gather(*(create(one) for _ in range(30) for one in (fresh, second)))
        for lead in made:
            await tried(fresh, lead.name)
        assert await owners(fresh) == {**{one.name: 7 for one in CREW}, "": 25}
    finally:
        await second.stop()


async def test_a_lead_that_nobody_can_take_waits_and_is_tried_again_when_somebody_can(fresh):
    await call(fresh, "UpdateAssignee", assignee={"name": "assignees/p0", "daily_capacity": 1})
    await a_policy(fresh, {"rule": "one", "people": ["users/p0"]})
    first, second = await create(fresh), await create(fresh)
    assert (await owned(fresh, first.name)).owner == "users/p0"
    waiting = await tried(fresh, second.name)
    assert (waiting[0].owner, waiting[0].candidates[0].verdict) == ("", assignment_pb2.AssignmentDecision.DAY_FULL)
    await call(fresh, "UpdateAssignee", assignee={"name": "assignees/p0", "daily_capacity": 2})
    assert (await owned(fresh, second.name)).owner == "users/p0"
    assert [one.owner for one in (await call(fresh, "ExplainAssignment", name=second.name)).decisions] == ["users/p0"]


async def test_leads_from_before_an_activation_wait_for_a_run(fresh):
    old = await create(fresh)
    await a_policy(fresh)
    await owned(fresh, (await create(fresh)).name)
    assert (await read(fresh, old.name)).owner == ""
    preview = await call(fresh, "RunAssignment", validate_only=True)
    assert (preview.name, preview.total, preview.done, len(preview.shares)) == ("", 1, 1, 1)
    assert (await read(fresh, old.name)).owner == ""
    done = await ended(fresh, await call(fresh, "RunAssignment"))
    assert (done.state, done.total, done.done, done.left) == (RUN.DONE, 1, 1, 0)
    assert (await read(fresh, old.name)).owner == done.shares[0].person == preview.shares[0].person


async def test_a_lead_somebody_rejected_goes_to_another(fresh):
    await a_policy(fresh, {"rule": "two", "people": ["users/p0", "users/p1"]})
    lead = await owned(fresh, (await create(fresh)).name)
    rejected = f"UPDATE leads SET owner = '', state = 'NEW', rejected_by = '[\"{lead.owner}\"]' WHERE id = $1"
    await fresh.rows(rejected, lead.name.removeprefix("leads/"))
    again = await owned(fresh, lead.name)
    assert {lead.owner, again.owner} == {"users/p0", "users/p1"}


async def test_a_deactivated_person_gets_nothing_whatever_the_rule_says(fresh):
    for strategy in ("EVEN", "WEIGHTED", "LEAST_LOADED", "ROUND_ROBIN"):
        await a_policy(fresh, {"rule": "x", "people": ["users/gone", "users/p0"], "strategy": strategy})
        assert (await owned(fresh, (await create(fresh)).name)).owner == "users/p0"
    await a_policy(fresh, {"rule": "x", "people": ["users/gone"]})
    lead = await create(fresh)
    await tried(fresh, lead.name)
    assert (await read(fresh, lead.name)).owner == ""


# ---- people


async def test_whoever_was_never_configured_takes_leads_without_limit(fresh):
    found = await call(fresh, "GetAssignee", name="assignees/p3")
    assert (found.daily_capacity, found.monthly_capacity, found.paused) == (0, 0, False)
    with pytest.raises(NotFound):
        await call(fresh, "GetAssignee", name="assignees/nobody")
    with pytest.raises(NotFound):
        await call(fresh, "UpdateAssignee", assignee={"name": "assignees/nobody", "paused": True})


async def test_what_somebody_can_take_is_kept_and_told(fresh):
    said = await call(fresh, "UpdateAssignee", assignee={"name": "assignees/p1", "monthly_capacity": 30})
    assert await call(fresh, "GetAssignee", name="assignees/p1") == said
    assert [one.name for one in (await call(fresh, "ListAssignees")).assignees] == ["assignees/p1"]
    assert (await fresh.events("assignees/p1"))[-1] == "AssigneeUpdated"


async def test_somebody_who_pauses_is_passed_over_in_their_teams_turn(fresh):
    await call(fresh, "UpdateAssignee", assignee={"name": "assignees/p0", "paused": True})
    seen = set()
    for _ in range(6):
        request = leads_pb2.AssignLeadRequest(name=(await create(fresh)).name, team="teams/crew")
        seen.add((await fresh.call("LeadService/AssignLead", request, by="users/root")).owner)
    assert seen == {"users/p1", "users/p2", "users/p3", "users/p4"}


# ---- the account's owner


def account(event=sales_events.AccountCreated, **fields):
    known = {"name": f"accounts/{new_id()}", "display_name": "Padaria São João", "owner": "users/p2"}
    return event(account=sales_pb2.Account(**(known | fields)))


async def test_a_lead_of_a_customer_goes_to_whoever_has_the_account(fresh):
    await fresh.react(account(etag="1"))
    await a_policy(fresh, {"rule": "theirs", "strategy": "ACCOUNT_OWNER"}, {"rule": "rest", "people": ["users/p0"]})
    assert (await owned(fresh, (await create(fresh, company="PADARIA  são joão")).name)).owner == "users/p2"
    assert (await owned(fresh, (await create(fresh, company="Пекарна")).name)).owner == "users/p0"


async def test_an_account_that_changed_hands_or_was_archived_is_known_as_it_is_now(fresh):
    made = account(display_name="面包店", etag="1")
    await fresh.react(made)
    changed = {"name": made.account.name, "display_name": "面包店"}
    await fresh.react(account(sales_events.AccountUpdated, **changed, owner="users/p3", etag="2"))
    await a_policy(fresh, {"rule": "theirs", "strategy": "ACCOUNT_OWNER"}, {"rule": "rest", "people": ["users/p0"]})
    assert (await owned(fresh, (await create(fresh, company="面包店")).name)).owner == "users/p3"
    archived = {"owner": "users/p3", "etag": "3", "archive_time": datetime.now(UTC)}
    await fresh.react(account(sales_events.AccountArchived, **changed, **archived))
    assert (await owned(fresh, (await create(fresh, company="面包店")).name)).owner == "users/p0"


async def test_two_accounts_of_one_name_and_two_people_say_nothing(fresh):
    for owner in ("users/p1", "users/p2"):
        await fresh.react(account(display_name="Bäckerei", owner=owner, etag="1"))
    await a_policy(fresh, {"rule": "theirs", "strategy": "ACCOUNT_OWNER"}, {"rule": "rest", "people": ["users/p0"]})
    assert (await owned(fresh, (await create(fresh, company="bäckerei")).name)).owner == "users/p0"


async def on_leave(desk, person, number=1, state="RECORDED"):
    now = datetime.now(UTC)
    absence = calendars_pb2.Absence(
        name=f"absences/{person.removeprefix('users/')}", owner=person, state=state,
        away_start_time=now - timedelta(days=1), away_end_time=now + timedelta(days=1),
    )  # fmt: skip
    await desk.react(directory_events.AbsenceUpdated(absence=absence), version=number)


async def test_who_is_on_leave_gets_nothing_and_the_decision_says_so(fresh):
    await a_policy(fresh)
    for person in CREW[1:]:
        await on_leave(fresh, person.name)
    lead = await create(fresh)

    async def owner():
        return (await read(fresh, lead.name)).owner

    assert await until(owner, "the lead is given out") == CREW[0].name
    told = (await call(fresh, "ExplainAssignment", name=lead.name)).decisions[0]
    assert "ON_LEAVE" in str(told)
    for person in CREW[1:]:
        await on_leave(fresh, person.name, 2, "CANCELLED")
