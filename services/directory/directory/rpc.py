"""The calls directory answers, one method each."""

from chassis.convert import from_message
from chassis.errors import InvalidFields
from chassis.identity import beyond, roles
from chassis.values import slug
from chassis.work import Page, Work
from crm.directory.v1 import directory_pb2

from directory import tables
from directory.domain import (
    ADMINISTRATOR,
    LastAdministrator,
    RoleBeyondYours,
    ServiceAccount,
    ServiceAccountCreated,
    ServiceAccountUpdated,
    Team,
    TeamCreated,
    TeamUpdated,
    User,
    UserCreated,
    UserUpdated,
    check_customer,
    check_parent,
    check_roles,
)


class DirectoryService:
    descriptor = directory_pb2.DESCRIPTOR.services_by_name["DirectoryService"]

    async def CreateUser(self, request: directory_pb2.CreateUserRequest, work: Work) -> User:
        user = from_message(request.user, User, id=request.user_id or slug(request.user.display_name))
        await _check(user, work)
        work.emit(UserCreated(user=work.add(user), event_time=work.now))
        return user

    async def GetUser(self, request: directory_pb2.GetUserRequest, work: Work) -> User:
        return await work.get(User, request.name)

    async def ListUsers(self, request: directory_pb2.ListUsersRequest, work: Work) -> Page[User]:
        return await work.page(User, request)

    async def UpdateUser(self, request: directory_pb2.UpdateUserRequest, work: Work) -> User:
        user = await work.get(User, request.user.name, request.user.etag)
        _check_power(user, work)
        administered = user.administers
        if work.update(user, request.user, request.update_mask.paths, "user"):
            await _check(user, work)
            await _keep_an_administrator(user, administered, work)
            work.emit(UserUpdated(user=user, event_time=work.now))
        return user

    async def DeactivateUser(self, request: directory_pb2.DeactivateUserRequest, work: Work) -> User:
        user = await work.get(User, request.name, request.etag)
        _check_power(user, work)
        administered = user.administers
        work.emit(user.deactivate(at=work.now))
        await _keep_an_administrator(user, administered, work)
        return user

    async def ReactivateUser(self, request: directory_pb2.ReactivateUserRequest, work: Work) -> User:
        user = await work.get(User, request.name, request.etag)
        _check_power(user, work)
        work.emit(user.reactivate(at=work.now))
        return user

    async def CreateServiceAccount(
        self, request: directory_pb2.CreateServiceAccountRequest, work: Work
    ) -> ServiceAccount:
        given = request.service_account
        account = from_message(given, ServiceAccount, id=request.service_account_id or slug(given.display_name))
        await _check(account, work)
        work.emit(ServiceAccountCreated(service_account=work.add(account), event_time=work.now))
        return account

    async def GetServiceAccount(self, request: directory_pb2.GetServiceAccountRequest, work: Work) -> ServiceAccount:
        return await work.get(ServiceAccount, request.name)

    async def ListServiceAccounts(
        self, request: directory_pb2.ListServiceAccountsRequest, work: Work
    ) -> Page[ServiceAccount]:
        return await work.page(ServiceAccount, request)

    async def UpdateServiceAccount(
        self, request: directory_pb2.UpdateServiceAccountRequest, work: Work
    ) -> ServiceAccount:
        given = request.service_account
        account = await work.get(ServiceAccount, given.name, given.etag)
        _check_power(account, work)
        if work.update(account, given, request.update_mask.paths, "service_account"):
            await _check(account, work)
            work.emit(ServiceAccountUpdated(service_account=account, event_time=work.now))
        return account

    async def DeactivateServiceAccount(
        self, request: directory_pb2.DeactivateServiceAccountRequest, work: Work
    ) -> ServiceAccount:
        account = await work.get(ServiceAccount, request.name, request.etag)
        _check_power(account, work)
        work.emit(account.deactivate(at=work.now))
        return account

    async def ReactivateServiceAccount(
        self, request: directory_pb2.ReactivateServiceAccountRequest, work: Work
    ) -> ServiceAccount:
        account = await work.get(ServiceAccount, request.name, request.etag)
        _check_power(account, work)
        work.emit(account.reactivate(at=work.now))
        return account

    async def CreateTeam(self, request: directory_pb2.CreateTeamRequest, work: Work) -> Team:
        team = from_message(request.team, Team, id=request.team_id or slug(request.team.display_name))
        check_parent(team.name, team.parent, await _tree(work))
        work.emit(TeamCreated(team=work.add(team), event_time=work.now))
        return team

    async def GetTeam(self, request: directory_pb2.GetTeamRequest, work: Work) -> Team:
        return await work.get(Team, request.name)

    async def ListTeams(self, request: directory_pb2.ListTeamsRequest, work: Work) -> Page[Team]:
        return await work.page(Team, request)

    async def UpdateTeam(self, request: directory_pb2.UpdateTeamRequest, work: Work) -> Team:
        team = await work.get(Team, request.team.name, request.team.etag)
        if work.update(team, request.team, request.update_mask.paths, "team"):
            check_parent(team.name, team.parent, await _tree(work))
            work.emit(TeamUpdated(team=team, event_time=work.now))
        return team


async def _check(identity: User | ServiceAccount, work: Work) -> None:
    """Roles and team exist, the caller may give them, and no other identity has the same token subject."""
    check_roles(identity.roles, roles())
    check_customer(identity.roles, getattr(identity, "account", ""), identity.team)
    if identity.team and await work.find_one(Team, id=identity.team.removeprefix("teams/")) is None:
        raise InvalidFields(("team", f"there is no team {identity.team}"))
    identity.subject = identity.subject or identity.name
    if identity.subject.startswith("services/"):
        raise InvalidFields(("subject", "services/ is kept for the suite itself"))
    _check_power(identity, work)
    await work.execute(tables.CLAIM_SUBJECT, identity.subject, identity.name)


def _check_power(identity: User | ServiceAccount, work: Work) -> None:
    """Nobody gives a role beyond their own, nor changes an identity that has one: whoever sets its token subject, or
    shuts it out, would otherwise have taken its place. Who is administrator by a setting counts as one."""
    held = set(identity.roles) | ({ADMINISTRATOR} if identity.subject == work.members.bootstrap else set())
    if found := beyond(work.caller.roles, held):
        raise RoleBeyondYours(name=identity.name, roles=", ".join(found))


async def _keep_an_administrator(user: User, administered: bool, work: Work) -> None:
    if administered and not user.administers and not await work.rows(tables.OTHER_ADMINISTRATORS, id=user.id):
        raise LastAdministrator(name=user.name)


async def _tree(work: Work) -> dict[str, str]:
    """Every team and its parent."""
    return {f"teams/{row['id']}": row["parent"] for row in await work.rows(tables.TEAM_TREE)}
