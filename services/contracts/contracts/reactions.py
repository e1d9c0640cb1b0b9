"""What contracts does when others speak: a won deal becomes a draft; customers are known by name and journey."""

from chassis.events import every, latest, on
from chassis.values import id_of
from chassis.work import Work
from crm.sales.v1 import events_pb2 as sales_events

from chassis import convert
from contracts import tables
from contracts.domain import Account, Contract, ContractTemplate


@on(sales_events.OpportunityWon, keep=every)
async def draft_contract(event: sales_events.OpportunityWon, work: Work) -> None:
    """The draft has the deal's id, so a deal won twice has one contract. Its author is the deal's owner."""
    deal, won = event.opportunity, work.event
    if won is None or await work.find_one(Contract, id=id_of(deal.name)):
        return
    template = await work.get(ContractTemplate, ContractTemplate.STANDARD)
    contract = Contract(
        id=id_of(deal.name),
        display_name=deal.display_name or event.account_display_name,
        owner=deal.owner,
        team=deal.team,
        journey_id=won.journey_id or deal.journey_id,
        account=deal.account,
        account_display_name=event.account_display_name,
        opportunity=deal.name,
        amount=convert.money(deal.amount, "amount") if deal.HasField("amount") else None,
    )
    number = await work.next_number(tables.NUMBERS)
    work.emit(work.add(contract).draft(template, number, by=deal.owner, at=won.event_time))


@on(sales_events.AccountCreated, sales_events.AccountUpdated, sales_events.AccountBecameCustomer, keep=latest)
async def know_account(event: sales_events.AccountUpdated, work: Work) -> None:
    account = await work.get_or_add(Account(id=id_of(event.account.name)))
    account.display_name, account.journey_id = event.account.display_name, event.account.journey_id
    account.owner, account.team = event.account.owner, event.account.team
