"""Calls about deals."""

from chassis.convert import from_message, money
from chassis.errors import InvalidFields
from chassis.exports import export
from chassis.values import id_of
from chassis.work import Page, Work
from crm.sales.v1 import sales_pb2
from google.api import httpbody_pb2

from sales.domain.account import Account
from sales.domain.contact import Contact
from sales.domain.opportunity import Opportunity, OpportunityUpdated
from sales.domain.pipeline import Pipeline
from sales.references import give_owner, referenced


class Opportunities:
    async def CreateOpportunity(self, request: sales_pb2.CreateOpportunityRequest, work: Work) -> Opportunity:
        opportunity = from_message(request.opportunity, Opportunity)
        account = await referenced(Account, opportunity.account, "opportunity.account", work)
        opportunity.journey_id, opportunity.channel = account.journey_id, account.channel
        await _check_contact(opportunity, work)
        await give_owner(opportunity, "opportunity.owner", work)
        stage = (await _pipeline(opportunity, work)).stage(opportunity.stage, "opportunity.stage")
        work.emit(work.add(opportunity, whole=True).open(stage, work.caller.actor, at=work.now))
        return opportunity

    async def GetOpportunity(self, request: sales_pb2.GetOpportunityRequest, work: Work) -> Opportunity:
        return await work.get(Opportunity, request.name)

    async def ListOpportunities(self, request: sales_pb2.ListOpportunitiesRequest, work: Work) -> Page[Opportunity]:
        return await work.page(Opportunity, request)

    async def ExportOpportunities(
        self, request: sales_pb2.ExportOpportunitiesRequest, work: Work
    ) -> httpbody_pb2.HttpBody:
        return await export(Opportunity, sales_pb2.Opportunity, request, work)

    async def UpdateOpportunity(self, request: sales_pb2.UpdateOpportunityRequest, work: Work) -> Opportunity:
        opportunity = await work.get(Opportunity, request.opportunity.name, request.opportunity.etag)
        changed = work.update(opportunity, request.opportunity, request.update_mask.paths, "opportunity")
        if "stage" in changed:
            raise InvalidFields(("opportunity.stage", "is changed with AdvanceOpportunity"))
        if "amount" in changed:
            opportunity.require_open()  # what a deal was won for is history
        if "contact" in changed:
            await _check_contact(opportunity, work)
        if "owner" in changed:
            await give_owner(opportunity, "opportunity.owner", work)
        if changed:
            work.emit(OpportunityUpdated(opportunity=opportunity, fields=changed, event_time=work.now))
        return opportunity

    async def ArchiveOpportunity(self, request: sales_pb2.ArchiveOpportunityRequest, work: Work) -> Opportunity:
        opportunity = await work.get(Opportunity, request.name, request.etag)
        work.emit(opportunity.archive(at=work.now))
        return opportunity

    async def RestoreOpportunity(self, request: sales_pb2.RestoreOpportunityRequest, work: Work) -> Opportunity:
        opportunity = await work.get(Opportunity, request.name, request.etag)
        work.emit(opportunity.restore(at=work.now))
        return opportunity

    async def AdvanceOpportunity(self, request: sales_pb2.AdvanceOpportunityRequest, work: Work) -> Opportunity:
        opportunity = await work.get(Opportunity, request.name, request.etag)
        at = work.business_time(request, "advance_time")
        stage = (await _pipeline(opportunity, work)).stage(request.stage, "stage")
        work.emit(opportunity.advance(stage, work.caller.actor, request.note, at))
        return opportunity

    async def WinOpportunity(self, request: sales_pb2.WinOpportunityRequest, work: Work) -> Opportunity:
        opportunity = await work.get(Opportunity, request.name, request.etag)
        at = work.business_time(request, "win_time")
        amount = money(request.amount, "amount") if request.HasField("amount") else None
        [account] = await work.find(Account, id=id_of(opportunity.account))
        won = opportunity.win(amount, account.display_name, request.note, at)
        for event in (*account.become_customer(at), won):
            work.emit(event)
        return opportunity

    async def LoseOpportunity(self, request: sales_pb2.LoseOpportunityRequest, work: Work) -> Opportunity:
        opportunity = await work.get(Opportunity, request.name, request.etag)
        at = work.business_time(request, "lose_time")
        (await _pipeline(opportunity, work)).check_reason(request.reason)
        work.emit(opportunity.lose(request.reason, request.note, at))
        return opportunity


async def _pipeline(opportunity: Opportunity, work: Work) -> Pipeline:
    pipeline = await work.find_one(Pipeline, id=id_of(opportunity.pipeline))
    if pipeline is None:
        raise InvalidFields(("opportunity.pipeline", f"there is no {opportunity.pipeline}"))
    return pipeline


async def _check_contact(opportunity: Opportunity, work: Work) -> None:
    """The person who matters most works for the account of the deal."""
    if not opportunity.contact:
        return
    contact = await referenced(Contact, opportunity.contact, "opportunity.contact", work)
    if contact.account != opportunity.account:
        raise InvalidFields(("opportunity.contact", f"{contact.name} is a contact of another account"))
