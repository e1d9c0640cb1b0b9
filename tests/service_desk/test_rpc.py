"""The service desk over gRPC on a real database."""

import asyncio

import pytest
from chassis.errors import Aborted, AlreadyExists, FailedPrecondition, InvalidFields, NotFound, PermissionDenied
from chassis.values import new_id
from crm.service_desk.v1 import service_desk_pb2 as pb
from told import account_created, contract_activated, stamp

STATE = pb.Case.State


async def call(desk, method, request, **who):
    return await desk.call(f"ServiceDeskService/{method}", request, **({"by": "users/dora"} | who))


async def customer(desk, **contract):
    """The name of an account with a contract, or without one if `contract` is empty."""
    event = account_created()
    await desk.react(event)
    if contract:
        await desk.react(contract_activated(event.account.name, **contract))
    return event.account.name


async def opened(desk, by="users/dora", **fields):
    account = fields.pop("account", None) or await customer(desk, start=-10)
    given = {"display_name": "Arrived broken", "account": account} | fields
    return await call(desk, "OpenCase", pb.OpenCaseRequest(case=given), by=by)


async def resolved(desk, **fields):
    made = await opened(desk, **fields)
    return await call(desk, "ResolveCase", pb.ResolveCaseRequest(name=made.name, solution="sent a new one"))


async def test_a_case_finds_the_entitlement_and_the_exact_contract_version(service_desk):
    made = await opened(service_desk, type="complaint")
    promise = await call(service_desk, "GetEntitlement", pb.GetEntitlementRequest(name=made.entitlement))
    assert (made.contract, made.contract_version, made.journey_id) == (promise.contract, 4, promise.journey_id)
    assert (made.unentitled, made.matched_late) == (False, False)
    assert (made.number[:3], made.state, made.type) == ("S-0", STATE.NEW, "complaint")
    assert (made.owner, made.team, made.priority) == ("", "teams/service", pb.Case.NORMAL)
    assert await service_desk.events(made.name) == ["CaseOpened"]


async def test_without_a_contract_a_case_opens_flagged(service_desk):
    made = await opened(service_desk, account=await customer(service_desk))
    assert (made.unentitled, made.entitlement, made.contract_version) == (True, "", 0)
    assert made.journey_id


async def test_a_contract_that_is_over_entitles_to_nothing(service_desk):
    made = await opened(service_desk, account=await customer(service_desk, start=-30, end=-1))
    assert made.unentitled


async def test_the_time_the_customer_spoke_decides(service_desk):
    account = await customer(service_desk, start=-30, end=-1)
    assert not (await opened(service_desk, account=account, open_time=stamp(-2))).unentitled


async def test_of_two_contracts_the_latest_started_counts(service_desk):
    account = await customer(service_desk, start=-30)
    later = contract_activated(account, start=-3)
    await service_desk.react(later)
    assert (await opened(service_desk, account=account)).contract == later.contract.name


async def test_an_account_that_is_on_its_way_is_waited_for(service_desk):
    event = account_created()
    opening = asyncio.create_task(opened(service_desk, account=event.account.name))
    await service_desk.react(event)
    assert (await opening).journey_id == event.account.journey_id


async def test_an_account_that_never_comes_is_refused(service_desk):
    with pytest.raises(InvalidFields, match=r"case\.account"):
        await opened(service_desk, account=f"accounts/{new_id()}")


async def test_an_account_named_by_what_is_no_uuid_is_refused(service_desk):
    with pytest.raises(InvalidFields, match=r"case\.account"):
        await opened(service_desk, account=f"accounts/{'0' * 36}")


async def test_an_external_id_opens_one_case(service_desk):
    key = {"system": "olist", "kind": "review", "id": new_id()}
    made = await opened(service_desk, external_ids=[key])
    with pytest.raises(AlreadyExists):
        await opened(service_desk, external_ids=[key])
    asked = f'external_ids : "olist/review/{key["id"]}"'
    assert (await call(service_desk, "ListCases", pb.ListCasesRequest(filter=asked))).cases[0] == made


async def test_a_repeated_open_answers_the_first_result(service_desk):
    given = {"display_name": "Twice", "account": await customer(service_desk)}
    request = pb.OpenCaseRequest(case=given, request_id=new_id())
    assert await call(service_desk, "OpenCase", request) == await call(service_desk, "OpenCase", request)


async def test_a_case_goes_to_a_person_who_works_on_it(service_desk):
    made = await opened(service_desk)
    request = pb.AssignCaseRequest(name=made.name, owner="users/dora")
    taken = await call(service_desk, "AssignCase", request)
    assert (taken.owner, taken.team, taken.state) == ("users/dora", "teams/service", STATE.OPEN)
    assert await service_desk.events(made.name) == ["CaseOpened", "CaseAssigned"]


async def test_a_case_can_be_opened_for_a_person(service_desk):
    made = await opened(service_desk, owner="users/dora", order=f"orders/{new_id()}")
    assert (made.owner, made.state) == ("users/dora", STATE.OPEN)


async def test_a_case_goes_to_a_team(service_desk):
    made = await opened(service_desk, owner="users/dora")
    request = pb.AssignCaseRequest(name=made.name, team="teams/north")
    given = await call(service_desk, "AssignCase", request, by="users/root")
    assert (given.owner, given.team) == ("", "teams/north")


async def test_a_case_does_not_leave_the_reach_of_who_gives_it(service_desk):
    made = await opened(service_desk)
    with pytest.raises(InvalidFields, match="beyond your reach"):
        await call(service_desk, "AssignCase", pb.AssignCaseRequest(name=made.name, team="teams/north"))
    with pytest.raises(InvalidFields, match="beyond your reach"):
        await opened(service_desk, team="teams/north")


@pytest.mark.parametrize("wrong", [{}, {"owner": "users/dora", "team": "teams/service"}, {"owner": "users/gone"}])
async def test_a_case_is_assigned_to_one_active_person_or_one_team(service_desk, wrong):
    made = await opened(service_desk)
    with pytest.raises(InvalidFields, match="owner"):
        await call(service_desk, "AssignCase", pb.AssignCaseRequest(name=made.name, **wrong))


async def test_a_team_that_is_not_there_is_refused(service_desk):
    made = await opened(service_desk)
    with pytest.raises(InvalidFields, match="team"):
        await call(service_desk, "AssignCase", pb.AssignCaseRequest(name=made.name, team="teams/none"))
    with pytest.raises(InvalidFields, match=r"case\.team"):
        await opened(service_desk, team="teams/none")


async def test_resolving_needs_a_solution(service_desk):
    made = await opened(service_desk)
    with pytest.raises(InvalidFields, match="solution"):
        await call(service_desk, "ResolveCase", pb.ResolveCaseRequest(name=made.name))


async def test_a_resolved_case_is_closed_until_it_is_reopened(service_desk):
    made = await resolved(service_desk)
    assert (made.state, made.solution) == (STATE.RESOLVED, "sent a new one")
    with pytest.raises(FailedPrecondition, match="RESOLVED"):
        await call(service_desk, "AssignCase", pb.AssignCaseRequest(name=made.name, owner="users/dora"))
    request = pb.ReopenCaseRequest(name=made.name, reason="broken again")
    again = await call(service_desk, "ReopenCase", request)
    assert (again.state, again.solution, again.reopen_count) == (STATE.OPEN, "", 1)
    assert await service_desk.events(made.name) == ["CaseOpened", "CaseResolved", "CaseReopened"]


async def test_an_open_case_cannot_be_reopened(service_desk):
    made = await opened(service_desk)
    with pytest.raises(FailedPrecondition, match="NEW"):
        await call(service_desk, "ReopenCase", pb.ReopenCaseRequest(name=made.name, reason="why not"))


async def test_a_reopened_case_takes_the_contract_it_missed(service_desk):
    account = await customer(service_desk)
    made = await resolved(service_desk, account=account)
    await service_desk.react(contract_activated(account))
    seen = await call(service_desk, "GetCase", pb.GetCaseRequest(name=made.name))
    assert seen.unentitled, "a resolved case is left alone"
    again = await call(service_desk, "ReopenCase", pb.ReopenCaseRequest(name=made.name, reason="broken again"))
    assert (again.unentitled, again.matched_late) == (False, True)


async def test_fields_of_a_case_change(service_desk):
    made = await opened(service_desk)
    change = pb.UpdateCaseRequest(case={"name": made.name, "etag": made.etag, "priority": "URGENT"})
    changed = await call(service_desk, "UpdateCase", change)
    assert changed.priority == pb.Case.URGENT
    with pytest.raises(Aborted):
        await call(service_desk, "UpdateCase", change)


async def test_a_cleared_priority_is_the_usual_one(service_desk):
    made = await opened(service_desk, priority="HIGH")
    change = pb.UpdateCaseRequest(case={"name": made.name}, update_mask={"paths": ["priority"]})
    assert (await call(service_desk, "UpdateCase", change)).priority == pb.Case.NORMAL


@pytest.mark.parametrize("change", [{"owner": "users/dora"}, {"team": "teams/north"}, {"open_time": stamp(-1)}])
async def test_what_has_its_own_verb_is_not_updated(service_desk, change):
    made = await opened(service_desk)
    with pytest.raises(InvalidFields, match=f"case.{next(iter(change))}"):
        await call(service_desk, "UpdateCase", pb.UpdateCaseRequest(case={"name": made.name} | change))


async def test_a_resolved_case_does_not_change(service_desk):
    made = await resolved(service_desk)
    with pytest.raises(FailedPrecondition, match="RESOLVED"):
        await call(service_desk, "UpdateCase", pb.UpdateCaseRequest(case={"name": made.name, "priority": "LOW"}))


async def test_an_agent_sees_the_cases_of_the_team_only(service_desk):
    made = await opened(service_desk, by="users/root", team="teams/south")
    with pytest.raises(NotFound):
        await call(service_desk, "GetCase", pb.GetCaseRequest(name=made.name))
    with pytest.raises(PermissionDenied):
        await opened(service_desk, by="users/ana")


async def test_a_case_opened_by_nobodys_team_is_the_accounts_teams(service_desk):
    assert (await opened(service_desk, by="serviceAccounts/importer")).team == "teams/north"


@pytest.mark.parametrize(
    "field",
    ["state", "account", "owner", "team", "type", "priority", "entitlement", "contract", "number", "journey_id"],
)
async def test_cases_are_listed_by(service_desk, field):
    made = await opened(service_desk, owner="users/dora", type=f"type-{new_id()}")
    names = {"state": STATE.Name, "priority": pb.Case.Priority.Name}
    value = names[field](getattr(made, field)) if field in names else getattr(made, field)
    page = await call(service_desk, "ListCases", pb.ListCasesRequest(filter=f'{field} = "{value}"'))
    assert page.cases[0] == made


async def test_cases_without_an_entitlement_are_listed(service_desk):
    made = await opened(service_desk, account=await customer(service_desk), open_time=stamp(-1))
    asked = f'unentitled = true AND open_time <= "{made.open_time.ToJsonString()}"'
    assert made in (await call(service_desk, "ListCases", pb.ListCasesRequest(filter=asked))).cases


@pytest.mark.parametrize("field", ["account", "contract", "journey_id"])
async def test_entitlements_are_listed_by(service_desk, field):
    made = await opened(service_desk)
    promise = await call(service_desk, "GetEntitlement", pb.GetEntitlementRequest(name=made.entitlement))
    asked = f'{field} = "{getattr(promise, field)}"'
    page = await call(service_desk, "ListEntitlements", pb.ListEntitlementsRequest(filter=asked))
    assert list(page.entitlements) == [promise]
