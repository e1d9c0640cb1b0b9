"""What leads asks of sales around a conversion: the best matches, links in place of new records, and taking back."""

import asyncio

import pytest
from chassis.errors import FailedPrecondition, InvalidFields, PermissionDenied
from chassis.values import derived_id, new_id
from crm.contracts.v1 import events_pb2 as contracts_events
from crm.leads.v1 import events_pb2 as leads_events
from crm.leads.v1 import leads_pb2
from crm.sales.v1 import lead_acceptance_pb2 as pb
from hypothesis import given
from hypothesis import strategies as st
from sales.domain.account import Account
from sales.domain.contact import Contact
from sales.domain.lead_acceptance import ConversionBuiltUpon, LeadAcceptance, Reason, ranked
from sales.domain.opportunity import Opportunity, State

LEADS = "services/leads"
BEST = {name: {"mode": "AUTO"} for name in ("account", "contact", "opportunity")}


def facts(**fields):
    given = {"lead": f"leads/{new_id()}", "journey_id": new_id(), "account_display_name": f"Роза {new_id()}"}
    given |= {"account_owner": "users/ana", "opportunity_owner": "users/ana", "contact_display_name": "Ида Лунд"}
    return given | {"email": f"{new_id()}@rosa.example"} | fields


async def link(service, lead, attempt=0, by=LEADS, **targets):
    asked = pb.LinkLeadRequest(facts=lead, attempt=attempt, targets=targets, request_id=new_id())
    return await service.running.call("LeadAcceptanceService/LinkLead", asked, by=by)


async def match(service, lead, by=LEADS, acting_for="", **targets):
    asked = pb.MatchLeadRequest(facts=lead, targets=targets)
    return await service.running.call("LeadAcceptanceService/MatchLead", asked, by=by, acting_for=acting_for)


async def release(service, lead, attempt=0, by=LEADS):
    asked = pb.ReleaseLeadRequest(lead=lead["lead"], attempt=attempt)
    return await service.running.call("LeadAcceptanceService/ReleaseLead", asked, by=by)


async def test_what_is_called_almost_so_is_shown_to_whoever_may_read_it_and_not_taken(service):
    mine, theirs = facts(), facts(account_owner="users/boris", opportunity_owner="users/boris")
    made = [(await link(service, one)).account for one in (mine, theirs)]
    asked = pb.MatchLeadRequest(
        facts=facts(),
        targets={"account": {"mode": "AUTO"}},
        similar_accounts=[*made, f"accounts/{new_id()}", "accounts/x"],
    )
    call = service.running.call
    told = await call("LeadAcceptanceService/MatchLead", asked, by=LEADS, acting_for="users/ana")
    similar = pb.RecordCandidate.SIMILAR_NAME
    assert [(one.name, list(one.reasons)) for one in told.account.candidates] == [(made[0], [similar])]
    assert told.account.name == ""


async def test_people_can_ask_none_of_it(service):
    for ask in (link, match, release):
        with pytest.raises(PermissionDenied):
            await ask(service, facts(), by="users/ana")


async def test_the_same_lead_asked_for_many_times_at_once_is_linked_once(service):
    lead = facts()
    answers = await asyncio.gather(*(link(service, lead, **BEST) for _ in range(6)))
    assert len({(one.account, one.contact, one.opportunity) for one in answers}) == 1
    again = await link(service, lead, account={"mode": "CREATE"})  # once decided, it stays so
    assert again == answers[0]


async def test_each_attempt_makes_records_of_its_own(service):
    lead = facts()
    first = await link(service, lead)
    await release(service, lead)
    second = await link(service, lead, attempt=1)
    assert {first.account, first.contact, first.opportunity}.isdisjoint({second.account, second.contact})
    assert await release(service, lead) == await release(service, lead)
    assert not (await service.call("GetAccount", name=second.account)).HasField("archive_time")


async def test_an_archived_customer_matches_nobody(service):
    lead = facts()
    account = await service.account(display_name=lead["account_display_name"])
    await service.contact(account.name, email=lead["email"])
    assert (await match(service, lead, **BEST)).account.name == account.name
    await service.call("ArchiveAccount", name=account.name)
    found = await match(service, lead, **BEST)
    assert (found.account.name, found.contact.name) == ("", "")


async def test_of_several_open_deals_with_the_contact_none_is_the_best(service):
    lead = facts()
    account = await service.account()
    contact = await service.contact(account.name, email=lead["email"])
    await service.deal(account.name, contact=contact.name)
    assert (await match(service, lead, **BEST)).opportunity.name
    await service.deal(account.name, contact=contact.name)
    found = await match(service, lead, **BEST)
    assert (found.opportunity.name, len(found.opportunity.candidates)) == ("", 2)


async def test_a_short_number_is_an_extension_and_matches_nobody(service):
    account = await service.account()
    await service.contact(account.name, phone="0123")
    assert not (await match(service, facts(phone="0123"))).contact.candidates


async def test_what_an_earlier_release_took_in_cannot_be_taken_back(service):
    with pytest.raises(FailedPrecondition, match="CONVERSION_NOT_KNOWN"):
        await release(service, facts())


async def test_a_linked_deal_that_was_won_stands_in_the_way(service):
    lead = facts()
    account = await service.account()
    deal = await service.deal(account.name)
    linked = await link(service, lead, opportunity={"mode": "LINK", "name": deal.name})
    assert (linked.account, linked.opportunity) == (account.name, deal.name)
    await service.call("WinOpportunity", name=deal.name)
    with pytest.raises(FailedPrecondition, match="was won"):
        await release(service, lead)


async def test_a_contract_of_the_account_stands_in_the_way(service):
    lead = facts()
    made = await link(service, lead)
    contract = {"name": f"contracts/{new_id()}", "account": made.account, "owner": "users/ana", "journey_id": new_id()}
    await service.running.react(contracts_events.ContractDrafted(contract=contract))
    with pytest.raises(FailedPrecondition, match=contract["name"]):
        await release(service, lead)


async def test_what_people_archived_since_stands_in_nobodys_way(service):
    lead = facts()
    made = await link(service, lead)
    await service.call("ArchiveOpportunity", name=made.opportunity)
    assert set((await release(service, lead)).archived) == {made.account, made.contact}


async def test_an_activity_that_people_gave_another_subject_stays_there(service):
    lead = facts()
    event = leads_events.LeadCreated(lead={"name": lead["lead"], "owner": "users/ana", "journey_id": new_id()})
    await service.running.react(event)
    activity = await service.activity(lead["lead"])
    made = await link(service, lead)
    known = {"name": lead["lead"], "owner": "users/ana", "opportunity": made.opportunity, "contact": made.contact}
    await service.running.react(leads_events.LeadConverted(lead=leads_pb2.Lead(**known, etag="2")))
    moved = await service.call("GetActivity", name=activity.name)
    assert moved.subject == made.opportunity
    elsewhere = (await service.account()).name
    await service.call("UpdateActivity", activity={"name": activity.name, "subject": elsewhere})
    back = leads_pb2.Lead(name=lead["lead"], owner="users/ana", etag="3")
    await service.running.react(leads_events.LeadConversionUndone(lead=back))
    assert (await service.call("GetActivity", name=activity.name)).subject == elsewhere


async def test_conversions_heard_of_in_another_order_leave_activities_where_the_last_one_says(service):
    lead = facts()
    event = leads_events.LeadCreated(lead={"name": lead["lead"], "owner": "users/ana", "journey_id": new_id()})
    await service.running.react(event)
    activity = await service.activity(lead["lead"])
    became = [f"contacts/{derived_id(str(number))}" for number in range(2)]

    def told(version, contact=""):
        kind = leads_events.LeadConverted if contact else leads_events.LeadConversionUndone
        return kind(lead={"name": lead["lead"], "owner": "users/ana", "contact": contact, "etag": str(version)})

    for event in (told(2, became[0]), told(4, became[1]), told(3)):
        await service.running.react(event)
    assert (await service.call("GetActivity", name=activity.name)).subject == became[1]


async def test_an_activity_of_a_lead_that_was_parted_again_follows_no_undo_of_the_other_one(service):
    """The conversion of the one that went on was taken back first, and is heard of last."""
    gone, goes_on = f"leads/{new_id()}", f"leads/{new_id()}"
    for name in (gone, goes_on):
        known = {"name": name, "owner": "users/ana", "journey_id": new_id(), "etag": "1"}
        await service.running.react(leads_events.LeadCreated(lead=known))
    activity = await service.activity(gone)
    contact = f"contacts/{new_id()}"
    merged = {"name": gone, "owner": "users/ana", "merged_into": goes_on, "etag": "2"}
    await service.running.react(leads_events.LeadMerged(lead=merged, journey_id=new_id()))
    converted = {"name": goes_on, "owner": "users/ana", "contact": contact, "etag": "3"}
    await service.running.react(leads_events.LeadConverted(lead=converted))
    assert (await service.call("GetActivity", name=activity.name)).subject == contact
    await service.running.react(leads_events.LeadUnmerged(lead={"name": gone, "owner": "users/ana", "etag": "3"}))
    back = {"name": goes_on, "owner": "users/ana", "etag": "4"}
    await service.running.react(leads_events.LeadConversionUndone(lead=back))
    assert (await service.call("GetActivity", name=activity.name)).subject == gone


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(Reason)), max_size=12))
def test_candidates_come_once_each_and_the_strongest_first(found):
    records = {name: Account(id=name, display_name=name) for name in "abcd"}
    candidates = ranked((records[name], reason) for name, reason in found)
    assert {one.record.id for one in candidates} == {name for name, _ in found}
    assert len({one.record.id for one in candidates}) == len(candidates)
    strongest = [one.reasons[0].value for one in candidates]
    assert strongest == sorted(strongest)
    assert all(set(one.reasons) == {why for name, why in found if name == one.record.id} for one in candidates)


@pytest.mark.parametrize(
    ("changes", "added", "said"),
    [
        ({}, [], ""),
        ({"version": 2}, [], "changed"),
        ({"state": State.WON}, [], "was won"),
        ({}, ["orders/1", "orders/2", "orders/3"], "1 more"),
    ],
)
def test_what_stands_in_the_way_of_an_undo_is_named(changes, added, said):
    deal = Opportunity(**({"id": "d", "display_name": "D", "account": "accounts/a", "version": 1} | changes))
    person = Contact(id="c", display_name="C", account="accounts/a", version=1)
    names = {"account": "accounts/a", "contact": person.name, "opportunity": deal.name}
    kept = LeadAcceptance(lead="leads/l", made=[person.name, deal.name], **names)
    records = {deal.name: deal, person.name: person}
    if not said:
        kept.refuse_built_upon(records, added)
        return
    with pytest.raises(ConversionBuiltUpon, match=said):
        kept.refuse_built_upon(records, added)


async def test_nobody_links_what_is_archived(service):
    account = await service.account()
    await service.call("ArchiveAccount", name=account.name)
    with pytest.raises(InvalidFields):
        await link(service, facts(), account={"mode": "LINK", "name": account.name})
