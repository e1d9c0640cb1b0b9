"""One customer from the advertisement to the complaint, over REST, and what the suite knows about it afterwards."""

from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from crmctl.connection import Client, Refused
from whole_suite import until

STAGES = ["TOUCHED", "LEAD", "QUALIFIED", "OPPORTUNITY", "CUSTOMER", "CONTRACT", "ORDERED", "CASE"]


@dataclass
class Story:
    """The records of one customer."""

    admin: Client
    ana: Client
    touch: dict[str, Any]
    lead: dict[str, Any]
    account: str
    opportunity: str
    contract: dict[str, Any]
    order: dict[str, Any]
    case: dict[str, Any]

    @property
    def customer(self) -> str:
        return self.account.replace("accounts/", "customers/")


@pytest.fixture(scope="module")
def story(suite) -> Story:
    admin = suite.client()
    admin.post("/v1/teams", {"displayName": "Sales"})
    admin.post("/v1/teams", {"displayName": "Service"})
    people = {"ana": ("sales", "salesperson"), "erik": ("service", "contract_manager"), "dora": ("service", "agent")}
    for name, (team, role) in people.items():
        admin.post(f"/v1/users?userId={name}", {"displayName": name, "team": f"teams/{team}", "roles": [role]})
    ana, erik, dora = (admin.acting_as(f"users/{name}") for name in people)
    for client in (ana, erik, dora):
        until(lambda client=client: "users" in client.get("/v1/users"), "people are known to the services")

    channel = admin.post("/v1/channels", {"displayName": "Paid search"})
    page = admin.post("/v1/landingPages", {"displayName": "Spring", "url": "https://shop.example/spring"})
    admin.post(
        "/v1/spendEntries",
        {
            "channel": channel["name"],
            "spendDate": {"year": 2026, "month": 3, "day": 1},
            "amount": {"currencyCode": "EUR", "units": "250"},
        },
    )
    touch = admin.post("/v1/touches", {"channel": channel["name"], "landingPage": page["name"]})
    lead = admin.post(
        "/v1/leads",
        {
            "displayName": "Мария Иванова",
            "company": "Розова долина ООД",
            "email": "maria@rosa.example",
            "phone": "+359 2 123 4567",
            "channel": channel["name"],
            "landingPage": page["name"],
            "journeyId": touch["journeyId"],
        },
    )
    name = lead["name"]
    # Ana may not be known to every service in the same instant.
    until(lambda: admin.post(f"/v1/{name}:assign", {"owner": "users/ana"}), "the lead is Ana's")
    ana.post(f"/v1/{name}:logCall", {"outcome": "REACHED", "note": "wants a demonstration"})
    ana.post(f"/v1/{name}:qualify", {"note": "has a budget"})
    lead = ana.post(f"/v1/{name}:convert", {})
    lead = until(lambda: (read := ana.get(f"/v1/{name}"))["state"] == "CONVERTED" and read, "the lead is converted")
    opportunity = lead["opportunity"]
    ana.post(f"/v1/{opportunity}:advance", {"stage": "proposal"})
    ana.post(f"/v1/{opportunity}:win", {"amount": {"currencyCode": "EUR", "units": "1200"}})
    contract = f"contracts/{opportunity.split('/')[1]}"
    until(lambda: ana.get(f"/v1/{contract}"), "the won deal has drafted a contract")
    ana.post(f"/v1/{contract}:submit", {})
    erik.post(f"/v1/{contract}:approve", {})
    active = erik.post(f"/v1/{contract}:activate", {})
    order = admin.post(
        "/v1/orders",
        {
            "account": lead["account"],
            "system": "sap",
            "orderNumber": "4711",
            "amount": {"currencyCode": "EUR", "units": "300"},
        },
    )
    until(
        lambda: dora.get("/v1/entitlements", filter=f'account = "{lead["account"]}"')["entitlements"],
        "the service desk knows what the customer is entitled to",
    )
    case = dora.post(
        "/v1/cases", {"account": lead["account"], "displayName": "Пратката е повредена", "type": "complaint"}
    )
    dora.post(f"/v1/{case['name']}:assign", {"owner": "users/dora"})
    dora.post(f"/v1/{case['name']}:resolve", {"solution": "A new one was sent"})
    return Story(admin, ana, touch, lead, lead["account"], opportunity, active, order, case)


def test_the_conversion_made_an_account_a_contact_and_a_deal_on_one_journey(story):
    account = story.admin.get(f"/v1/{story.account}")
    assert account["displayName"] == "Розова долина ООД"
    assert account["journeyId"] == story.touch["journeyId"] == story.lead["journeyId"]
    assert story.admin.get(f"/v1/{story.lead['contact']}")["email"] == "maria@rosa.example"
    deal = story.admin.get(f"/v1/{story.opportunity}")
    assert (deal["state"], deal["probability"], deal["owner"]) == ("WON", 1, "users/ana")
    assert [entry["stage"] for entry in deal["stageHistory"]][-1] == "proposal"


def test_the_contract_of_the_won_deal_is_in_force_and_printed(story, suite):
    assert story.contract["state"] == "ACTIVE"
    assert story.contract["approver"] == "users/erik"
    answer = story.admin.send("GET", f"/v1/{story.contract['name']}/pdf")
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF")


def test_the_author_could_not_have_approved_it(story):
    assert story.contract["owner"] == "users/ana"
    assert story.contract["submitter"] == "users/ana"
    assert story.contract["approver"] != story.contract["submitter"]


def test_the_order_belongs_to_the_won_deal(story):
    assert story.order["opportunity"] == story.opportunity
    assert story.order["journeyId"] == story.lead["journeyId"]


def test_the_case_names_the_contract_and_version_that_promise_its_service(story):
    assert story.case["contract"] == story.contract["name"]
    assert story.case["contractVersion"] == story.contract["version"]
    assert story.case["unentitled"] is False


def test_the_timeline_tells_the_whole_story_with_traces(story):
    entries = until(lambda: _whole(story), "the case is resolved in the timeline")
    happened = [entry["type"].rpartition(".")[2] for entry in entries]
    for event in ("TouchRecorded", "LeadCreated", "LeadConverted", "OpportunityWon", "ContractActivated", "CaseOpened"):
        assert event in happened
    assert [entry["eventTime"] for entry in entries] == sorted(entry["eventTime"] for entry in entries)
    for entry in entries:
        assert entry["journeyId"] == story.lead["journeyId"]
        assert len(entry["traceId"]) == 32
        assert all(entry[field] for field in ("actor", "summary", "subject"))
        assert entry["span"]["operation"]
        assert entry["span"]["outcome"] == "OK"


def _whole(story: Story) -> list[dict[str, Any]]:
    entries = story.admin.get(f"/v1/{story.customer}/timeline", pageSize=200)["entries"]
    types = {entry["type"].rpartition(".")[2] for entry in entries}
    return entries if {"CaseResolved", "OrderRecorded", "LeadConverted"} <= types else []


def test_the_journey_shows_stages_and_waits(story):
    until(lambda: _whole(story), "everything arrived")
    journeys = story.admin.get(f"/v1/{story.customer}/journeys")["journeys"]
    assert [visit["stage"] for visit in journeys[0]["stages"]] == STAGES
    assert all(visit["wait"].endswith("s") for visit in journeys[0]["stages"][1:])


def test_one_page_shows_the_customer(story):
    page = until(
        lambda: (read := story.admin.get(f"/v1/{story.customer}"))["cases"] == 1 and read, "the case is counted"
    )
    assert (page["wonOpportunities"], page["activeContracts"], page["orders"], page["openCases"]) == (1, 1, 1, 0)
    assert (page["revenue"], page["currency"]) == ("300.00", "EUR")
    assert set(page["freshness"]) >= {"leads", "sales", "contracts", "service-desk"}


def test_the_channel_is_credited(story):
    def credited(path: str, name: str) -> dict[str, Any]:
        found = {one[name]: one for one in story.admin.get(path)["channels"]}.get("Paid search", {})
        return found if found.get("revenue") == "300.00" else {}

    figures = until(lambda: credited("/v1/reports/channels", "channel"), "the report has the revenue")
    assert (figures["leads"], figures["customers"], figures["conversion"]) == (1, 1, 1)
    performance = until(lambda: credited("/v1/channelPerformance", "displayName"), "marketing has the revenue")
    assert (performance["spend"], performance["cac"]) == ("250.00", "250.00")


def test_ana_does_not_see_what_is_not_hers(story):
    other = story.admin.post("/v1/leads", {"displayName": "Somebody else's"})
    with pytest.raises(Refused) as refused:
        story.ana.get(f"/v1/{other['name']}")
    assert refused.value.status == 404


def test_crmctl_tells_the_story(story, suite):
    until(lambda: _whole(story), "everything arrived")
    told = suite.crmctl("journey", story.account)
    assert told.returncode == 0, told.stderr
    assert "Розова долина" in told.stdout


def test_insights_rebuilt_from_the_outboxes_is_the_same(story, suite):
    until(lambda: _whole(story), "everything arrived")
    compared = suite.crmctl("insights", "rebuild", "--compare")
    assert compared.returncode == 0, compared.stdout + compared.stderr
    digests = [word for word in compared.stdout.split() if len(word) == 64]
    assert len(digests) == 2
    assert digests[0] == digests[1]


def test_the_trace_of_the_conversion_crosses_gateway_leads_and_sales(story):
    def tree() -> set[tuple[str, str]]:
        spans = _spans(story, "LeadConverted")
        named = {span["span_id"]: span for span in spans}
        return {(_who(named[span["parent_span_id"]]), _who(span)) for span in spans if span["parent_span_id"] in named}

    expected = {
        ("gateway POST /crm.leads.v1.LeadService/ConvertLead", "leads crm.leads.v1.LeadService/ConvertLead"),
        ("leads crm.leads.v1.LeadService/ConvertLead", "leads saga lead_conversion"),
        ("leads saga lead_conversion", "leads saga step accept_lead"),
        ("leads saga step accept_lead", "leads crm.sales.v1.SalesService/AcceptLead"),
        ("leads crm.sales.v1.SalesService/AcceptLead", "sales crm.sales.v1.SalesService/AcceptLead"),
        ("sales crm.sales.v1.SalesService/AcceptLead", "sales postgresql SELECT"),
        ("sales crm.sales.v1.SalesService/AcceptLead", "sales postgresql WRITE"),
    }
    until(lambda: expected <= tree() or print("missing", expected - tree()), "the span tree holds every expected edge")


def test_reactions_are_traces_of_their_own_that_link_to_what_they_react_to(story):
    def reacting() -> set[str]:
        entry = next(entry for entry in _whole(story) if entry["type"].endswith("OpportunityWon"))
        sink = story.admin.stack.addresses["sink"]
        linked = httpx.get(f"{sink}/traces/{entry['traceId']}").json()["linkedFrom"]
        traces = [httpx.get(f"{sink}/traces/{trace_id}").json()["spans"] for trace_id in linked]
        return {_who(span) for spans in traces for span in spans}

    expected = {f"{service} react crm.sales.v1.OpportunityWon" for service in ("contracts", "insights")}
    until(lambda: expected <= reacting(), "contracts and insights react in linked traces")


def _spans(story: Story, event: str) -> list[dict[str, Any]]:
    entry = next(entry for entry in _whole(story) if entry["type"].endswith(event))
    return httpx.get(f"{story.admin.stack.addresses['sink']}/traces/{entry['traceId']}").json()["spans"]


def _who(span: dict[str, Any]) -> str:
    return f"{span['service']} {span['name']}"
