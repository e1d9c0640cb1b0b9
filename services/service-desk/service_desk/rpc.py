"""The calls the service desk answers, one method each."""

import asyncio
from datetime import datetime

from chassis.convert import from_message
from chassis.errors import InvalidFields
from chassis.exports import export
from chassis.values import business_time, id_of
from chassis.work import Page, Work
from crm.service_desk.v1 import service_desk_pb2
from google.api import httpbody_pb2

from service_desk import tables
from service_desk.domain import Account, Case, Entitlement, covering

ACCOUNT_SECONDS = 2.0  # how long an event about a new account may take to reach us


class ServiceDeskService:
    descriptor = service_desk_pb2.DESCRIPTOR.services_by_name["ServiceDeskService"]

    async def OpenCase(self, request: service_desk_pb2.OpenCaseRequest, work: Work) -> Case:
        case = from_message(request.case, Case, owner="")
        at = business_time(case.open_time, work.now, "case.open_time")
        owner = await work.responsible(request.case.owner, "case.owner") if request.case.owner else None
        await _check_team(case.team, "case.team", work)
        account = await _account(case.account, work)
        case.journey_id = account.journey_id
        case.team = case.team or work.caller.team or account.team
        entitlement = await _entitlement(case.account, at, work)
        if entitlement is None:
            account.turns += 1
        number = await work.next_number(tables.NUMBERS)
        work.emit(work.add(case).open(number, entitlement, at))
        if owner:
            work.emit(case.assign(owner.name, owner.team, at))
        return case

    async def GetCase(self, request: service_desk_pb2.GetCaseRequest, work: Work) -> Case:
        return await work.get(Case, request.name)

    async def ListCases(self, request: service_desk_pb2.ListCasesRequest, work: Work) -> Page[Case]:
        return await work.page(Case, request)

    async def ExportCases(self, request: service_desk_pb2.ExportCasesRequest, work: Work) -> httpbody_pb2.HttpBody:
        return await export(Case, service_desk_pb2.Case, request, work)

    async def UpdateCase(self, request: service_desk_pb2.UpdateCaseRequest, work: Work) -> Case:
        case = await work.get(Case, request.case.name, request.case.etag)
        case.require_unresolved()
        changed = work.update(case, request.case, request.update_mask.paths, "case", Case.tidy)
        for fixed, verb in (("owner", "AssignCase"), ("team", "AssignCase"), ("open_time", "OpenCase")):
            if fixed in changed:
                raise InvalidFields((f"case.{fixed}", f"is set with {verb}"))
        if changed:
            work.emit(case.revise(changed, at=work.now))
        return case

    async def AssignCase(self, request: service_desk_pb2.AssignCaseRequest, work: Work) -> Case:
        if bool(request.owner) == bool(request.team):
            raise InvalidFields(("owner", "name either an owner or a team"))
        case = await work.get(Case, request.name, request.etag)
        at = work.business_time(request, "assign_time")
        if request.owner:
            owner = await work.responsible(request.owner, "owner")
            work.emit(case.assign(owner.name, owner.team, at))
        else:
            await _check_team(request.team, "team", work)
            work.emit(case.assign("", request.team, at))
        return case

    async def ResolveCase(self, request: service_desk_pb2.ResolveCaseRequest, work: Work) -> Case:
        case = await work.get(Case, request.name, request.etag)
        work.emit(case.resolve(request.solution, work.business_time(request, "resolve_time")))
        return case

    async def ReopenCase(self, request: service_desk_pb2.ReopenCaseRequest, work: Work) -> Case:
        """A resolved case is passed over by contracts that arrive; reopened, it takes what it missed."""
        case = await work.get(Case, request.name, request.etag)
        at = work.business_time(request, "reopen_time")
        work.emit(case.reopen(request.reason, at))
        if case.unentitled:
            [account] = await work.find(Account, id=id_of(case.account))
            missed = await work.find(Entitlement, account=case.account)
            if found := case.late_match(missed):
                work.emit(case.attach(found, at))
            else:
                account.turns += 1
        return case

    async def GetEntitlement(self, request: service_desk_pb2.GetEntitlementRequest, work: Work) -> Entitlement:
        return await work.get(Entitlement, request.name)

    async def ListEntitlements(
        self, request: service_desk_pb2.ListEntitlementsRequest, work: Work
    ) -> Page[Entitlement]:
        return await work.page(Entitlement, request)


async def _account(name: str, work: Work) -> Account:
    """The customer; one that sales has just made may still be on its way to us. One the caller may not see is waited
    for just as long: the time an answer takes tells nothing either."""
    clock = asyncio.get_running_loop()
    until = clock.time() + ACCOUNT_SECONDS
    while (account := await work.find_one(Account, id=id_of(name))) is None or not work.may_read(account):
        if clock.time() > until:
            raise InvalidFields(("case.account", f"{name} is not known here (yet), or you may not see it"))
        await asyncio.sleep(0.05)
    return account


async def _entitlement(account: str, at: datetime, work: Work) -> Entitlement | None:
    """What the customer is entitled to at a moment."""
    return covering(await work.find(Entitlement, account=account), at)


async def _check_team(team: str, field_path: str, work: Work) -> None:
    """A case goes to a team there is, and does not leave the caller's reach."""
    if team and not await work.rows(tables.TEAM_NAMED, team=team):
        raise InvalidFields((field_path, f"there is no team {team}"))
    if team and not work.caller.sees(work.reach, "", team):
        raise InvalidFields((field_path, f"{team} is beyond your reach"))
