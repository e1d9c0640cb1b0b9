"""What the service desk does when others speak: it knows customers, and what contracts entitle them to.

Sales and contracts speak through streams of their own, so a contract may arrive before its account, or after the case
it covers. Each of these reactions does its part whatever came before.
"""

from datetime import datetime

from chassis.events import every, latest, on
from chassis.values import id_of
from chassis.work import Work
from crm.contracts.v1 import contracts_pb2
from crm.contracts.v1 import events_pb2 as contracts_events
from crm.sales.v1 import events_pb2 as sales_events

from chassis import convert
from service_desk.domain import Account, Case, Entitlement, EntitlementGranted


@on(sales_events.AccountCreated, sales_events.AccountUpdated, sales_events.AccountBecameCustomer, keep=latest)
async def know_account(event: sales_events.AccountUpdated, work: Work) -> None:
    told = event.account
    account = await work.get_or_add(Account(id=id_of(told.name)))
    account.display_name, account.journey_id = told.display_name, told.journey_id
    account.owner, account.team = told.owner, told.team


@on(contracts_events.ContractActivated, keep=every)
async def grant_entitlements(event: contracts_events.ContractActivated, work: Work) -> None:
    """One entitlement for each term of the contract; the account's waiting cases get what covers them."""
    contract = event.contract
    at = convert.moment(event.event_time, "event_time")
    granted = [await _grant(contract, term, at, work) for term in contract.entitlement_terms]
    account = await work.get_or_add(_account_of(contract))
    account.turns += 1
    for case in await work.find(Case, account=contract.account, unentitled=True):
        if (found := case.late_match(granted)) and case.open_time:
            work.emit(case.attach(found, at=max(at, case.open_time)))


async def _grant(
    contract: contracts_pb2.Contract, term: contracts_pb2.EntitlementTerm, at: datetime, work: Work
) -> Entitlement:
    known = await work.find_one(Entitlement, id=id_of(term.entitlement))
    if known:
        return known
    entitlement = Entitlement(
        id=id_of(term.entitlement),
        owner=contract.owner,
        team=contract.team,
        journey_id=contract.journey_id,
        account=contract.account,
        contract=contract.name,
        contract_version=contract.version,
        service_level=term.service_level,
        start_time=convert.moment(term.start_time, "start_time"),
        end_time=convert.moment(term.end_time, "end_time") if term.HasField("end_time") else None,
    )
    work.emit(EntitlementGranted(entitlement=work.add(entitlement), event_time=at))
    return entitlement


def _account_of(contract: contracts_pb2.Contract) -> Account:
    """The customer as far as a contract tells it, until sales does."""
    return Account(
        id=id_of(contract.account),
        display_name=contract.account_display_name,
        owner=contract.owner,
        team=contract.team,
        journey_id=contract.journey_id,
    )
