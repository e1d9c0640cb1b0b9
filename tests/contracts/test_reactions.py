"""What contracts does when sales speaks."""

import asyncio

from chassis.values import new_id
from crm.contracts.v1 import contracts_pb2 as pb
from crm.sales.v1 import events_pb2 as sales_events
from crm.sales.v1 import sales_pb2


def won(**fields):
    known = {
        "name": f"opportunities/{new_id()}",
        "display_name": "Ovens",
        "owner": "users/chen",
        "team": "teams/south",
        "journey_id": new_id(),
        "account": f"accounts/{new_id()}",
        "amount": {"currency_code": "BRL", "units": 99, "nanos": 500_000_000},
    }
    deal = sales_pb2.Opportunity(**(known | fields))
    return sales_events.OpportunityWon(
        opportunity=deal, event_time={"seconds": 1_525_810_679}, account_display_name="Padaria São João"
    )


async def drafted(contracts, event):
    name = event.opportunity.name.replace("opportunities/", "contracts/")
    return await contracts.call("ContractService/GetContract", pb.GetContractRequest(name=name), by="users/root")


async def test_a_won_deal_becomes_a_draft_of_its_owner_under_the_same_id(contracts):
    event = won()
    await contracts.react(event)
    deal, made = event.opportunity, await drafted(contracts, event)
    assert (made.opportunity, made.account, made.journey_id) == (deal.name, deal.account, deal.journey_id)
    assert (made.owner, made.team, made.amount) == (deal.owner, deal.team, deal.amount)
    assert made.account_display_name == "Padaria São João"
    assert (made.template, made.template_version) == ("contractTemplates/standard", 1)
    (row,) = await contracts.rows("SELECT event_time, journey_id FROM outbox WHERE subject = $1", made.name)
    assert int(row["event_time"].timestamp()) == 1_525_810_679
    assert str(row["journey_id"]) == deal.journey_id


async def test_a_deal_without_an_amount_becomes_a_draft_without_one(contracts):
    event = won(amount=None)
    await contracts.react(event)
    assert not (await drafted(contracts, event)).HasField("amount")


async def test_a_deal_won_twice_has_one_contract(contracts):
    event = won()
    await asyncio.gather(contracts.react(event), contracts.react(event))
    await contracts.react(event, version=7)
    assert await contracts.events((await drafted(contracts, event)).name) == ["ContractDrafted"]


async def test_an_account_is_known_by_its_latest_name(contracts):
    known = sales_pb2.Account(name=f"accounts/{new_id()}", display_name="New name", journey_id=new_id())
    await contracts.react(sales_events.AccountUpdated(account=known), version=2)
    known.display_name = "Old name"
    await contracts.react(sales_events.AccountCreated(account=known), version=1)
    given = {"display_name": "x", "account": known.name}
    request = pb.CreateContractRequest(contract=given)
    made = await contracts.call("ContractService/CreateContract", request, by="users/root")
    assert made.account_display_name == "New name"
