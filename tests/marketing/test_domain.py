"""The rules of marketing, without anything around them."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from chassis.errors import InvalidFields
from chassis.values import Money
from hypothesis import given
from hypothesis import strategies as st
from marketing.domain import Amounts, SpendEntry, Touch, acquisition_cost, performance

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SEARCH, FAIR = "channels/search", "channels/fair"


def spent(channel, amount, currency="EUR", entries=1):
    return Amounts(channel=channel, currency=currency, spend=Decimal(amount), entries=entries)


def earned(channel, amount, currency="EUR", entries=1):
    return Amounts(channel=channel, currency=currency, revenue=Decimal(amount), entries=entries)


def entry(day):
    return SpendEntry(channel=SEARCH, spend_date=day, amount=Money(amount=Decimal(5), currency="EUR"))


def test_a_touch_mints_a_journey():
    assert Touch(touch_time=NOW).journey_id != Touch(touch_time=NOW).journey_id


def test_spend_happened_on_its_day():
    assert entry(date(2026, 2, 3)).record(NOW).event_time == datetime(2026, 2, 3, tzinfo=UTC)


def test_spend_of_the_day_after_tomorrow_is_refused():
    entry(date(2026, 3, 2)).record(NOW)
    with pytest.raises(InvalidFields, match="spend_date"):
        entry(date(2026, 3, 3)).record(NOW)


def test_the_cost_of_a_customer_is_rounded_half_to_even():
    assert acquisition_cost(Decimal("0.25"), 10) == "0.02"
    assert acquisition_cost(Decimal("0.35"), 10) == "0.04"


def test_without_customers_there_is_no_cost_of_one():
    assert acquisition_cost(Decimal(100), 0) == ""


def test_a_channel_tells_what_it_cost_and_brought():
    [line] = performance({SEARCH: 4}, {SEARCH: 2}, [spent(SEARCH, 10), earned(SEARCH, "99.5")], {SEARCH: "Search"})
    assert (line.channel, line.display_name, line.leads, line.customers) == (SEARCH, "Search", 4, 2)
    assert (line.spend, line.revenue, line.cac, line.currency) == ("10.00", "99.50", "5.00", "EUR")


def test_a_channel_without_a_record_is_called_by_its_slug():
    [line] = performance({FAIR: 1}, {}, [], {})
    assert line.display_name == "fair"


def test_amounts_are_told_in_the_currency_of_most_entries_and_never_mixed():
    amounts = [spent(SEARCH, 1000, "USD"), spent(SEARCH, 3), earned(SEARCH, 7, entries=2)]
    [line] = performance({}, {SEARCH: 1}, amounts, {})
    assert (line.currency, line.spend, line.revenue) == ("EUR", "3.00", "7.00")


def test_a_channel_without_amounts_is_told_in_the_usual_currency():
    lines = performance({FAIR: 1}, {}, [earned(SEARCH, 7, "BRL")], {})
    assert {line.channel: (line.revenue, line.currency) for line in lines}[FAIR] == ("0.00", "BRL")


def test_the_channel_of_most_leads_comes_first():
    lines = performance({FAIR: 1, SEARCH: 2, "": 2}, {}, [], {})
    assert [line.channel for line in lines] == ["", SEARCH, FAIR]


@given(st.lists(st.tuples(st.sampled_from([SEARCH, FAIR, ""]), st.sampled_from(["EUR", "USD"]), st.integers(-99, 999))))
def test_in_one_currency_nothing_is_lost(rows):
    """The spend of all lines is the plain sum over the entries in the line's own currency."""
    amounts = [spent(channel, Decimal(amount) / 100, currency) for channel, currency, amount in rows]
    for line in performance({}, {}, amounts, {}):
        mine = [item.spend for item in amounts if (item.channel, item.currency) == (line.channel, line.currency)]
        assert Decimal(line.spend) == sum(mine)
