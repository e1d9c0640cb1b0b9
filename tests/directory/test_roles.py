"""Who may give which role, and that somebody can always give them."""

import pytest
from chassis.errors import FailedPrecondition, InvalidFields, PermissionDenied
from chassis.identity import beyond, roles
from chassis.values import new_id
from crm.directory.v1 import directory_pb2 as pb
from harness import ADMIN, PEOPLE, start

IMPORTER = "serviceAccounts/importer"
AN_ACCOUNT = "accounts/00000000-0000-7000-8000-000000000001"


async def call(directory, method, request, by="users/root"):
    return await directory.call(f"DirectoryService/{method}", request, by=by)


async def add(directory, *given, by="users/root", **fields):
    user = pb.User(display_name="Nina", roles=given, **fields)
    return await call(directory, "CreateUser", pb.CreateUserRequest(user=user, user_id=new_id()), by)


async def update(directory, name, by="users/root", **fields):
    request = pb.UpdateUserRequest(user=pb.User(name=name, **fields))
    request.update_mask.paths.extend(fields)
    return await call(directory, "UpdateUser", request, by)


async def deactivate(directory, name, by="users/root"):
    return await call(directory, "DeactivateUser", pb.DeactivateUserRequest(name=name), by)


async def test_who_imports_people_gives_them_roles_within_the_own(directory):
    assert (await add(directory, "salesperson", by=IMPORTER)).roles == ["salesperson"]


@pytest.mark.parametrize("role", ["administrator", "sales_manager", "contract_manager"])
async def test_nobody_gives_a_role_beyond_the_own(directory, role):
    with pytest.raises(PermissionDenied) as refused:
        await add(directory, role, by=IMPORTER)
    assert (refused.value.metadata["reason"], refused.value.metadata["roles"]) == ("ROLE_BEYOND_YOURS", role)


async def test_nobody_gives_himself_more(directory):
    account = pb.ServiceAccount(display_name="Loader", roles=["importer"])
    made = await call(directory, "CreateServiceAccount", pb.CreateServiceAccountRequest(service_account=account))
    more = pb.ServiceAccount(name=made.name, roles=["importer", "administrator"])
    with pytest.raises(PermissionDenied):
        await call(directory, "UpdateServiceAccount", pb.UpdateServiceAccountRequest(service_account=more), IMPORTER)


async def test_nobody_takes_the_place_of_somebody_who_may_do_more(directory):
    boss = await add(directory, "administrator")
    with pytest.raises(PermissionDenied, match="ROLE_BEYOND_YOURS"):
        await update(directory, boss.name, IMPORTER, subject="mine")
    with pytest.raises(PermissionDenied, match="ROLE_BEYOND_YOURS"):
        await deactivate(directory, boss.name, IMPORTER)


async def test_nobody_takes_the_place_of_the_administrator_by_setting(directory):
    with pytest.raises(PermissionDenied, match="administrator"):
        await add(directory, by=IMPORTER, subject=ADMIN)


@pytest.mark.parametrize("role", sorted(set(roles()) - {"service"}))
def test_an_administrator_may_give_every_role_and_no_other_role_may_give_his(role):
    assert beyond(["administrator"], [role]) == []
    assert beyond([role], ["administrator"]) == ([] if role == "administrator" else ["administrator"])


async def test_the_last_administrator_can_neither_leave_nor_give_up_the_role(backend, issuer):
    alone = await start("directory", backend, issuer, PEOPLE)
    first = await add(alone, "administrator")
    with pytest.raises(FailedPrecondition, match="LAST_ADMINISTRATOR"):
        await deactivate(alone, first.name)
    with pytest.raises(FailedPrecondition, match="LAST_ADMINISTRATOR"):
        await update(alone, first.name, roles=["salesperson"])
    await add(alone, "administrator")
    assert (await deactivate(alone, first.name)).state == pb.User.DEACTIVATED
    await alone.stop()


async def test_a_person_of_a_customer_has_one_role_one_account_and_no_team(directory):
    made = await add(directory, "portal_customer", account=AN_ACCOUNT)
    assert made.account == AN_ACCOUNT
    await call(directory, "CreateTeam", pb.CreateTeamRequest(team=pb.Team(display_name="Any"), team_id="any"))
    for given, fields in (
        (["portal_customer"], {}),
        (["portal_customer", "agent"], {"account": AN_ACCOUNT}),
        (["agent"], {"account": AN_ACCOUNT}),
        (["portal_customer"], {"account": AN_ACCOUNT, "team": "teams/any"}),
    ):
        with pytest.raises(InvalidFields):
            await add(directory, *given, **fields)


async def test_a_system_is_no_person_of_a_customer(directory):
    account = pb.ServiceAccount(display_name="Portal", roles=["portal_customer"])
    with pytest.raises(InvalidFields, match="account"):
        await call(directory, "CreateServiceAccount", pb.CreateServiceAccountRequest(service_account=account))
