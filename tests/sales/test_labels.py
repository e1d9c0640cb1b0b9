"""Accounts, contacts and deals are listed by their labels; customers are not shown the company's marks."""

import pytest
from chassis.errors import InvalidFields
from crm.sales.v1 import sales_pb2
from custom_calls import front
from harness import Person, start


@pytest.fixture(scope="module")
async def desk(backend, issuer):
    running = await start("sales", backend, issuer)
    yield running
    await running.stop()


@pytest.fixture(scope="module")
async def http(desk):
    async with front(sales=desk) as client:
        yield client


async def created(http, collection, **fields):
    answer = await http.post(f"/v1/{collection}", json={"displayName": "Роза"} | fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_records_of_sales_are_found_by_what_they_are_marked_with(http):
    key = await created(http, "accounts", labels={"tier": "ключов", "audited": ""})
    plain = await created(http, "accounts", labels={"tier": "обикновен"})
    for collection in ("contacts", "opportunities"):
        for account in (key, plain):
            await created(http, collection, account=account["name"], labels=account["labels"])
    for collection in ("accounts", "contacts", "opportunities"):
        for text in ("labels:audited", 'labels.tier = "ключов"', 'labels.tier != "обикновен"'):
            page = (await http.get(f"/v1/{collection}", params={"filter": text})).json()
            assert [one["labels"] for one in page[collection]] == [key["labels"]], text


async def test_a_customer_does_not_learn_by_a_filter_how_the_company_marks_it(http, desk):
    account = await created(http, "accounts", labels={"risk": "high"})
    await desk.know(Person("users/customer", ("portal_customer",), account=account["name"]))
    asked = sales_pb2.ListAccountsRequest(filter="labels:risk")
    with pytest.raises(InvalidFields):
        await desk.call("SalesService/ListAccounts", asked, by="users/customer")
