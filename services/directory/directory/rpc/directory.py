"""The calls directory answers, one method each."""

from collections.abc import Iterable

import msgspec
from chassis.convert import from_message, to_message
from chassis.errors import InvalidFields, NotFound
from chassis.identity import beyond, roles
from chassis.personal_data import PrivacyKeyMissing
from chassis.persons import Mark, MarkKind, Person, address, mark, names_of
from chassis.values import new_id, slug
from chassis.work import Page, Work
from crm.directory.v1 import directory_pb2
from google.api import httpbody_pb2

from directory import erasing, tables
from directory.domain.erasure import BootstrapAdministrator, ErasedUser, Erasure, check_erasable
from directory.domain.people import (
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
from directory.rpc.calendars import check_calendar


class PersonUnknown(NotFound):
    "No service knows this person."


class DirectoryService:
    descriptor = directory_pb2.DESCRIPTOR.services_by_name["DirectoryService"]

    async def CreateUser(self, request: directory_pb2.CreateUserRequest, work: Work) -> User:
        default = new_id() if request.user.account else slug(request.user.display_name)
        user = from_message(request.user, User, id=request.user_id or default)
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
        if await work.rows(tables.ERASED, name=user.name):
            raise ErasedUser(name=user.name)
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
        await check_calendar(team, work)
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
            await check_calendar(team, work)
            work.emit(TeamUpdated(team=team, event_time=work.now))
        return team

    async def CreateErasure(
        self, request: directory_pb2.CreateErasureRequest, work: Work
    ) -> Erasure | directory_pb2.Erasure:
        if not work.context.privacy_key:
            raise PrivacyKeyMissing(service="directory")
        given = request.erasure
        erasure = from_message(given, Erasure, requester=work.caller.actor)
        asked = Person(records=erasure.records, retained=erasure.retained, marks=_names(given.names, work))
        asked = erasure.person.joined(asked)
        if not (asked.records or asked.ties or given.emails):
            raise InvalidFields(("erasure.records", "name a record or an e-mail address"))
        found = await _search(asked, given.emails, work)
        if not found.person.ties:
            raise PersonUnknown()
        await _check_erasable(found.person.records, work)
        erasure.person, erasure.found = found.person, found.person.records
        if request.validate_only:
            return await _preview(erasure, found, work)
        work.emit(work.add(erasure).request(work.now))
        erasing.begin(erasure, work)
        return erasure

    async def GetErasure(self, request: directory_pb2.GetErasureRequest, work: Work) -> directory_pb2.Erasure:
        erasure = to_message(await work.get(Erasure, request.name), directory_pb2.Erasure)
        if waits := await work.rows(tables.WAITS_FOR, name=request.name):
            erasure.waiting_for = waits[0]["error"]
        return erasure

    async def ListErasures(self, request: directory_pb2.ListErasuresRequest, work: Work) -> Page[Erasure]:
        return await work.page(Erasure, request)

    async def ReapplyErasure(self, request: directory_pb2.ReapplyErasureRequest, work: Work) -> Erasure:
        erasure = await work.get(Erasure, request.name, request.etag)
        work.emit(erasure.reapply(work.now))
        erasing.begin(erasure, work)
        return erasure

    async def ExportPersonalData(
        self, request: directory_pb2.ExportPersonalDataRequest, work: Work
    ) -> httpbody_pb2.HttpBody:
        if not request.records and not request.emails:
            raise InvalidFields(("records", "name a record or an e-mail address"))
        found = await _search(Person(records=list(request.records)), request.emails, work)
        neighbours, actor = work.context.neighbours, work.caller.actor
        document = await erasing.export(found.person, neighbours, actor)
        document |= {"similar": found.similar, "time": work.now}
        await work.audit("EXPORTED", next(iter(found.person.records), ""), {"records": found.person.records})
        return httpbody_pb2.HttpBody(content_type="application/json", data=msgspec.json.encode(document))


async def _preview(erasure: Erasure, found: erasing.Search, work: Work) -> directory_pb2.Erasure:
    touched: list[str] = []
    if erasure.found:
        neighbours, actor = work.context.neighbours, work.caller.actor
        erasure.receipts, touched = await erasing.preview(found.person, neighbours, actor)
    preview = to_message(erasure, directory_pb2.Erasure)
    for field in ("name", "etag", "state", "person"):
        preview.ClearField(field)
    preview.similar.extend(found.similar)
    preview.touched.extend(touched)
    return preview


async def _check_erasable(records: list[str], work: Work) -> None:
    """Nobody who works here, nor who is administrator by a setting: without the user anybody's token of that subject
    would be. Receipts are checked as well: anybody can write one, and it must not shut out those above the officer."""
    for user in await work.find(User, id=names_of(records, User.collection)):
        check_erasable(user)
        if user.subject == work.members.bootstrap != user.name:
            raise BootstrapAdministrator(name=user.name)


async def _search(person: Person, emails: Iterable[str], work: Work) -> erasing.Search:
    """The person as all services know them."""
    certain = sorted({address(email) for email in emails})
    return await erasing.search(person, certain, work.context.neighbours, work.caller.actor)


def _names(names: Iterable[str], work: Work) -> list[Mark]:
    """Further names as marks; InvalidFields for one that would be found in ordinary texts."""
    marks = [mark(work.context.privacy_key, MarkKind.NAME, name) for name in names]
    if None in marks:
        raise InvalidFields(("erasure.names", "a name of less than 4 letters is too likely to be another word"))
    return [one for one in marks if one]


async def _check(identity: User | ServiceAccount, work: Work) -> None:
    """Roles and team exist, the caller may give them, and no other identity has the same token subject."""
    check_roles(identity.roles, roles())
    check_customer(identity.roles, getattr(identity, "account", ""), identity.team)
    if isinstance(identity, User):
        await check_calendar(identity, work)
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
