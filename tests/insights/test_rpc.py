"""Insights over gRPC on a real database, after histories told by events."""

from collections import Counter
from decimal import Decimal

import pytest
from chassis.errors import InvalidFields, NotFound, PermissionDenied
from chassis.values import new_id
from crm.insights.v1 import insights_pb2 as pb
from crm.marketing.v1 import events_pb2 as marketing_events
from histories import Story, day
from hypothesis import given, settings
from hypothesis import strategies as st


async def call(insights, method, request, by="users/root"):
    return await insights.call(f"InsightsService/{method}", request, by=by)


async def customer(insights, story, by="users/root"):
    return await call(insights, "GetCustomer", pb.GetCustomerRequest(name=story.customer), by)


async def timeline(insights, story, by="users/root", **paging):
    return await call(insights, "ListTimeline", pb.ListTimelineRequest(parent=story.customer, **paging), by)


async def journeys(insights, story, by="users/root"):
    return (await call(insights, "ListJourneys", pb.ListJourneysRequest(parent=story.customer), by)).journeys


async def report(insights):
    answer = await call(insights, "GetChannelReport", pb.GetChannelReportRequest())
    return {line.name: line for line in answer.channels}


async def test_a_customer_is_told_on_one_page(insights):
    story = await Story().whole().order(units=50).told_to(insights)
    found = await customer(insights, story)
    assert (found.name, found.account, found.display_name) == (story.customer, story.account, "Harbour Bakery")
    assert (found.owner, found.team, found.channel) == ("users/ana", "teams/north", "channels/search")
    assert (found.won_opportunities, found.active_contracts, found.orders, found.cases) == (1, 1, 2, 1)
    assert (found.open_opportunities, found.lost_opportunities) == (0, 0)
    assert (found.open_cases, found.open_activities) == (1, 1)
    assert (found.revenue, found.currency, list(found.other_revenue)) == ("150.00", "EUR", [])
    assert found.stage == pb.CASE
    assert list(found.journey_ids) == [story.journey]
    assert [(one.display_name, one.buying_role) for one in found.contacts] == [("Ida Lund", "DECISION_MAKER")]
    assert found.last_event_time.ToDatetime(tzinfo=day(0).tzinfo) == day(7)
    assert {"leads", "sales", "marketing", "contracts", "service-desk"} <= set(found.freshness)
    assert found.freshness["leads"].position == 1


async def test_orders_in_two_currencies_are_not_added_up(insights):
    story = await Story().added().order(units=1).order(units=2).order(units=9, currency="USD").told_to(insights)
    found = await customer(insights, story)
    assert (found.revenue, found.currency) == ("3.00", "EUR")
    assert [(other.amount, other.currency) for other in found.other_revenue] == [("9.00", "USD")]


async def test_what_is_closed_is_not_open(insights):
    story = await Story().added().deal(state="LOST").deal(state="OPEN").complaint(resolve=True).told_to(insights)
    found = await customer(insights, story)
    assert (found.open_opportunities, found.won_opportunities, found.lost_opportunities) == (1, 0, 1)
    assert (found.open_cases, found.cases) == (0, 1)


async def test_an_account_of_which_nothing_else_is_known_is_a_customer_page_too(insights):
    found = await customer(insights, await Story().added().told_to(insights))
    assert (found.revenue, found.orders, found.stage) == ("0.00", 0, pb.STAGE_UNSPECIFIED)


async def test_the_timeline_holds_every_event_of_all_services_in_business_order(insights):
    story = await Story().whole().told_to(insights)
    entries = (await timeline(insights, story)).entries
    assert sorted(entry.event_id for entry in entries) == sorted(event.id for event in story.events)
    keys = [(entry.event_time.ToDatetime(), entry.event_id) for entry in entries]
    assert keys == sorted(keys)
    assert {entry.service for entry in entries} == {"marketing", "leads", "sales", "contracts", "service-desk"}


async def test_an_entry_says_what_happened_who_did_it_and_in_which_trace(insights):
    story = await Story().whole().told_to(insights)
    won = next(e for e in (await timeline(insights, story)).entries if e.type == "crm.sales.v1.OpportunityWon")
    assert won.summary == "Deal Ovens won: 900 EUR"
    assert dict(won.parameters) == {"display_name": "Ovens", "amount": "900 EUR"}
    assert (won.actor, won.journey_id) == ("users/ana", story.journey)
    assert won.subject.startswith("opportunities/")
    assert len(won.trace_id) == 32
    assert (won.span.operation, won.span.duration.ToMicroseconds(), won.span.outcome) == ("test", 1000, "OK")


async def test_pages_of_a_timeline_hold_each_entry_once_while_others_insert(insights):
    story = await Story().whole().told_to(insights)
    seen, token = [], ""
    while True:
        page = await timeline(insights, story, page_size=3, page_token=token)
        seen += [entry.event_id for entry in page.entries]
        token = page.next_page_token
        if not token:
            break
        await Story(account=story.account, journey=story.journey).touch(at=-1).told_to(insights)
    known = {event.id for event in story.events}
    assert len(seen) == len(set(seen))
    assert known <= set(seen)


async def test_a_page_token_belongs_to_one_timeline_and_one_caller(insights):
    story, other = await Story().whole().told_to(insights), await Story().whole().told_to(insights)
    token = (await timeline(insights, story, page_size=3)).next_page_token
    with pytest.raises(InvalidFields, match="page_token"):
        await timeline(insights, other, page_token=token)
    with pytest.raises(InvalidFields, match="page_token"):
        await timeline(insights, story, by="users/ana", page_token=token)
    with pytest.raises(InvalidFields, match="page_token"):
        await timeline(insights, story, page_token="x" + token)


async def test_entries_of_another_account_on_the_same_journey_stay_with_that_account(insights):
    story = await Story().lead().added().told_to(insights)
    other = await Story(journey=story.journey).added(name="Other").complaint().told_to(insights)
    mine = (await timeline(insights, story)).entries
    assert not {event.id for event in other.events} & {entry.event_id for entry in mine}
    assert (await customer(insights, story)).cases == 0


async def test_a_journey_tells_its_stages_waits_and_traces(insights):
    story = await Story().whole().told_to(insights)
    [path] = await journeys(insights, story)
    names = [pb.Stage.Name(visit.stage) for visit in path.stages]
    assert names == ["TOUCHED", "LEAD", "QUALIFIED", "OPPORTUNITY", "CUSTOMER", "CONTRACT", "ORDERED", "CASE"]
    assert all(visit.wait.ToSeconds() == 86_400 for visit in path.stages[1:])
    assert (path.journey_id, path.stage, path.out_of_order) == (story.journey, pb.CASE, False)
    assert path.duration.ToSeconds() == 7 * 86_400
    assert len(path.trace_ids) == 8


async def test_a_win_before_the_first_contact_is_shown_and_flagged(insights):
    story = await Story().lead(at=5).added().deal(at=8, close=2).told_to(insights)
    [path] = await journeys(insights, story)
    won = next(visit for visit in path.stages if visit.stage == pb.CUSTOMER)
    assert path.stages[0] == won
    assert (won.wait.ToSeconds(), won.out_of_order, path.out_of_order) == (-6 * 86_400, True, True)
    assert path.bottleneck == pb.OPPORTUNITY


async def test_an_account_may_have_several_journeys(insights):
    story = await Story().whole().told_to(insights)
    second = await Story(account=story.account).lead(at=100).deal(at=105, state="LOST", close=109).told_to(insights)
    paths = await journeys(insights, story)
    assert [path.journey_id for path in paths] == [story.journey, second.journey]
    found = await customer(insights, story)
    assert list(found.journey_ids) == [story.journey, second.journey]
    assert found.stage == pb.LOST


async def test_whoever_may_not_see_the_account_finds_nothing(insights):
    story = await Story(owner="users/ana", team="teams/north").whole().told_to(insights)
    for by in ("users/ana", "users/mira", "users/dora", "users/root"):
        assert (await customer(insights, story, by)).account == story.account
    for ask in (customer, timeline, journeys):
        with pytest.raises(NotFound):
            await ask(insights, story, "users/chen")
    with pytest.raises(PermissionDenied):
        await customer(insights, story, "serviceAccounts/erp")


async def test_a_name_that_is_none_finds_nothing(insights):
    for name in ("customers/nobody", f"customers/{new_id()}"):
        with pytest.raises(NotFound):
            await call(insights, "GetCustomer", pb.GetCustomerRequest(name=name))


async def test_a_list_shows_the_customers_within_reach_page_by_page(insights):
    channel = f"channels/{new_id()}"
    mine = [await Story(channel=channel).whole().told_to(insights) for _ in range(3)]
    hidden = await Story(channel=channel, owner="users/chen", team="teams/south").added().told_to(insights)
    request = pb.ListCustomersRequest(page_size=2, filter=f'channel = "{channel}"')
    first = await call(insights, "ListCustomers", request, "users/ana")
    request.page_token = first.next_page_token
    second = await call(insights, "ListCustomers", request, "users/ana")
    found = [*first.customers, *second.customers]
    assert [item.account for item in found] == [story.account for story in reversed(mine)]
    assert not second.next_page_token
    assert all((item.revenue, item.cases, item.stage) == ("100.00", 1, pb.CASE) for item in found)
    request = pb.ListCustomersRequest(filter=f'channel = "{channel}"')
    assert hidden.account in [item.account for item in (await call(insights, "ListCustomers", request)).customers]


async def test_a_channel_is_called_by_its_own_text(insights):
    name = f"channels/{new_id()}"
    await Story(channel=name).lead().told_to(insights)
    assert (await report(insights))[name].channel == name.removeprefix("channels/")
    await insights.react(marketing_events.ChannelCreated(channel={"name": name, "display_name": "Blank"}))
    assert (await report(insights))[name].channel == "Blank"


async def test_the_report_is_not_for_everybody(insights):
    with pytest.raises(PermissionDenied):
        await call(insights, "GetChannelReport", pb.GetChannelReportRequest(), "users/ana")


visits = st.lists(
    st.tuples(
        st.integers(0, 2), st.booleans(), st.sampled_from(["WON", "LOST", "OPEN", ""]), st.lists(st.integers(1, 999))
    ),
    max_size=6,
)


@settings(max_examples=12, deadline=None)
@given(visits)
async def test_the_channel_report_equals_a_plain_count(insights, rows):
    """Each row: a channel, whether it was a lead, how its deal ended, and its orders."""
    channels = [f"channels/{new_id()}" for _ in range(3)]
    leads, customers, revenue = Counter(), Counter(), Counter()
    for number, is_lead, state, orders in rows:
        story = Story(channel=channels[number]).added()
        if is_lead:
            story.lead()
        if state:
            story.deal(state=state)
        for units in orders:
            story.order(units=units)
        await story.told_to(insights)
        leads[number] += is_lead
        customers[number] += state == "WON"
        revenue[number] += sum(orders)
    lines = await report(insights)
    for number, name in enumerate(channels):
        line = lines.get(name, pb.ChannelFigures(revenue="0.00"))
        assert (line.leads, line.customers) == (leads[number], customers[number])
        assert Decimal(line.revenue) == revenue[number]
        expected = min(customers[number] / leads[number], 1) if leads[number] else 0
        assert line.conversion == pytest.approx(expected)
