"""Company-defined fields on accounts and deals: what people see, customers do not, and a lead brings along."""

import csv
import io

import pytest
from chassis.errors import InvalidFields
from chassis.values import new_id
from crm.sales.v1 import sales_pb2
from custom_calls import definition, front, know
from google.protobuf.json_format import MessageToDict
from harness import Person, start

LEADS = "services/leads"


@pytest.fixture(scope="module")
async def own(backend, issuer):
    running = await start("sales", backend, issuer)
    for resource in ("LEAD", "ACCOUNT", "OPPORTUNITY"):
        await know(running, definition("tier", "ENUM", resource, options=["gold", "tin"], indexed=True))
    await know(running, definition("seats", "INTEGER", "ACCOUNT"), definition("seats", "NUMBER", "LEAD"))
    await know(running, definition("born", "DATE", "LEAD", personal=True), definition("born", "DATE", "ACCOUNT"))
    await know(running, definition("budget", "NUMBER", "LEAD"), definition("budget", "NUMBER", "OPPORTUNITY"))
    yield running
    await running.stop()


@pytest.fixture(scope="module")
async def http(own):
    async with front(sales=own) as client:
        yield client


async def created(http, collection, **fields):
    answer = await http.post(f"/v1/{collection}", json={"displayName": "Роза"} | fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_accounts_and_deals_have_fields_of_their_own(http, own):
    account = await created(http, "accounts", custom={"tier": "gold", "seats": 12})
    deal = await created(http, "opportunities", account=account["name"], custom={"budget": 1.5})
    assert (account["custom"], deal["custom"]) == ({"tier": "gold", "seats": 12}, {"budget": 1.5})
    patched = await http.patch(f"/v1/{account['name']}", json={"custom": {"seats": 13}})
    assert patched.json()["custom"] == {"tier": "gold", "seats": 13}
    wrong = await http.patch(f"/v1/{deal['name']}", json={"custom": {"seats": 1}})
    assert wrong.json()["violations"][0]["field"] == "custom.seats"
    assert await own.events(account["name"]) == ["AccountCreated", "AccountUpdated"]


@pytest.mark.parametrize("collection", ["accounts", "opportunities"])
async def test_records_of_a_kind_are_found_by_their_own_values(http, collection):
    account = (await created(http, "accounts"))["name"]
    more = {"account": account} if collection == "opportunities" else {}
    before = await found(http, collection, "custom.tier = tin")
    made = await created(http, collection, custom={"tier": "tin"}, **more)
    assert await found(http, collection, "custom.tier = tin") == [made["name"], *before]
    text = (await http.get(f"/v1/{collection}:export", params={"filter": "custom.tier = tin"})).content
    rows = list(csv.DictReader(io.StringIO(text.decode("utf-8-sig"))))
    assert rows[0]["custom.tier"] == "tin"


async def found(http, collection, text):
    answer = await http.get(f"/v1/{collection}", params={"filter": text})
    assert answer.status_code == 200, answer.text
    return [one["name"] for one in answer.json()[collection]]


async def test_a_customer_sees_nothing_of_them_and_cannot_ask(http, own):
    account = await created(http, "accounts", custom={"tier": "gold"})
    person = f"users/{new_id()}"
    await own.know(Person(person, ("portal_customer",), account=account["name"]))
    seen = await own.call("SalesService/GetAccount", sales_pb2.GetAccountRequest(name=account["name"]), by=person)
    assert not seen.HasField("custom")
    [listed] = (await own.call("SalesService/ListAccounts", sales_pb2.ListAccountsRequest(), by=person)).accounts
    assert not listed.HasField("custom")
    for text in ("custom.tier = gold", "custom.tier != tin", "custom.nothing = x", "custom = x"):
        with pytest.raises(InvalidFields, match="cannot filter by"):
            await own.call("SalesService/ListAccounts", sales_pb2.ListAccountsRequest(filter=text), by=person)
    said = {"authorization": f"Bearer {own.issuer.token(person)}"}
    assert "custom" not in (await http.get("/v1/accounts", headers=said)).json()["accounts"][0]


async def test_a_lead_brings_along_what_account_and_deal_have_a_field_for(own):
    values = {"tier": "gold", "seats": 12, "born": "1980-02-29", "budget": 5, "unknown": "x"}
    asked = sales_pb2.AcceptLeadRequest(
        lead=f"leads/{new_id()}",
        journey_id=new_id(),
        account_display_name="Роза",
        contact_display_name="Ида",
        opportunity_display_name="Фурни",
        account_owner="users/ana",
        opportunity_owner="users/ana",
        custom=values,
        request_id=new_id(),
    )
    made = await own.call("SalesService/AcceptLead", asked, by=LEADS)
    account = await own.call("SalesService/GetAccount", sales_pb2.GetAccountRequest(name=made.account))
    deal = await own.call("SalesService/GetOpportunity", sales_pb2.GetOpportunityRequest(name=made.opportunity))
    assert MessageToDict(account)["custom"] == {"tier": "gold"}
    assert MessageToDict(deal)["custom"] == {"tier": "gold", "budget": 5}
