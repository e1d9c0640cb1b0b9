"""AcceptLead: three records in one transaction, once per lead."""

import asyncio

import pytest
from chassis.errors import AlreadyExists, PermissionDenied
from chassis.values import new_id
from crm.sales.v1 import sales_pb2

LEADS = "services/leads"


def facts(**fields):
    given = {
        "lead": f"leads/{new_id()}",
        "journey_id": new_id(),
        "account_display_name": "Harbour Bakery",
        "account_owner": "users/ana",
        "contact_display_name": "Ida Lund",
        "email": "Ida@Harbour.example",
        "phone": "+45 1234 5678",
        "opportunity_display_name": "Ovens",
        "opportunity_owner": "users/chen",
        "channel": "channels/organic",
        "convert_time": {"seconds": 1_500_000_000},
        "request_id": new_id(),
    }
    return sales_pb2.AcceptLeadRequest(**(given | fields))


async def accept(service, asked, by=LEADS):
    return await service.running.call("SalesService/AcceptLead", asked, by=by)


async def count(service, asked):
    """How many records and outbox rows the journey has."""
    tables = ("accounts", "contacts", "opportunities", "outbox")
    sql = " + ".join(f"(SELECT count(*) FROM {table} WHERE journey_id = $1)" for table in tables)
    return (await service.running.rows(f"SELECT {sql} AS all", asked.journey_id))[0]["all"]


async def test_a_lead_becomes_an_account_a_contact_and_a_deal(service):
    asked = facts()
    made = await accept(service, asked)
    account = await service.call("GetAccount", name=made.account)
    contact = await service.call("GetContact", name=made.contact)
    deal = await service.call("GetOpportunity", name=made.opportunity)
    assert (account.display_name, account.owner, account.team) == ("Harbour Bakery", "users/ana", "teams/north")
    assert (account.lead, account.channel) == (asked.lead, "channels/organic")
    assert (contact.display_name, contact.email, contact.phone) == ("Ida Lund", "ida@harbour.example", "+45 1234 5678")
    assert (deal.owner, deal.team, deal.lead) == ("users/chen", "teams/south", asked.lead)
    assert (deal.pipeline, deal.stage, deal.probability) == ("pipelines/default", "qualification", 0.2)
    assert (deal.account, deal.contact, contact.account) == (account.name, contact.name, account.name)
    assert {account.journey_id, contact.journey_id, deal.journey_id} == {asked.journey_id}
    assert deal.stage_history[0].enter_time.seconds == 1_500_000_000


async def test_each_of_the_three_tells_of_itself_at_the_time_of_the_conversion(service):
    made = await accept(service, facts())
    for name, event in ((made.account, "Account"), (made.contact, "Contact"), (made.opportunity, "Opportunity")):
        assert await service.events(name) == [f"{event}Created"]
        rows = await service.running.rows("SELECT event_time, journey_id FROM outbox WHERE subject = $1", name)
        assert rows[0]["event_time"].timestamp() == 1_500_000_000
        assert rows[0]["journey_id"]


async def test_asked_again_under_another_request_id_it_answers_the_same_and_writes_nothing(service):
    asked = facts()
    first = await accept(service, asked)
    asked.request_id = new_id()
    assert await accept(service, asked) == first
    assert await count(service, asked) == 6


async def test_asked_many_times_at_once_it_makes_three_records(service):
    asked = facts(account_external_ids=[{"system": "sap", "id": new_id()}])
    others = [facts() for _ in range(8)]
    for other in others:
        other.CopyFrom(asked)
        other.request_id = new_id()
    answers = await asyncio.gather(*(accept(service, other) for other in others))
    assert len({answer.account for answer in answers}) == 1
    assert await count(service, asked) == 6


async def test_an_external_id_of_another_account_is_refused_and_nothing_is_made(service):
    key = {"system": "sap", "kind": "customer", "id": new_id()}
    await service.account(external_ids=[key])
    asked = facts(account_external_ids=[key])
    with pytest.raises(AlreadyExists, match=key["id"]):
        await accept(service, asked)
    assert await count(service, asked) == 0


async def test_the_account_has_the_external_ids_it_was_given(service):
    key = {"system": "sap", "kind": "customer", "id": new_id()}
    made = await accept(service, facts(account_external_ids=[key]))
    page = await service.call("ListAccounts", filter=f'external_ids : "sap/customer/{key["id"]}"')
    assert [account.name for account in page.accounts] == [made.account]


async def test_who_is_not_named_is_called_as_the_account_and_owned_by_who_owns_the_deal(service):
    asked = facts(contact_display_name="", opportunity_display_name="", account_owner="")
    made = await accept(service, asked)
    assert (await service.call("GetContact", name=made.contact)).display_name == "Harbour Bakery"
    assert (await service.call("GetOpportunity", name=made.opportunity)).display_name == "Harbour Bakery"
    assert (await service.call("GetAccount", name=made.account)).owner == "users/chen"


@pytest.mark.parametrize(("owner", "team"), [("users/gone", "teams/north"), ("users/unheard_of", "")])
async def test_an_owner_who_left_or_is_not_known_here_yet_is_accepted(service, owner, team):
    made = await accept(service, facts(opportunity_owner=owner))
    deal = await service.call("GetOpportunity", name=made.opportunity)
    assert (deal.owner, deal.team) == (owner, team)


async def test_people_cannot_call_it(service):
    with pytest.raises(PermissionDenied):
        await accept(service, facts(), by="users/ana")
