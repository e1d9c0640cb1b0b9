"""Own data through the gateway, as a page in a browser asks: no token of ours, and nothing is kept on the way."""

import pytest
from crm.leads.v1 import own_data_pb2 as pb
from custom_calls import front
from gateway.contract import Contract
from gateway.problems import Problem
from gateway.routes import Routes
from gateway.settings import descriptors
from gateway.visitors import AT_ONCE
from lead_calls import create, read

ROOT = "users/root"


@pytest.fixture
async def visitor(leads):
    """A browser, a lead's secret path, and the lead."""
    lead = await create(leads, display_name="Ана Петрова", email="ana@rosa.example", note="pays late")
    request = pb.ShareOwnDataRequest(name=lead.name)
    shared = await leads.call("OwnDataService/ShareOwnData", request, by=ROOT)
    async with front(leads=leads) as http:
        del http.headers["authorization"]
        yield http, f"/v1/ownData/{shared.token}", lead


async def test_a_page_reads_and_changes_without_an_account(visitor, leads):
    http, path, lead = visitor
    seen = await http.get(path)
    assert (seen.status_code, seen.headers["cache-control"]) == (200, "no-store")
    assert seen.headers["referrer-policy"] == "no-referrer"
    assert set(seen.json()) == {
        *("name", "etag", "displayName", "company", "email", "phone", "country", "region", "language", "doNotCall"),
        "expireTime",
    }
    tag = {"if-match": seen.headers["etag"]}
    changed = await http.patch(path, json={"phone": "+359 888 123 456", "region": "里斯本"}, headers=tag)
    assert (changed.status_code, changed.json()["region"]) == (200, "里斯本")
    assert (await http.patch(path, json={"region": "Faro"}, headers=tag)).status_code == 409
    stored = await read(leads, lead.name)
    assert (stored.region, stored.phone_e164, stored.email) == ("里斯本", "+359888123456", "ana@rosa.example")
    assert (await http.patch(path, json={"doNotCall": None, "company": ""})).status_code == 200


async def test_two_who_choose_the_same_key_do_not_meet(visitor, leads):
    http, path, _ = visitor
    other = await create(leads, display_name="王芳")
    shared = await leads.call("OwnDataService/ShareOwnData", pb.ShareOwnDataRequest(name=other.name), by=ROOT)
    key = {"idempotency-key": "save"}
    for one in (path, f"/v1/ownData/{shared.token}"):
        first, again = [await http.patch(one, json={"region": "Faro"}, headers=key) for _ in range(2)]
        assert (first.status_code, again.json()) == (200, first.json())
        assert (await http.patch(one, json={"region": "Beja"}, headers=key)).status_code == 409
    assert (await read(leads, other.name)).region == "Faro"


@pytest.mark.parametrize("sent", [{"owner": ROOT}, {"note": ""}, {"state": "CONVERTED"}, {"labels": {}}, {"score": {}}])
async def test_what_is_not_theirs_cannot_be_said(visitor, leads, sent):
    http, path, lead = visitor
    for answer in (
        await http.patch(path, json=sent),
        await http.patch(path, params={"updateMask": next(iter(sent))}, json={}),
    ):
        assert answer.status_code == 400
    assert await read(leads, lead.name) == lead


async def test_each_link_that_leads_nowhere_is_answered_in_the_same_words(visitor, leads):
    http, path, lead = visitor
    await leads.call("OwnDataService/WithdrawOwnData", pb.WithdrawOwnDataRequest(name=lead.name), by=ROOT)
    answers = [await http.get(one) for one in (path, "/v1/ownData/never", f"/v1/ownData/{'a' * 43}")]
    answers += [await http.patch(path, json={"region": "Faro"})]
    told = [{key: value for key, value in one.json().items() if key != "traceId"} for one in answers]
    assert (told[0]["status"], told[0]["reason"]) == (404, "NO_SUCH_OWN_DATA")
    assert all(one == told[0] for one in told)


async def test_a_token_of_ours_opens_no_other_door_and_no_token_opens_no_door_but_this(visitor, leads):
    http, path, lead = visitor
    assert (await http.get(path, headers={"authorization": "Bearer forged"})).status_code == 200
    for method, other in (
        *(("GET", f"/v1/{lead.name}"), ("POST", f"/v1/{lead.name}:shareOwnData")),
        *(("POST", f"/v1/{lead.name}:withdrawOwnData"), ("GET", lead.name.replace("leads/", "/v1/ownDataLinks/"))),
    ):
        assert (await http.request(method, other)).status_code == 401


async def test_an_address_asks_so_often_and_no_more(visitor):
    http, path, _ = visitor
    codes = [(await http.get(f"{path}x")).status_code for _ in range(int(AT_ONCE) + 20)]
    assert codes[:10] == [404] * 10
    assert codes[-1] == 429
    late = await http.patch(path, json={"region": "Faro"})
    assert (late.status_code, late.json()["reason"], late.headers["retry-after"]) == (429, "TOO_MANY_VISITS", "1")


def test_the_secret_is_one_part_of_the_path():
    contract, routes = Contract(descriptors()), Routes()
    for name in ("GetOwnData", "UpdateOwnData"):
        rpc = next(rpc for rpc in contract.public if rpc.name == name)
        assert rpc.anonymous
        routes.add(rpc, rpc.rules[0], name)
    assert routes.find("GET", b"/v1/ownData/abc-_1") == ("GetOwnData", {"token": "abc-_1"})
    assert routes.find("PATCH", b"/v1/ownData/abc-_1") == ("UpdateOwnData", {"token": "abc-_1"})
    for wrong in (b"/v1/ownData/", b"/v1/ownData", b"/v1/ownData/a/b"):
        with pytest.raises(Problem):
            routes.find("GET", wrong)
