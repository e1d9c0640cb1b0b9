"""A converted lead becomes, or finds, an account, a contact and a deal, once, however often it is asked for; and how
that is taken back."""

from collections.abc import Sequence
from datetime import datetime

from chassis.convert import from_message, moment
from chassis.custom_values import Values, carried
from chassis.values import ExternalId, derived_id, id_of
from chassis.work import Work
from crm.sales.v1 import lead_acceptance_pb2, sales_pb2
from google.protobuf.json_format import MessageToDict

from sales import tables
from sales.domain.account import Account, AccountCreated
from sales.domain.contact import Contact, ContactCreated
from sales.domain.lead_acceptance import Candidate, Choice, ConversionNotKnown, LeadAcceptance, R
from sales.domain.opportunity import Opportunity
from sales.domain.pipeline import Pipeline
from sales.matching import match
from sales.references import OWN_KINDS, refuse_taken, team_of


class LeadAcceptanceService:
    descriptor = lead_acceptance_pb2.DESCRIPTOR.services_by_name["LeadAcceptanceService"]

    async def MatchLead(
        self, request: lead_acceptance_pb2.MatchLeadRequest, work: Work
    ) -> lead_acceptance_pb2.MatchLeadResponse:
        found = await match(request.facts, request.targets, work, request.similar_accounts)
        facts, choice = request.facts, found.choice
        account_called = choice.account.display_name if choice.account else facts.account_display_name
        deal_called = "" if choice.no_deal else facts.opportunity_display_name or account_called
        return lead_acceptance_pb2.MatchLeadResponse(
            account=_told(choice.account, account_called, found.accounts),
            contact=_told(choice.contact, facts.contact_display_name or account_called, found.contacts),
            opportunity=_told(choice.opportunity, deal_called, found.opportunities),
        )

    async def LinkLead(
        self, request: lead_acceptance_pb2.LinkLeadRequest, work: Work
    ) -> lead_acceptance_pb2.LinkLeadResponse:
        work.retry_conflicts = True
        kept = await _kept(request.facts.lead, request.attempt, work)
        if kept is None:
            choice = (await match(request.facts, request.targets, work)).choice
            kept = await _make(request.facts, request.attempt, choice, work)
        return lead_acceptance_pb2.LinkLeadResponse(
            account=kept.account, contact=kept.contact, opportunity=kept.opportunity
        )

    async def ReleaseLead(
        self, request: lead_acceptance_pb2.ReleaseLeadRequest, work: Work
    ) -> lead_acceptance_pb2.ReleaseLeadResponse:
        kept = await _kept(request.lead, request.attempt, work)
        if kept is None:
            raise ConversionNotKnown(lead=request.lead)
        if not kept.release_time:
            await _release(kept, work)
        return lead_acceptance_pb2.ReleaseLeadResponse(archived=kept.archived)


class AcceptLead:
    async def AcceptLead(self, request: sales_pb2.AcceptLeadRequest, work: Work) -> sales_pb2.AcceptLeadResponse:
        """The ids are derived from the lead's name: who asks again, or loses the race, finds all three. One stands
        for all, since they are written in one transaction."""
        work.retry_conflicts = True
        names = _names(request.lead, 0)
        if await work.find_one(Account, id=id_of(names.account)) is None:
            await _make(request, 0, Choice(), work)
        return sales_pb2.AcceptLeadResponse(account=names.account, contact=names.contact, opportunity=names.opportunity)


async def _kept(lead: str, attempt: int, work: Work) -> LeadAcceptance | None:
    return await work.find_one(LeadAcceptance, id=LeadAcceptance.id_of(lead, attempt))


def _names(lead: str, attempt: int) -> LeadAcceptance:
    """What a conversion that makes all three calls them."""
    key = LeadAcceptance.key(lead, attempt)
    return LeadAcceptance(
        id=LeadAcceptance.id_of(lead, attempt),
        lead=lead,
        account=f"accounts/{derived_id(f'account of {key}')}",
        contact=f"contacts/{derived_id(f'contact of {key}')}",
        opportunity=f"opportunities/{derived_id(f'opportunity of {key}')}",
    )


async def _make(request: sales_pb2.AcceptLeadRequest, attempt: int, choice: Choice, work: Work) -> LeadAcceptance:
    """Makes what is not linked, and notes which is which."""
    # leads judged the time already; a clock that is a moment behind must not judge otherwise and undo a conversion
    at = moment(request.convert_time, "convert_time") if request.HasField("convert_time") else work.now
    names = _names(request.lead, attempt)
    account = choice.account or await _account(request, names, work)
    if account is not choice.account:
        work.emit(AccountCreated(account=work.add(account), event_time=at))
    contact = choice.contact or _contact(request, names, account)
    if contact is not choice.contact:
        work.emit(ContactCreated(contact=work.add(contact), event_time=at))
    deal = choice.opportunity
    if deal is None and not choice.no_deal:
        deal = await _deal(request, account, contact, names, at, work)
    made = (account, choice.account), (contact, choice.contact), (deal, choice.opportunity)
    names.account, names.contact, names.opportunity = account.name, contact.name, deal.name if deal else ""
    names.made = [record.name for record, linked in made if record and linked is None]
    return work.add(names)


async def _account(request: sales_pb2.AcceptLeadRequest, names: LeadAcceptance, work: Work) -> Account:
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
        custom=_custom(Account, request, work),
    )
    await refuse_taken(account, work)
    return account


def _custom(kind: type[Account] | type[Opportunity], request: sales_pb2.AcceptLeadRequest, work: Work) -> Values:
    """What the lead's own fields say that records of this kind have a field for, too."""
    known = work.context.custom_fields
    return carried(MessageToDict(request.custom), known.of("leads"), known.of(kind.collection))


def _contact(request: sales_pb2.AcceptLeadRequest, names: LeadAcceptance, account: Account) -> Contact:
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
    return contact


async def _deal(
    request: sales_pb2.AcceptLeadRequest,
    account: Account,
    contact: Contact,
    names: LeadAcceptance,
    at: datetime,
    work: Work,
) -> Opportunity:
    """It goes on with the lead's journey: an account that is linked has been on others."""
    owner = request.opportunity_owner or account.owner
    deal = Opportunity(
        id=id_of(names.opportunity),
        display_name=request.opportunity_display_name or account.display_name,
        account=account.name,
        contact=contact.name,
        owner=owner,
        team=await team_of(owner, work),
        journey_id=request.journey_id,
        lead=request.lead,
        channel=request.channel,
        custom=_custom(Opportunity, request, work),
    )
    pipeline = await work.get(Pipeline, Pipeline.DEFAULT)
    work.emit(work.add(deal).open(pipeline.stages[0], work.caller.actor, at))
    return deal


async def _release(kept: LeadAcceptance, work: Work) -> None:
    """Puts away what the conversion made, if nobody touched or used it since. The external ids of an account that is
    put away are free again, for the account that the lead becomes next."""
    records: dict[str, Account | Contact | Opportunity] = {}
    for name in {*kept.made, kept.opportunity} - {""}:
        record = await work.find_one(OWN_KINDS[name.partition("/")[0]], id=id_of(name))
        assert isinstance(record, Account | Contact | Opportunity)  # records are never deleted
        records[name] = record
    added = await work.rows(tables.USES, made=kept.made, lead=kept.lead)
    kept.refuse_built_upon(records, [row["name"] for row in added])
    for name in kept.made:
        record = records[name]
        if record.archive_time is None:
            record.external_ids = []
            work.emit(record.archive(work.now))
            kept.archived = [*kept.archived, name]
    kept.release_time = work.now


def _told(chosen: R | None, called: str, found: Sequence[Candidate[R]]) -> lead_acceptance_pb2.RecordMatch:
    return lead_acceptance_pb2.RecordMatch(
        name=chosen.name if chosen else "",
        display_name=chosen.display_name if chosen else called,
        candidates=[
            lead_acceptance_pb2.RecordCandidate(
                name=one.record.name,
                display_name=one.record.display_name,
                reasons=[reason.name for reason in one.reasons],
            )
            for one in found[:20]
        ],
    )
