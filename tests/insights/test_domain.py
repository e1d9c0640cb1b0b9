"""How journeys and reports are counted, without anything around them."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from insights.domain import Entering, Revenue, Stage, channel_lines, in_time_order, journey, revenue_line

START = datetime(2026, 1, 1, tzinfo=UTC)
stages = st.sampled_from(list(Stage))


def entered(*steps):
    """`(Stage.LEAD, 3)`: a lead since day 3."""
    return [
        Entering(stage=stage, enter_time=START + timedelta(days=day), trace_id=f"{stage.value:032x}")
        for stage, day in steps
    ]


def waits(path):
    return {visit.entering.stage: visit.wait and visit.wait.days for visit in path.visits}


def test_a_wait_is_counted_from_the_stage_before():
    path = journey("j", entered((Stage.TOUCHED, 0), (Stage.LEAD, 2), (Stage.CUSTOMER, 9)))
    assert waits(path) == {Stage.TOUCHED: None, Stage.LEAD: 2, Stage.CUSTOMER: 7}
    assert (path.stage, path.bottleneck, path.duration) == (Stage.CUSTOMER, Stage.CUSTOMER, timedelta(days=9))
    assert not path.out_of_order


def test_a_win_before_the_first_contact_is_kept_and_flagged():
    path = journey("j", entered((Stage.LEAD, 2), (Stage.CUSTOMER, 0)))
    assert waits(path) == {Stage.CUSTOMER: -2, Stage.LEAD: None}
    assert path.out_of_order
    assert [visit.out_of_order for visit in path.visits] == [True, False]
    assert path.bottleneck is None


def test_a_stage_counts_from_its_first_entering():
    path = journey("j", entered((Stage.ORDERED, 5), (Stage.ORDERED, 3), (Stage.CUSTOMER, 1)))
    assert waits(path) == {Stage.CUSTOMER: None, Stage.ORDERED: 2}


def test_a_deal_lost_before_anything_was_bought_is_lost():
    assert journey("j", entered((Stage.LEAD, 0), (Stage.LOST, 4))).stage is Stage.LOST


def test_a_customer_that_lost_one_deal_stays_a_customer():
    path = journey("j", entered((Stage.OPPORTUNITY, 0), (Stage.LOST, 4), (Stage.CUSTOMER, 9)))
    assert path.stage is Stage.CUSTOMER
    assert waits(path) == {Stage.OPPORTUNITY: None, Stage.LOST: 4, Stage.CUSTOMER: 9}
    assert not path.out_of_order


def test_a_journey_without_stages_is_nowhere():
    path = journey("j", [])
    assert (path.stage, path.bottleneck, path.duration, path.trace_ids) == (None, None, timedelta(0), [])


def test_journeys_come_oldest_first_and_those_without_stages_last():
    late, early = journey("late", entered((Stage.LEAD, 3))), journey("early", entered((Stage.LEAD, 1)))
    found = in_time_order([journey("none", []), late, early])
    assert [path.journey_id for path in found] == ["early", "late", "none"]


@given(st.lists(st.tuples(stages, st.integers(0, 50)), max_size=12), st.randoms())
def test_the_order_of_enterings_does_not_matter(steps, random):
    shuffled = steps[:]
    random.shuffle(shuffled)
    assert journey("j", entered(*steps)) == journey("j", entered(*shuffled))


@given(st.lists(st.tuples(stages.filter(lambda stage: stage is not Stage.LOST), st.integers(0, 50)), max_size=12))
def test_the_waits_add_up_from_the_first_stage_to_the_furthest(steps):
    path = journey("j", entered(*steps))
    in_order = sorted(path.visits, key=lambda visit: visit.entering.stage.value)
    total = sum((visit.wait for visit in in_order[1:]), timedelta(0))
    assert not in_order or total == in_order[-1].entering.enter_time - in_order[0].entering.enter_time
    assert [visit.entering.enter_time for visit in path.visits] == sorted(v.entering.enter_time for v in path.visits)


def test_revenue_is_in_the_currency_of_most_orders_and_never_mixed():
    parts = [
        Revenue(currency="USD", amount=Decimal(500), orders=1),
        Revenue(currency="EUR", amount=Decimal("3.125"), orders=2),
    ]
    line = revenue_line(parts)
    assert (line.revenue, line.currency, line.other_revenue) == ("3.12", "EUR", [("500.00", "USD")])


def test_conversion_is_customers_by_leads():
    leads, customers = Counter({"channels/a": 4}), Counter({"channels/a": 1, "channels/b": 2})
    lines = {line.name: line for line in channel_lines(leads, customers, {}, {"channels/a": "A text"})}
    assert (lines["channels/a"].conversion, lines["channels/a"].channel) == (0.25, "A text")
    assert (lines["channels/b"].conversion, lines["channels/b"].channel) == (0.0, "b")


def test_the_channel_of_most_leads_comes_first_and_then_by_name():
    lines = channel_lines({"channels/b": 1, "channels/a": 1, "channels/c": 5}, {}, {}, {})
    assert [line.channel for line in lines] == ["c", "a", "b"]
