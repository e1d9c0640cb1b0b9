"""What the service desk does when sales and contracts speak, in any order and more than once."""

import asyncio

from chassis.values import new_id
from crm.service_desk.v1 import service_desk_pb2 as pb
from told import account_created, contract_activated, stamp


async def call(desk, method, request):
    return await desk.call(f"ServiceDeskService/{method}", request, by="users/root")


async def known_account(desk):
    event = account_created()
    await desk.react(event)
    return event.account.name


async def open_case(desk, account, days=0):
    given = {"display_name": "Arrived broken", "account": account, "open_time": stamp(days)}
    return await call(desk, "OpenCase", pb.OpenCaseRequest(case=given))


async def read(desk, case):
    return await call(desk, "GetCase", pb.GetCaseRequest(name=case.name))


def promise_of(event):
    return event.contract.entitlement_terms[0].entitlement


async def test_an_active_contract_grants_its_entitlement_once(service_desk):
    event = contract_activated(await known_account(service_desk))
    await service_desk.react(event)
    await service_desk.react(event)
    granted = await call(service_desk, "GetEntitlement", pb.GetEntitlementRequest(name=promise_of(event)))
    contract = event.contract
    assert (granted.contract, granted.contract_version, granted.service_level) == (contract.name, 4, "gold")
    assert (granted.owner, granted.team, granted.journey_id) == (contract.owner, contract.team, contract.journey_id)
    assert granted.end_time == contract.entitlement_terms[0].end_time
    assert await service_desk.events(granted.name) == ["EntitlementGranted"]


async def test_an_unlimited_contract_grants_without_an_end(service_desk):
    event = contract_activated(await known_account(service_desk), end=None)
    await service_desk.react(event)
    granted = await call(service_desk, "GetEntitlement", pb.GetEntitlementRequest(name=promise_of(event)))
    assert not granted.HasField("end_time")


async def test_a_contract_that_arrives_after_the_case_attaches(service_desk):
    account = await known_account(service_desk)
    case = await open_case(service_desk, account)
    event = contract_activated(account)
    await service_desk.react(event)
    late = await read(service_desk, case)
    assert (late.unentitled, late.matched_late, late.contract_version) == (False, True, 4)
    assert (late.entitlement, late.contract) == (promise_of(event), event.contract.name)
    assert late.journey_id == case.journey_id, "its story is told in the journey it began in"
    assert await service_desk.events(case.name) == ["CaseOpened", "CaseEntitlementAttached"]


async def test_a_contract_that_starts_after_the_case_attaches_too(service_desk):
    account = await known_account(service_desk)
    case = await open_case(service_desk, account, days=-20)
    await service_desk.react(contract_activated(account, start=-5))
    assert (await read(service_desk, case)).matched_late


async def test_a_contract_that_had_ended_before_the_case_does_not_attach(service_desk):
    account = await known_account(service_desk)
    case = await open_case(service_desk, account)
    await service_desk.react(contract_activated(account, start=-30, end=-5))
    assert (await read(service_desk, case)).unentitled


async def test_another_accounts_contract_does_not_attach(service_desk):
    case = await open_case(service_desk, await known_account(service_desk))
    await service_desk.react(contract_activated(await known_account(service_desk)))
    assert (await read(service_desk, case)).unentitled


async def test_an_entitled_case_keeps_what_it_has(service_desk):
    account = await known_account(service_desk)
    await service_desk.react(contract_activated(account))
    case = await open_case(service_desk, account)
    await service_desk.react(contract_activated(account, start=-2))
    assert await read(service_desk, case) == case


async def test_a_contract_may_arrive_before_its_account(service_desk):
    coming = account_created()
    event = contract_activated(coming.account.name)
    await service_desk.react(event)
    first = await open_case(service_desk, coming.account.name)
    await service_desk.react(coming)
    second = await open_case(service_desk, coming.account.name)
    assert first.entitlement == second.entitlement == promise_of(event)
    assert first.journey_id == second.journey_id == event.contract.journey_id


async def test_an_older_account_event_changes_nothing(service_desk):
    event = account_created()
    await service_desk.react(event, version=3)
    older = account_created(name=event.account.name, journey_id=new_id())
    await service_desk.react(older, version=2)
    case = await open_case(service_desk, event.account.name)
    assert case.journey_id == event.account.journey_id


async def test_a_case_and_a_contract_of_the_same_moment_find_each_other(service_desk):
    for _ in range(10):
        account = await known_account(service_desk)
        arriving = contract_activated(account)
        case, _ = await asyncio.gather(open_case(service_desk, account), service_desk.react(arriving))
        assert (await read(service_desk, case)).entitlement == promise_of(arriving)
