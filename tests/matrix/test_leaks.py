"""What was found to tell of records beyond the caller's reach, each way once."""

import pytest
from chassis.errors import AlreadyExists, FailedPrecondition, InvalidFields, NotFound
from chassis.values import new_id
from crm.contracts.v1 import contracts_pb2
from crm.insights.v1 import insights_pb2
from crm.leads.v1 import events_pb2 as leads_events
from crm.leads.v1 import leads_pb2
from crm.marketing.v1 import marketing_pb2
from crm.sales.v1 import events_pb2 as sales_events
from crm.sales.v1 import sales_pb2
from crm.service_desk.v1 import events_pb2 as service_desk_events
from crm.service_desk.v1 import service_desk_pb2
from harness import Person
from lead_calls import a_channel, create, listed, read

ANA, CHEN, MIRA = "users/ana", "users/chen", "users/mira"  # ana and chen: own records; mira: both teams
WHEN = {"seconds": 1_767_225_600}
Result = leads_pb2.ImportLeadsResponse.Result


async def imported(leads, by, **row):
    request = leads_pb2.ImportLeadsRequest(leads=[{"display_name": "Li"} | row])
    return (await leads.call("LeadService/ImportLeads", request, by=by)).results[0]


async def test_an_import_does_not_tell_who_else_talks_to_a_person(leads):
    email = f"{new_id()}@example.com"
    hidden = await create(leads, owner=CHEN, email=email)
    assert (await imported(leads, ANA, email=email, owner=ANA)).outcome == Result.CREATED
    seen = await imported(leads, MIRA, email=email)
    assert (seen.outcome, seen.lead) == (Result.DUPLICATE, hidden.name)


async def test_who_makes_a_lead_sees_it(leads):
    made = await create(leads, by=ANA)
    assert (made.owner, made.team) == (ANA, "teams/north")
    row = await imported(leads, ANA)
    assert (await read(leads, row.lead, by=ANA)).owner == ANA
    assert (await create(leads)).owner == ""  # an administrator sees what is nobody's, too


async def test_a_taken_external_id_is_told_without_the_record_that_has_it(leads):
    key = {"system": "erp", "kind": "lead", "id": new_id()}
    hidden = await create(leads, owner=CHEN, external_ids=[key])
    row = await imported(leads, ANA, external_ids=[key])
    assert (row.outcome, row.lead, row.journey_id) == (Result.REJECTED, "", "")
    with pytest.raises(AlreadyExists) as refused:
        await create(leads, by=ANA, external_ids=[key])
    for said in (row.reason, str(refused.value.metadata)):
        assert hidden.name not in said
        assert "may not see" not in said
        assert CHEN not in said


async def test_a_record_is_not_given_to_somebody_beyond_the_own_reach(leads):
    with pytest.raises(InvalidFields, match="beyond your reach"):
        await create(leads, by=ANA, owner=CHEN)
    lead = await create(leads, owner=ANA)
    assign = leads_pb2.AssignLeadRequest(name=lead.name, owner="users/dora")
    with pytest.raises(InvalidFields, match="beyond your reach"):
        await leads.call("LeadService/AssignLead", assign, by=MIRA)
    assign.owner = CHEN
    assert (await leads.call("LeadService/AssignLead", assign, by=MIRA)).owner == CHEN


async def test_a_team_beyond_the_own_reach_gets_no_lead(leads):
    lead = await create(leads, owner=ANA)
    await leads.know(Person("users/desk", ("salesperson",), "teams/elsewhere"))
    assign = leads_pb2.AssignLeadRequest(name=lead.name, team="teams/elsewhere")
    with pytest.raises(InvalidFields, match="beyond your reach"):
        await leads.call("LeadService/AssignLead", assign, by=MIRA)


async def test_an_account_is_not_moved_out_of_the_own_sight(sales):
    request = sales_pb2.CreateAccountRequest(account={"display_name": "Bakery"})
    account = await sales.call("SalesService/CreateAccount", request, by=ANA)
    move = sales_pb2.UpdateAccountRequest(account={"name": account.name, "owner": CHEN})
    with pytest.raises(InvalidFields, match="beyond your reach"):
        await sales.call("SalesService/UpdateAccount", move, by=ANA)
    assert (await sales.call("SalesService/UpdateAccount", move, by=MIRA)).owner == CHEN


async def test_a_page_token_continues_nobody_elses_list(leads):
    channel = a_channel()
    for _ in range(2):
        await create(leads, owner=ANA, channel=channel)
    asked = {"filter": f'channel = "{channel}"', "page_size": 1}
    token = (await listed(leads, by="users/root", **asked)).next_page_token
    for other in ("serviceAccounts/importer", ANA):  # the first sees all leads, too
        with pytest.raises(InvalidFields, match="another caller"):
            await listed(leads, by=other, page_token=token, **asked)


async def test_a_request_id_answers_nobody_but_its_caller(leads):
    request_id = new_id()
    first = await create(leads, by=ANA, request_id=request_id, note="secret")
    second = await create(leads, by=CHEN, request_id=request_id, note="secret")
    assert first.name != second.name
    with pytest.raises(NotFound):
        await read(leads, first.name, by=CHEN)


async def test_what_moved_out_of_sight_is_not_read_again_by_its_request_id(leads):
    """The answer of a saga is read anew: not for somebody who may not see the lead any more."""
    request_id = new_id()
    lead = await create(leads, by=ANA, owner=ANA)
    await leads.call("LeadService/QualifyLead", leads_pb2.QualifyLeadRequest(name=lead.name), by=ANA)
    convert = leads_pb2.ConvertLeadRequest(name=lead.name, request_id=request_id)
    assert (await leads.call("LeadService/ConvertLead", convert, by=ANA, timeout=1)).name == lead.name
    await leads.rows("UPDATE leads SET owner = $1, team = '' WHERE id = $2", CHEN, lead.name.split("/")[1])
    with pytest.raises(NotFound):
        await leads.call("LeadService/ConvertLead", convert, by=ANA, timeout=1)


async def an_account(service, owner=CHEN, team="teams/south"):
    account = {"name": f"accounts/{new_id()}", "display_name": "Far Bakery", "owner": owner, "team": team}
    await service.react(sales_events.AccountCreated(account=account | {"journey_id": new_id()}))
    return account["name"]


async def test_no_contract_is_drafted_for_an_account_one_may_not_see(contracts):
    hidden, absent, texts = await an_account(contracts), f"accounts/{new_id()}", []
    for name in (hidden, absent):
        request = contracts_pb2.CreateContractRequest(contract={"display_name": "x", "account": name})
        with pytest.raises(InvalidFields) as refused:
            await contracts.call("ContractService/CreateContract", request, by=ANA)
        texts.append(str(refused.value).replace(name, ""))
    assert texts[0] == texts[1]


async def test_no_case_is_opened_about_an_account_one_may_not_see(service_desk):
    hidden = await an_account(service_desk)
    request = service_desk_pb2.OpenCaseRequest(case={"display_name": "x", "account": hidden})
    await service_desk.know(Person("users/guest", ("portal_customer",), account=f"accounts/{new_id()}"))
    with pytest.raises(InvalidFields, match="may not see it"):
        await service_desk.call("ServiceDeskService/OpenCase", request, by="users/guest")
    assert (await service_desk.call("ServiceDeskService/OpenCase", request, by="users/dora")).account == hidden


async def test_who_wrote_on_a_contract_does_not_approve_it(contracts):
    account = await an_account(contracts, ANA, "teams/north")

    async def ask(method, by, **fields):
        request = getattr(contracts_pb2, f"{method}Request")(**fields)
        return await contracts.call(f"ContractService/{method}", request, by=by)

    made = await ask("CreateContract", ANA, contract={"display_name": "Care", "account": account})
    await ask("UpdateContract", "users/erik", contract={"name": made.name, "term_months": 36})
    submitted = await ask("SubmitContract", ANA, name=made.name)
    assert sorted(submitted.authors) == [ANA, "users/erik"]
    with pytest.raises(FailedPrecondition) as refused:
        await ask("ApproveContract", "users/erik", name=made.name)
    assert refused.value.metadata["reason"] == "AUTHOR_CANNOT_APPROVE"
    await contracts.know(Person("users/vera", ("approver",)))
    assert (await ask("ApproveContract", "users/vera", name=made.name)).approver == "users/vera"


@pytest.fixture
async def shared_customer(insights):
    """A customer of ana's with a lead, a deal, an order and a case of hers, and one each of chen's."""
    account, journey = f"accounts/{new_id()}", new_id()
    mine = {"owner": ANA, "team": "teams/north", "journey_id": journey}
    mine |= {"create_time": WHEN, "update_time": WHEN}
    await insights.react(sales_events.AccountCreated(account={"name": account, "display_name": "Shared"} | mine))
    for owner, team in ((ANA, "teams/north"), (CHEN, "teams/south")):
        whose = {"owner": owner, "team": team, "journey_id": journey, "channel": "channels/fair-2"}
        about = {"account": account} | whose
        worth = {"currency_code": "EUR", "units": 10}
        await insights.react(leads_events.LeadCreated(lead={"name": f"leads/{new_id()}"} | whose))
        deal = {"name": f"opportunities/{new_id()}", "state": "WON", "amount": worth} | about
        await insights.react(sales_events.OpportunityWon(opportunity=deal))
        await insights.react(sales_events.OrderRecorded(order={"name": f"orders/{new_id()}", "amount": worth} | about))
        contact = {"name": f"contacts/{new_id()}", "display_name": f"Friend of {owner}"} | about
        contact.pop("channel")
        await insights.react(sales_events.ContactCreated(contact=contact))
        case = {"name": f"cases/{new_id()}", "state": "OPEN"} | about
        case.pop("channel")
        await insights.react(service_desk_events.CaseOpened(case=case))
    return account.replace("accounts/", "customers/")


@pytest.mark.parametrize(
    ("by", "deals", "revenue", "orders", "cases", "entries"),
    [("users/root", 2, "20.00", 2, 2, 11), (MIRA, 2, "20.00", 2, 2, 11), (ANA, 1, "10.00", 1, 1, 6)],
)
async def test_counts_sums_and_timeline_of_a_customer_hold_what_the_reader_may_see(
    insights, shared_customer, by, deals, revenue, orders, cases, entries
):
    request = insights_pb2.GetCustomerRequest(name=shared_customer)
    found = await insights.call("InsightsService/GetCustomer", request, by=by)
    assert (found.won_opportunities, found.revenue, found.orders, found.cases) == (deals, revenue, orders, cases)
    assert len(found.contacts) == deals
    told = insights_pb2.ListTimelineRequest(parent=shared_customer)
    assert len((await insights.call("InsightsService/ListTimeline", told, by=by)).entries) == entries


async def test_an_agent_is_told_nothing_of_deals_and_leads(insights, shared_customer):
    told = insights_pb2.ListTimelineRequest(parent=shared_customer)
    answer = await insights.call("InsightsService/ListTimeline", told, by="users/dora")
    kinds = {entry.subject.split("/")[0] for entry in answer.entries}
    assert kinds == {"accounts", "contacts", "orders"}  # the cases are another team's
    found = await insights.call(
        "InsightsService/GetCustomer", insights_pb2.GetCustomerRequest(name=shared_customer), by="users/dora"
    )
    assert (found.won_opportunities, found.cases, found.orders) == (0, 0, 2)


async def test_a_pages_token_of_a_timeline_shows_no_more_than_the_page_before(insights, shared_customer):
    seen, token = [], ""
    while True:
        told = insights_pb2.ListTimelineRequest(parent=shared_customer, page_size=1, page_token=token)
        page = await insights.call("InsightsService/ListTimeline", told, by=ANA)
        seen += [entry.event_id for entry in page.entries]
        token = page.next_page_token
        if not token:
            break
    assert len(seen) == len(set(seen)) == 6


async def test_the_report_of_channels_counts_within_the_readers_reach(insights, marketing):
    """`users/lead` leads the north only; what the south brought is no figure of his."""
    channel = f"channels/{new_id()}"
    for service in (insights, marketing):
        await service.know(Person("users/lead", ("sales_manager",), "teams/north"))
        for owner, team in ((ANA, "teams/north"), (CHEN, "teams/south")):
            whose = {"owner": owner, "team": team, "channel": channel, "journey_id": new_id()}
            account, worth = f"accounts/{new_id()}", {"currency_code": "EUR", "units": 7}
            await service.react(leads_events.LeadCreated(lead={"name": f"leads/{new_id()}"} | whose))
            customer = {"name": account, "display_name": "Shared", "create_time": WHEN, "update_time": WHEN}
            customer |= {"customer_time": WHEN}
            await service.react(sales_events.AccountBecameCustomer(account=customer | whose))
            order = {"name": f"orders/{new_id()}", "account": account, "amount": worth}
            await service.react(sales_events.OrderRecorded(order=order | whose))
    for by, count, revenue in (("users/lead", 1, "7.00"), (MIRA, 2, "14.00"), ("users/marta", 2, "14.00")):
        report = await insights.call("InsightsService/GetChannelReport", insights_pb2.GetChannelReportRequest(), by=by)
        line = next(line for line in report.channels if line.name == channel)
        assert (line.leads, line.customers, line.revenue) == (count, count, revenue)
        asked = marketing_pb2.ListChannelPerformanceRequest()
        lines = await marketing.call("MarketingService/ListChannelPerformance", asked, by=by)
        line = next(line for line in lines.channels if line.channel == channel)
        assert (line.leads, line.customers, line.revenue) == (count, count, revenue)


async def test_a_lead_that_changes_hands_changes_whose_figure_it_is(marketing):
    channel, name = f"channels/{new_id()}", f"leads/{new_id()}"
    await marketing.know(Person("users/lead", ("sales_manager",), "teams/north"))
    lead = {"name": name, "owner": CHEN, "team": "teams/south", "channel": channel, "journey_id": new_id()}
    await marketing.react(leads_events.LeadCreated(lead=lead), version=1)

    async def counted():
        asked = marketing_pb2.ListChannelPerformanceRequest()
        lines = await marketing.call("MarketingService/ListChannelPerformance", asked, by="users/lead")
        return [line.leads for line in lines.channels if line.channel == channel]

    assert await counted() == []
    lead |= {"owner": ANA, "team": "teams/north"}
    await marketing.react(leads_events.LeadAssigned(lead=lead), version=2)
    assert await counted() == [1]
