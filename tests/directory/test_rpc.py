"""Directory over gRPC on a real database."""

import pytest
from chassis.errors import AlreadyExists, FailedPrecondition, InvalidFields, NotFound, PermissionDenied
from crm.directory.v1 import directory_pb2 as pb

BY = "users/root"


async def call(directory, method, request, by=BY):
    return await directory.call(f"DirectoryService/{method}", request, by=by)


async def new_team(directory, team_id: str, parent: str = "") -> pb.Team:
    request = pb.CreateTeamRequest(team=pb.Team(display_name=team_id.title(), parent=parent), team_id=team_id)
    return await call(directory, "CreateTeam", request)


async def new_user(directory, user_id: str = "", **fields) -> pb.User:
    user = pb.User(**({"display_name": "Ана Петрова"} | fields))
    return await call(directory, "CreateUser", pb.CreateUserRequest(user=user, user_id=user_id))


async def test_a_person_is_added_named_and_told(directory):
    made = await new_user(directory, "petrova", roles=["salesperson"])
    assert (made.name, made.subject, made.state) == ("users/petrova", "users/petrova", pb.User.ACTIVE)
    assert await directory.events(made.name) == ["UserCreated"]
    assert await call(directory, "GetUser", pb.GetUserRequest(name=made.name)) == made


async def test_a_slug_is_made_from_a_latin_name_and_is_unique_for_others(directory):
    assert (await new_user(directory, display_name="João Silva")).name == "users/joao-silva"
    assert len((await new_user(directory, display_name="王芳")).name) == len("users/") + 36


async def test_a_taken_slug_is_refused(directory):
    await new_user(directory, "twice")
    with pytest.raises(AlreadyExists):
        await new_user(directory, "twice")


async def test_two_identities_cannot_share_a_subject(directory):
    await new_user(directory, "first", subject="idp|1")
    with pytest.raises(AlreadyExists):
        await new_user(directory, "second", subject="idp|1")
    with pytest.raises(NotFound):
        await call(directory, "GetUser", pb.GetUserRequest(name="users/second"))


async def test_nobody_takes_the_name_of_a_service(directory):
    with pytest.raises(InvalidFields, match="services/"):
        await new_user(directory, "sly", subject="services/leads")


async def test_an_unknown_role_or_team_is_refused_with_its_field(directory):
    with pytest.raises(InvalidFields, match="emperor"):
        await new_user(directory, roles=["emperor"])
    with pytest.raises(InvalidFields, match="teams/nowhere"):
        await new_user(directory, team="teams/nowhere")


async def test_an_update_changes_what_it_names_and_emits_once(directory):
    made = await new_user(directory, "moving")
    await new_team(directory, "movers")
    request = pb.UpdateUserRequest(user=pb.User(name=made.name, team="teams/movers"), update_mask={"paths": ["team"]})
    assert (await call(directory, "UpdateUser", request)).team == "teams/movers"
    await call(directory, "UpdateUser", request)
    assert await directory.events(made.name) == ["UserCreated", "UserUpdated"]


async def test_a_person_is_shut_out_and_let_in_again(directory):
    made = await new_user(directory, "coming-and-going")
    gone = await call(directory, "DeactivateUser", pb.DeactivateUserRequest(name=made.name))
    assert gone.state == pb.User.DEACTIVATED
    with pytest.raises(FailedPrecondition, match="DEACTIVATED"):
        await call(directory, "DeactivateUser", pb.DeactivateUserRequest(name=made.name))
    back = await call(directory, "ReactivateUser", pb.ReactivateUserRequest(name=made.name))
    assert back.state == pb.User.ACTIVE


async def test_a_system_lives_as_a_person_does(directory):
    account = pb.ServiceAccount(display_name="SAP", roles=["integration"])
    request = pb.CreateServiceAccountRequest(service_account=account, service_account_id="sap")
    made = await call(directory, "CreateServiceAccount", request)
    assert await call(directory, "GetServiceAccount", pb.GetServiceAccountRequest(name=made.name)) == made
    changed = pb.UpdateServiceAccountRequest(service_account=pb.ServiceAccount(name=made.name, display_name="SAP S/4"))
    assert (await call(directory, "UpdateServiceAccount", changed)).display_name == "SAP S/4"
    shut = pb.DeactivateServiceAccountRequest(name=made.name)
    assert (await call(directory, "DeactivateServiceAccount", shut)).state == pb.ServiceAccount.DEACTIVATED
    opened = pb.ReactivateServiceAccountRequest(name=made.name)
    assert (await call(directory, "ReactivateServiceAccount", opened)).state == pb.ServiceAccount.ACTIVE
    page = await call(directory, "ListServiceAccounts", pb.ListServiceAccountsRequest(filter="roles:integration"))
    assert made.name in [item.name for item in page.service_accounts]


async def test_teams_form_a_tree_without_loops(directory):
    top = await new_team(directory, "top")
    below = await new_team(directory, "below", parent=top.name)
    loop = pb.UpdateTeamRequest(team=pb.Team(name=top.name, parent=below.name))
    with pytest.raises(InvalidFields, match="below"):
        await call(directory, "UpdateTeam", loop)
    assert (await call(directory, "GetTeam", pb.GetTeamRequest(name=below.name))).parent == top.name
    listed = await call(directory, "ListTeams", pb.ListTeamsRequest(filter=f'parent = "{top.name}"'))
    assert [team.name for team in listed.teams] == [below.name]


async def test_people_are_listed_by_team_and_role(directory):
    await new_team(directory, "listed")
    made = await new_user(directory, "listed-person", team="teams/listed", roles=["agent"])
    page = await call(directory, "ListUsers", pb.ListUsersRequest(filter='team = "teams/listed" AND roles:agent'))
    assert [user.name for user in page.users] == [made.name]


async def test_a_salesperson_reads_people_but_adds_none(directory):
    assert await call(directory, "ListUsers", pb.ListUsersRequest(), by="users/ana")
    request = pb.CreateUserRequest(user=pb.User(display_name="Mine"))
    with pytest.raises(PermissionDenied):
        await call(directory, "CreateUser", request, by="users/ana")
