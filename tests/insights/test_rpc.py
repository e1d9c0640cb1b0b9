"""Insights over gRPC on a real database, after histories told by events."""

from collections import Counter
from decimal import Decimal

import pytest
from chassis.errors import InvalidFields, NotFound, PermissionDenied
from chassis.values import new_id
from crm.insights.v1 import insights_pb2 as pb
from crm.leads.v1 import events_pb2 as leads_events
from crm.marketing.v1 import events_pb2 as marketing_events
from crm.sales.v1 import events_pb2 as sales_events
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


@pytest.mark.parametrize(
    ("told", "stage"),
    [
        ((leads_events.LeadDisqualified,), pb.LOST),
        ((leads_events.LeadDisqualified, leads_events.LeadReopened), pb.OPPORTUNITY),
        ((leads_events.LeadDisqualified, leads_events.LeadReopened, leads_events.LeadDisqualified), pb.LOST),
    ],
)
async def test_a_lead_that_was_opened_again_is_not_lost(insights, told, stage):
    story = Story().lead(convert=False).added().deal(state="OPEN")
    for number, kind in enumerate(told):
        story.tell(kind, 10 + number, {"name": story.events[0].subject, "display_name": "Ida Lund"}, 3 + number)
    await story.told_to(insights)
    [path] = await journeys(insights, story)
    assert path.stage == stage


async def test_a_deal_that_was_put_away_and_brought_back_counts_again(insights):
    story = Story().lead(convert=False).added().deal(state="OPEN")
    deal = {"name": story.events[-1].subject, "display_name": "Ovens", "account": story.account}
    stages = {"OpportunityArchived": pb.QUALIFIED, "OpportunityRestored": pb.OPPORTUNITY}
    await story.told_to(insights)
    for number, (kind, stage) in enumerate(stages.items()):
        told = story.tell(getattr(sales_events, kind), 10 + number, deal, 2 + number)
        await insights.process._inbox.apply(told)
        [path] = await journeys(insights, story)
        assert path.stage == stage


async def test_a_conversion_that_was_taken_back_leaves_the_customer_as_before_and_says_so(insights):
    customers = Story().added().order()
    of_lead = Story(account=customers.account).touch().undone(at=8)
    await customers.told_to(insights)
    before = await customer(insights, customers)
    await of_lead.told_to(insights)
    after = await customer(insights, customers)
    assert list(after.journey_ids) == list(before.journey_ids) == [customers.journey]
    assert (after.stage, after.open_opportunities) == (before.stage, 0)
    told = [entry.type.rpartition(".")[2] for entry in (await timeline(insights, customers)).entries]
    assert told[-1] == "LeadConversionUndone"
    assert not {"TouchRecorded", "LeadCreated"} & set(told)


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


def the_lead(story):
    return next(event.subject for event in story.events if event.subject.startswith("leads/"))


async def test_what_was_known_of_a_merged_lead_is_part_of_the_story(insights):
    story = Story().touch(at=2).lead(at=3).added(at=5)
    earlier = new_id()
    touch = {"name": f"touches/{new_id()}", "channel": "channels/fair", "journey_id": earlier}
    story.tell(marketing_events.TouchRecorded, 0.5, touch)
    story.merged(the_lead(story), at=1, journey=earlier)
    await story.told_to(insights)
    entries = (await timeline(insights, story)).entries
    assert sorted(entry.event_id for entry in entries) == sorted(event.id for event in story.events)
    assert next(entry for entry in entries if entry.type.endswith("LeadMerged")).summary.startswith("Lead merged into")
    (path,) = await journeys(insights, story)
    assert path.journey_id == story.journey
    stages = {pb.Stage.Name(visit.stage): visit.enter_time.ToDatetime(tzinfo=day(0).tzinfo) for visit in path.stages}
    assert (stages["TOUCHED"], stages["LEAD"]) == (day(0.5), day(1))
    assert "LOST" not in stages
    assert list((await customer(insights, story)).journey_ids) == [story.journey]


async def test_a_merge_that_was_undone_takes_its_story_along(insights):
    story = Story().lead().added()
    earlier = new_id()
    story.merged(the_lead(story), at=1, journey=earlier)
    mine = story.journey
    gone = story.events[-1]
    story.journey = earlier
    apart = {"name": gone.subject, "display_name": "I. Lund", "state": "DISQUALIFIED"}
    story.tell(leads_events.LeadUnmerged, 6, apart, 4, merged_into=the_lead(story))
    story.journey = mine
    await story.told_to(insights)
    assert gone.id not in {entry.event_id for entry in (await timeline(insights, story)).entries}
    assert [path.journey_id for path in await journeys(insights, story)] == [mine]


async def test_a_lead_that_was_merged_into_one_that_was_merged_is_part_of_the_story_too(insights):
    story = Story().lead().added()
    story.merged(the_lead(story), at=1)
    middle = story.events[-1].subject
    story.merged(middle, at=1.5)
    await story.told_to(insights)
    entries = (await timeline(insights, story)).entries
    assert sorted(entry.event_id for entry in entries) == sorted(event.id for event in story.events)
    assert len(await journeys(insights, story)) == 1


async def test_leads_that_are_one_count_once(insights):
    channel = f"channels/{new_id()}"
    story = Story(channel=channel).lead()
    await story.merged(the_lead(story), at=2).told_to(insights)
    assert (await report(insights))[channel].leads == 1
