"""What the rows mean, and what happens to those that mean nothing."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from cli.conftest import changed
from cli.plain_count import plain_count
from crmctl.olist import funnel, shop
from crmctl.olist.files import read_folder
from crmctl.olist.rejected import Rejected
from crmctl.olist.values import money, slug
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Read:
    """A folder as the import understands it before it talks to a suite."""

    def __init__(self, folder: Path) -> None:
        tables = read_folder(folder)
        self.rejected = Rejected(tables)
        self.leads = funnel.leads_of(tables, self.rejected, NOW)
        self.deals = funnel.deals_of(tables, self.rejected, NOW)
        self.orders = shop.orders_of(tables, {deal.seller_id for deal in self.deals}, self.rejected, NOW)
        numbers = {order.number for order in self.orders}
        self.complaints = shop.complaints_of(tables, numbers, self.rejected, NOW)


def test_the_real_rows_are_understood_as_a_plain_count_counts_them(olist: Path) -> None:
    read, plain = Read(olist), plain_count(olist)
    assert read.rejected.sentences() == []
    assert (len(read.leads), len(read.deals), len(read.orders), len(read.complaints)) == (
        plain.leads, plain.customers, plain.orders, plain.complaints,
    )  # fmt: skip
    assert (plain.leads, plain.customers, plain.orders, plain.complaints) == (5562, 618, 913, 63)
    assert sum(order.amount for order in read.orders) == plain.revenue == Decimal("147571.05")
    assert sum(order.time_estimated for order in read.orders) == plain.estimated == 232
    assert {lead.channel for lead in read.leads} == set(plain.origins)
    contact = {lead.mql_id: lead.contact_time for lead in read.leads}
    assert sum(deal.won_time < contact[deal.mql_id] for deal in read.deals) == 1


def test_a_blank_origin_is_a_channel_of_its_own_and_not_the_unknown_one(folder_of: Callable[..., Path]) -> None:
    leads = changed("olist_marketing_qualified_leads", 0, origin="unknown")
    read = Read(folder_of(olist_marketing_qualified_leads=leads))
    assert [(lead.channel, lead.channel_name) for lead in read.leads] == [
        ("unknown", "channels/unknown"),
        ("blank", "channels/blank"),
    ]


def test_an_order_is_its_items_without_freight_at_the_time_of_purchase(folder_of: Callable[..., Path]) -> None:
    (order,) = Read(folder_of()).orders
    assert (order.number, order.amount, order.state, order.time_estimated) == (
        "o1",
        Decimal("63.99"),
        "canceled",
        False,
    )
    assert order.time == datetime(2018, 7, 1, 13, tzinfo=UTC)


def test_an_order_without_a_row_of_its_own_is_dated_by_its_earliest_shipping_limit(
    folder_of: Callable[..., Path],
) -> None:
    items = changed("order_items", 1, shipping_limit_date="2018-07-05 00:00:00")
    (order,) = Read(folder_of(order_items=items, orders=[])).orders
    assert (order.time, order.time_estimated) == (datetime(2018, 7, 5, 3, tzinfo=UTC), True)


def test_an_order_of_two_won_sellers_is_two_and_the_second_is_numbered_after_both(
    folder_of: Callable[..., Path],
) -> None:
    deals = changed("olist_closed_deals")
    deals.append(deals[0] | {"mql_id": "m2", "seller_id": "s2"})
    read = Read(folder_of(olist_closed_deals=deals, order_items=changed("order_items", 1, seller_id="s2")))
    assert [(order.number, order.amount) for order in read.orders] == [("o1", Decimal("53.99")), ("o1/s2", Decimal(10))]


def test_items_of_sellers_that_were_not_won_are_left_out(folder_of: Callable[..., Path]) -> None:
    read = Read(folder_of(order_items=changed("order_items", 1, seller_id="somebody")))
    assert [order.amount for order in read.orders] == [Decimal("53.99")]
    assert len(read.rejected) == 0


def test_a_bad_review_is_a_complaint_known_by_its_order_and_day_in_the_customers_words(
    folder_of: Callable[..., Path],
) -> None:
    (complaint,) = Read(folder_of()).complaints
    assert complaint.key == "o1@2018-07-20"
    assert complaint.text == "Ruim\n\nNão chegou,\nnunca"


@pytest.mark.parametrize("score", ["3", "4", "5"])
def test_a_review_that_is_not_bad_is_no_complaint(folder_of: Callable[..., Path], score: str) -> None:
    read = Read(folder_of(order_reviews=changed("order_reviews", review_score=score)))
    assert (read.complaints, len(read.rejected)) == ([], 0)


@pytest.mark.parametrize(
    ("file", "cells", "reason"),
    [
        ("olist_marketing_qualified_leads", {"mql_id": ""}, "mql_id is empty"),
        ("olist_marketing_qualified_leads", {"mql_id": "m2"}, "mql_id m2 stands on line 2 too"),
        ("olist_marketing_qualified_leads", {"first_contact_date": "22.01.2018"}, "is not a time like"),
        ("olist_marketing_qualified_leads", {"origin": "x" * 201}, "longer than 200"),
        ("olist_closed_deals", {"sdr_id": " "}, "sdr_id is empty"),
        ("olist_closed_deals", {"won_date": ""}, "won_date is empty"),
        ("olist_closed_deals", {"declared_monthly_revenue": "-1"}, "not an amount of at least 0"),
        ("order_items", {"price": "free"}, "'free' is not an amount"),
        ("order_items", {"price": "NaN"}, "not an amount of at least 0"),
        ("order_items", {"order_item_id": "2"}, "item 2 stands on lines 2 and 3"),
        ("orders", {"order_purchase_timestamp": "soon"}, "is not a time like"),
        ("order_reviews", {"review_score": "6"}, "is not 1 to 5"),
        ("order_reviews", {"review_creation_date": ""}, "review_creation_date is empty"),
    ],
)
def test_a_wrong_row_is_told_with_its_file_and_line(
    folder_of: Callable[..., Path], file: str, cells: dict[str, str], reason: str
) -> None:
    sentences = Read(folder_of(**{file: changed(file, **cells)})).rejected.sentences()
    assert any(sentence.startswith(f"{file}.csv line ") and reason in sentence for sentence in sentences), sentences


def test_a_wrong_item_takes_its_whole_order_and_the_complaint_about_it_along_and_nothing_else(
    folder_of: Callable[..., Path],
) -> None:
    items = changed("order_items", price="?")
    items.append(items[1] | {"order_id": "o2"})
    read = Read(folder_of(order_items=items))
    assert [order.number for order in read.orders] == ["o2"]
    assert [sentence.split(":")[0] for sentence in read.rejected.sentences()] == [
        "order_items.csv line 2",
        "order_items.csv line 3",
        "orders.csv line 2",
        "order_reviews.csv line 2",
    ]


def test_a_deal_of_a_refused_lead_is_refused_and_a_seller_is_won_once(folder_of: Callable[..., Path]) -> None:
    leads = changed("olist_marketing_qualified_leads", 0, first_contact_date="?")
    deals = changed("olist_closed_deals")
    deals += [deals[0] | {"mql_id": "m2"}, deals[0] | {"mql_id": "m3"}]
    read = Read(folder_of(olist_marketing_qualified_leads=leads, olist_closed_deals=deals))
    assert [deal.mql_id for deal in read.deals] == ["m2"]
    assert "its lead was refused" in read.rejected.sentences()[1]
    assert "seller_id s1 stands on line 3 too" in read.rejected.sentences()[2]


@pytest.mark.parametrize(
    ("text", "expected"), [("organic_search", "organic_search"), ("Paid Search", "paid-search-"), ("поиск", "")]
)
def test_a_slug_is_the_text_itself_if_it_is_one(text: str, expected: str) -> None:
    assert slug(text).startswith(expected)


@given(st.text(min_size=1, max_size=200), st.text(min_size=1, max_size=200))
def test_two_texts_never_share_a_slug(one: str, other: str) -> None:
    assert (slug(one) == slug(other)) == (one == other)
    assert 1 <= len(slug(one)) <= 63


@given(st.decimals(0, 10**12, places=4))
def test_money_is_exact(amount: Decimal) -> None:
    told = money(amount)
    assert int(told["units"]) + Decimal(told["nanos"]) / 10**9 == amount
