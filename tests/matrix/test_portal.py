"""People of a customer: they see what is their account's, without what is the company's own business."""

from importlib import import_module

import pytest
from chassis.errors import InvalidFields, NotFound, PermissionDenied
from chassis.settings import SERVICES, package
from chassis.values import new_id
from crm.contracts.v1 import contracts_pb2
from crm.directory.v1 import directory_pb2
from crm.directory.v1 import events_pb2 as directory_events
from crm.options.v1 import options_pb2
from crm.sales.v1 import events_pb2 as sales_events
from crm.service_desk.v1 import service_desk_pb2 as pb
from google.protobuf import descriptor_pool
from harness import Person, until


async def desk(service_desk, method, by="users/root", **fields):
    request = getattr(pb, f"{method}Request")(**fields)
    return await service_desk.call(f"ServiceDeskService/{method}", request, by=by)


async def an_account(*services):
    name = f"accounts/{new_id()}"
    account = {"name": name, "display_name": "Пекарна", "owner": "users/ana", "team": "teams/north"}
    for service in services:
        await service.react(sales_events.AccountCreated(account=account | {"journey_id": new_id()}))
    return name


@pytest.fixture
async def customer(service_desk):
    """(a person of a customer, the account, a case of it, a case of another account)"""
    person, account, other = f"users/{new_id()}", await an_account(service_desk), await an_account(service_desk)
    await service_desk.know(Person(person, ("portal_customer",), account=account))
    cases = [
        await desk(service_desk, "OpenCase", case={"display_name": "Broken", "account": one, "labels": {"vip": "yes"}})
        for one in (account, other)
    ]
    return person, account, *cases


async def test_a_customer_sees_the_own_cases_and_no_others(service_desk, customer):
    person, _, own, other = customer
    assert [case.name for case in (await desk(service_desk, "ListCases", person)).cases] == [own.name]
    assert (await desk(service_desk, "GetCase", person, name=own.name)).display_name == "Broken"
    with pytest.raises(NotFound) as invisible:
        await desk(service_desk, "GetCase", person, name=other.name)
    with pytest.raises(NotFound) as absent:
        await desk(service_desk, "GetCase", person, name=f"cases/{new_id()}")
    assert invisible.value.reason == absent.value.reason


async def test_owning_a_case_lets_no_customer_see_it(service_desk, customer):
    person, _, _, other = customer
    await service_desk.rows("UPDATE cases SET owner = $1 WHERE id = $2", person, other.name.split("/")[1])
    with pytest.raises(NotFound):
        await desk(service_desk, "GetCase", person, name=other.name)


async def test_what_is_the_companys_own_business_is_neither_told_nor_asked_nor_set(service_desk, customer):
    person, account, own, _ = customer
    seen = await desk(service_desk, "GetCase", person, name=own.name)
    assert (own.labels["vip"], own.team, own.unentitled) == ("yes", "teams/north", True)
    assert (dict(seen.labels), seen.team, seen.owner, seen.journey_id, seen.unentitled) == ({}, "", "", "", False)
    for field in ("team = teams/north", "owner = users/ana", "unentitled = true", f"journey_id = {own.journey_id}"):
        with pytest.raises(InvalidFields, match="cannot filter by"):
            await desk(service_desk, "ListCases", person, filter=field)
    with pytest.raises(InvalidFields, match=r"case\.team"):
        await desk(
            service_desk, "OpenCase", person, case={"display_name": "x", "account": account, "team": "teams/north"}
        )
    request = pb.UpdateCaseRequest(case={"name": own.name})
    request.update_mask.paths.append("labels")
    with pytest.raises(InvalidFields, match=r"case\.labels"):
        await service_desk.call("ServiceDeskService/UpdateCase", request, by=person)


async def test_a_customer_opens_cases_for_the_own_account_only(service_desk, customer):
    person, account, _, other = customer
    made = await desk(service_desk, "OpenCase", person, case={"display_name": "坏了", "account": account})
    assert (made.display_name, made.team) == ("坏了", "")
    with pytest.raises(InvalidFields) as hidden:
        await desk(service_desk, "OpenCase", person, case={"display_name": "x", "account": other.account})
    nowhere = f"accounts/{new_id()}"
    with pytest.raises(InvalidFields) as absent:
        await desk(service_desk, "OpenCase", person, case={"display_name": "x", "account": nowhere})
    assert str(hidden.value).replace(other.account, "") == str(absent.value).replace(nowhere, "")


async def test_a_customer_says_more_and_reopens_but_resolves_and_assigns_nothing(service_desk, customer):
    person, _, own, _ = customer
    request = pb.UpdateCaseRequest(case={"name": own.name, "description": "It smokes"})
    assert (await service_desk.call("ServiceDeskService/UpdateCase", request, by=person)).description == "It smokes"
    for method, more in (("ResolveCase", {"solution": "x"}), ("AssignCase", {"owner": "users/dora"})):
        with pytest.raises(PermissionDenied):
            await desk(service_desk, method, person, name=own.name, **more)
    await desk(service_desk, "ResolveCase", name=own.name, solution="New plug")
    assert (await desk(service_desk, "ReopenCase", person, name=own.name, reason="No")).state == pb.Case.OPEN


async def test_a_customer_is_known_by_directorys_event_and_moves_with_it(service_desk, customer):
    _, account, own, other = customer
    person = f"users/{new_id()}"
    user = directory_pb2.User(
        name=person, display_name="Li", roles=["portal_customer"], account=account, state=directory_pb2.User.ACTIVE
    )
    await service_desk.react(directory_events.UserCreated(user=user), version=1)
    assert [case.name for case in (await desk(service_desk, "ListCases", person)).cases] == [own.name]
    user.account = other.account
    await service_desk.react(directory_events.UserUpdated(user=user), version=2)

    async def moved():
        return [case.name for case in (await desk(service_desk, "ListCases", person)).cases] == [other.name]

    assert await until(moved, "the other account's cases are seen", seconds=5)


async def test_a_customer_without_an_account_sees_nothing(service_desk):
    await service_desk.know(Person("users/lost", ("portal_customer",)))
    assert not (await desk(service_desk, "ListCases", "users/lost")).cases


async def test_nothing_is_given_to_a_person_of_a_customer(service_desk, customer):
    person, _, own, _ = customer
    with pytest.raises(InvalidFields, match="not an active person"):
        await desk(service_desk, "AssignCase", name=own.name, owner=person)


async def test_a_contract_is_seen_by_its_customer_once_it_is_in_force(contracts):
    account, person = await an_account(contracts), f"users/{new_id()}"
    await contracts.know(Person(person, ("portal_customer",), account=account))

    async def ask(method, by=person, **fields):
        return await contracts.call(
            f"ContractService/{method}", getattr(contracts_pb2, f"{method}Request")(**fields), by=by
        )

    made = await ask("CreateContract", "users/ana", contract={"display_name": "Care", "account": account})
    await ask("SubmitContract", "users/ana", name=made.name)
    for method in ("GetContract", "GetContractPdf"):
        with pytest.raises(NotFound):
            await ask(method, name=made.name)
    assert not (await ask("ListContracts")).contracts
    await ask("ApproveContract", "users/erik", name=made.name)
    await ask("ActivateContract", "users/ana", name=made.name)
    seen = await ask("GetContract", name=made.name)
    assert (seen.number, seen.owner, seen.approver, list(seen.authors)) == (made.number, "", "", [])
    assert [contract.name for contract in (await ask("ListContracts")).contracts] == [made.name]
    assert (await ask("GetContractPdf", name=made.name)).data.startswith(b"%PDF")


def test_whose_a_record_is_and_how_it_is_filed_is_marked_wherever_customers_look():
    """A kind that is opened to customers does not tell them who sells to them, and how they are rated."""
    for service in SERVICES:
        for kind, table in import_module(f"{package(service)}.tables").RECORDS.items():
            name = f"crm.{package(service)}.v1.{kind.__name__}"
            if table.info.get("customers_see") is None or (table.name == "accounts" and service != "sales"):
                continue  # a copy of an account is answered to nobody
            message = descriptor_pool.Default().FindMessageTypeByName(name)
            for field in {"owner", "team", "journey_id", "external_ids", "labels"} & set(message.fields_by_name):
                assert message.fields_by_name[field].GetOptions().Extensions[options_pb2.internal_use], (
                    f"{name}.{field}"
                )
