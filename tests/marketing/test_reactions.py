"""What marketing learns from leads, deals and orders, in any order of their events."""

from itertools import permutations

from chassis.values import new_id
from crm.leads.v1 import events_pb2 as leads_events
from crm.leads.v1 import leads_pb2
from crm.marketing.v1 import marketing_pb2 as pb
from crm.sales.v1 import events_pb2 as sales_events
from marketing.tables import COUNTED

from chassis import figures


async def performance(marketing, channel):
    request = pb.ListChannelPerformanceRequest()
    answer = await marketing.call("MarketingService/ListChannelPerformance", request, by="users/marta")
    return next((line for line in answer.channels if line.channel == channel), None)


def lead(kind, name, channel, version=1):
    return kind(lead={"name": name, "channel": channel, "etag": str(version), "journey_id": new_id()})


def customer(channel, account=""):
    known = {"name": account or f"accounts/{new_id()}", "channel": channel, "customer_time": {"seconds": 1_700_000_000}}
    return sales_events.AccountBecameCustomer(account=known)


def order(channel, units, currency="EUR", name=""):
    worth = {"currency_code": currency, "units": units}
    return sales_events.OrderRecorded(
        order={
            "name": name or f"orders/{new_id()}",
            "channel": channel,
            "account": f"accounts/{new_id()}",
            "amount": worth,
        }
    )


async def spend(marketing, channel, units):
    entry = {"channel": channel, "spend_date": {"year": 2026, "month": 1, "day": 1}}
    entry["amount"] = {"currency_code": "EUR", "units": units}
    request = pb.CreateSpendEntryRequest(spend_entry=entry)
    await marketing.call("MarketingService/CreateSpendEntry", request, by="users/marta")


async def channel_named(marketing, display_name):
    slug = f"c{new_id()}"
    request = pb.CreateChannelRequest(channel={"display_name": display_name}, channel_id=slug)
    return (await marketing.call("MarketingService/CreateChannel", request, by="users/marta")).name


async def test_a_channel_counts_its_leads_customers_revenue_and_cost(marketing):
    name = await channel_named(marketing, "Trade fair")
    for _ in range(3):
        await marketing.react(lead(leads_events.LeadCreated, f"leads/{new_id()}", name))
    for event in (customer(name), customer(name), order(name, 80)):
        await marketing.react(event)
    await spend(marketing, name, 25)
    line = await performance(marketing, name)
    assert (line.display_name, line.leads, line.customers) == ("Trade fair", 3, 2)
    assert (line.revenue, line.spend, line.cac, line.currency) == ("80.00", "25.00", "12.50", "EUR")


async def test_an_event_that_comes_twice_counts_once(marketing):
    name, same = f"channels/{new_id()}", new_id()
    assert await marketing.react(order(name, 5), id=same)
    assert not await marketing.react(order(name, 5), id=same)
    assert (await performance(marketing, name)).revenue == "5.00"


async def test_a_lead_counts_for_the_channel_it_has_now_whatever_the_order_of_its_events(marketing):
    before, after = f"channels/{new_id()}", f"channels/{new_id()}"
    for order_of_events in permutations((1, 2, 3)):
        name = f"leads/{new_id()}"
        events = {
            1: lead(leads_events.LeadCreated, name, before, 1),
            2: lead(leads_events.LeadUpdated, name, "", 2),
            3: lead(leads_events.LeadUpdated, name, after, 3),
        }
        for version in order_of_events:
            await marketing.react(events[version])
    assert await performance(marketing, before) is None
    assert (await performance(marketing, after)).leads == 6


async def test_an_account_counts_once_it_is_a_customer_for_whose_it_is_now(marketing):
    name, account = f"channels/{new_id()}", f"accounts/{new_id()}"
    told = customer(name, account).account
    prospect = {"name": account, "channel": name}
    await marketing.react(sales_events.AccountUpdated(account=prospect), version=2)
    assert await performance(marketing, name) is None
    await marketing.react(sales_events.AccountBecameCustomer(account=told), version=3)
    told.owner = "users/chen"
    await marketing.react(sales_events.AccountUpdated(account=told), version=4)
    assert (await performance(marketing, name)).customers == 1
    [row] = await marketing.rows("SELECT owner FROM known_customers WHERE account = $1", account)
    assert row["owner"] == "users/chen"


async def test_an_order_told_again_replaces_what_was_known(marketing):
    channel, name = f"channels/{new_id()}", f"orders/{new_id()}"
    await marketing.react(order(channel, 7, name=name), version=2)
    await marketing.react(order(channel, 5, name=name), version=1)
    assert (await performance(marketing, channel)).revenue == "7.00"


async def test_the_figures_are_what_a_recount_finds(marketing):
    name, account = f"channels/{new_id()}", f"accounts/{new_id()}"
    for event in (lead(leads_events.LeadCreated, f"leads/{new_id()}", name), customer(name, account), order(name, 12)):
        await marketing.react(event)
    told_again = customer(name, account).account
    told_again.owner = "users/chen"
    await marketing.react(sales_events.AccountUpdated(account=told_again), version=2)
    for _ in range(2):
        kept = await marketing.rows(figures.KEPT)
        assert kept
        assert kept == await marketing.rows(figures.recounted(COUNTED))
        await figures.fold_once(marketing.process.context)


async def test_leads_that_are_one_count_once_in_any_order(marketing):
    for number, order in enumerate(permutations(range(3))):
        channel, name = f"channels/merged-{number}-{new_id()}", f"leads/{new_id()}"
        gone = lead(leads_events.LeadMerged, name, channel, 2)
        gone.lead.state = leads_pb2.Lead.MERGED
        erased = lead(leads_events.LeadUpdated, name, channel, 3)
        erased.lead.state = leads_pb2.Lead.MERGED
        told = [lead(leads_events.LeadCreated, name, channel), gone, erased]
        for at in order:
            await marketing.react(told[at])
        assert await performance(marketing, channel) is None
        await marketing.react(lead(leads_events.LeadUnmerged, name, channel, 4))
        assert (await performance(marketing, channel)).leads == 1
