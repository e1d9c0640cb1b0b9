"""AcceptLead: a converted lead becomes an account, a contact and a deal, once, however often it is asked for."""

from datetime import datetime

from chassis.convert import from_message, moment
from chassis.values import ExternalId, derived_id, id_of
from chassis.work import Work
from crm.sales.v1 import sales_pb2

from sales.domain.account import Account, AccountCreated
from sales.domain.contact import Contact, ContactCreated
from sales.domain.opportunity import Opportunity
from sales.domain.pipeline import Pipeline
from sales.references import refuse_taken, team_of


class LeadAcceptance:
    async def AcceptLead(self, request: sales_pb2.AcceptLeadRequest, work: Work) -> sales_pb2.AcceptLeadResponse:
        """The ids are derived from the lead's name: who asks again, or loses the race, finds all three. One stands
        for all, since they are written in one transaction."""
        work.retry_conflicts = True
        names = sales_pb2.AcceptLeadResponse(
            account=f"accounts/{derived_id(f'account of {request.lead}')}",
            contact=f"contacts/{derived_id(f'contact of {request.lead}')}",
            opportunity=f"opportunities/{derived_id(f'opportunity of {request.lead}')}",
        )
        if await work.find_one(Account, id=id_of(names.account)) is None:
            await _make(request, names, work)
        return names


async def _make(request: sales_pb2.AcceptLeadRequest, names: sales_pb2.AcceptLeadResponse, work: Work) -> None:
    # leads judged the time already; a clock that is a moment behind must not judge otherwise and undo a conversion
    at = moment(request.convert_time, "convert_time") if request.HasField("convert_time") else work.now
    account = await _account(request, names, work)
    work.emit(AccountCreated(account=work.add(account), event_time=at))
    contact = Contact(
        id=id_of(names.contact),
        display_name=request.contact_display_name or account.display_name,
        account=account.name,
        owner=account.owner,
        team=account.team,
        journey_id=account.journey_id,
        email=request.email,
        phone=request.phone,
    )
    contact.normalise()
    work.emit(ContactCreated(contact=work.add(contact), event_time=at))
    await _open_deal(request, account, names, at, work)


async def _account(request: sales_pb2.AcceptLeadRequest, names: sales_pb2.AcceptLeadResponse, work: Work) -> Account:
    owner = request.account_owner or request.opportunity_owner or work.caller.actor
    account = Account(
        id=id_of(names.account),
        display_name=request.account_display_name,
        owner=owner,
        team=await team_of(owner, work),
        journey_id=request.journey_id,
        external_ids=[from_message(key, ExternalId) for key in request.account_external_ids],
        lead=request.lead,
        channel=request.channel,
    )
    await refuse_taken(account, work)
    return account


async def _open_deal(
    request: sales_pb2.AcceptLeadRequest,
    account: Account,
    names: sales_pb2.AcceptLeadResponse,
    at: datetime,
    work: Work,
) -> None:
    owner = request.opportunity_owner or account.owner
    deal = Opportunity(
        id=id_of(names.opportunity),
        display_name=request.opportunity_display_name or account.display_name,
        account=account.name,
        contact=names.contact,
        owner=owner,
        team=await team_of(owner, work),
        journey_id=account.journey_id,
        lead=request.lead,
        channel=account.channel,
    )
    pipeline = await work.get(Pipeline, Pipeline.DEFAULT)
    work.emit(work.add(deal).open(pipeline.stages[0], work.caller.actor, at))
