"""Deals over gRPC: opened, moved through stages, won and lost."""

import asyncio

import pytest
from chassis.errors import Aborted, FailedPrecondition, InvalidFields
from chassis.values import new_id

EUROS = {"currency_code": "EUR", "units": 1200, "nanos": 500_000_000}
LONG_AGO = {"seconds": 1_000_000_000}


async def test_a_deal_begins_in_the_first_stage_of_the_default_pipeline(service):
    account = await service.account(channel="channels/organic")
    made = await service.deal(account.name, by="users/root", owner="users/ana", amount=EUROS)
    assert (made.pipeline, made.stage, made.probability) == ("pipelines/default", "qualification", 0.2)
    assert (made.owner, made.team, made.channel) == ("users/ana", "teams/north", "channels/organic")
    assert made.journey_id == account.journey_id
    assert (made.state, made.amount.units, made.amount.nanos) == (made.OPEN, 1200, 500_000_000)
    assert await service.events(made.name) == ["OpportunityCreated"]


async def test_a_deal_may_begin_in_another_stage_and_pipeline(service):
    pipeline = await service.pipeline("first", "second", display_name="Two steps")
    made = await service.deal(pipeline=pipeline.name, stage="second")
    assert (made.stage, made.probability) == ("second", 0.2)


@pytest.mark.parametrize(("field", "value"), [("stage", "nowhere"), ("pipeline", "pipelines/nowhere")])
async def test_a_deal_begins_in_a_stage_and_pipeline_there_are(service, field, value):
    with pytest.raises(InvalidFields) as refused:
        await service.deal(**{field: value})
    assert refused.value.violations[0][0] == f"opportunity.{field}"


async def test_the_contact_of_a_deal_works_for_its_account(service):
    account = await service.account()
    contact = await service.contact(account.name)
    made = await service.deal(account.name, contact=contact.name)
    stranger = await service.contact((await service.account()).name)
    for name in (stranger.name, f"contacts/{new_id()}", f"contacts/{'-' * 36}"):
        with pytest.raises(InvalidFields) as refused:
            await service.call("UpdateOpportunity", opportunity={"name": made.name, "contact": name})
        assert refused.value.violations[0][0] == "opportunity.contact"


async def test_a_deal_needs_an_account_one_may_see(service):
    account = await service.account(by="users/ana")
    assert await service.deal(account.name, by="users/ana")
    with pytest.raises(InvalidFields) as refused:
        await service.deal(account.name, by="users/chen")
    assert refused.value.violations[0][0] == "opportunity.account"


async def test_advancing_keeps_the_history_with_times_and_actors(service):
    made = await service.deal(owner="users/ana")
    moved = await service.call(
        "AdvanceOpportunity", by="users/ana", name=made.name, stage="negotiation", advance_time=LONG_AGO, note="fast"
    )
    assert (moved.stage, moved.probability) == ("negotiation", 0.8)
    first, second = moved.stage_history
    assert (first.stage, first.actor, second.stage, second.actor) == (
        "qualification",
        "users/root",
        "negotiation",
        "users/ana",
    )
    assert first.leave_time.seconds == second.enter_time.seconds == LONG_AGO["seconds"]
    assert not second.HasField("leave_time")
    assert await service.events(made.name) == ["OpportunityCreated", "OpportunityAdvanced"]


async def test_a_deal_is_not_advanced_to_its_own_or_an_unknown_stage(service):
    made = await service.deal()
    with pytest.raises(FailedPrecondition, match="qualification"):
        await service.call("AdvanceOpportunity", name=made.name, stage="qualification")
    with pytest.raises(InvalidFields, match="proposal"):
        await service.call("AdvanceOpportunity", name=made.name, stage="nowhere")


async def test_a_time_more_than_a_day_ahead_is_refused(service):
    made = await service.deal()
    with pytest.raises(InvalidFields) as refused:
        await service.call("WinOpportunity", name=made.name, win_time={"seconds": 4_000_000_000})
    assert refused.value.violations[0][0] == "win_time"


async def test_a_stage_is_changed_by_advancing_only(service):
    made = await service.deal()
    with pytest.raises(InvalidFields, match="AdvanceOpportunity"):
        await service.call("UpdateOpportunity", opportunity={"name": made.name, "stage": "proposal"})
    same = {"name": made.name, "stage": made.stage, "display_name": "More ovens"}
    assert (await service.call("UpdateOpportunity", opportunity=same)).display_name == "More ovens"


async def test_an_update_cannot_close_a_deal(service):
    made = await service.deal()
    changed = await service.call("UpdateOpportunity", opportunity={"name": made.name, "state": "WON", "probability": 1})
    assert (changed.state, changed.probability) == (changed.OPEN, 0.2)


async def test_amount_close_date_and_owner_are_updated(service):
    made = await service.deal()
    given = {
        "name": made.name,
        "amount": EUROS,
        "close_date": {"year": 2027, "month": 2, "day": 28},
        "owner": "users/chen",
    }
    changed = await service.call("UpdateOpportunity", opportunity=given)
    assert (changed.amount.units, changed.close_date.day, changed.team) == (1200, 28, "teams/south")
    assert await service.events(made.name) == ["OpportunityCreated", "OpportunityUpdated"]


async def test_the_first_deal_won_makes_a_customer_at_its_business_time(service):
    account = await service.account()
    first, second = await service.deal(account.name), await service.deal(account.name)
    won = await service.call("WinOpportunity", name=first.name, win_time=LONG_AGO, amount=EUROS, note="cash")
    assert (won.state, won.probability, won.amount.units) == (won.WON, 1.0, 1200)
    assert won.close_time.seconds == LONG_AGO["seconds"] == won.stage_history[-1].leave_time.seconds
    await service.call("WinOpportunity", name=second.name)
    customer = await service.call("GetAccount", name=account.name)
    assert customer.customer_time.seconds == LONG_AGO["seconds"]
    assert await service.events(account.name) == ["AccountCreated", "AccountBecameCustomer"]
    assert await service.events(first.name) == ["OpportunityCreated", "OpportunityWon"]


async def test_two_deals_of_one_account_won_at_once_make_one_customer(service):
    account = await service.account()
    deals = [await service.deal(account.name) for _ in range(2)]
    await asyncio.gather(*(service.call("WinOpportunity", name=deal.name) for deal in deals))
    assert await service.events(account.name) == ["AccountCreated", "AccountBecameCustomer"]


async def test_who_owns_the_deal_wins_it_whoever_owns_the_account(service):
    account = await service.account(owner="users/ana")
    made = await service.deal(account.name, owner="users/chen")
    won = await service.call("WinOpportunity", by="users/chen", name=made.name)
    assert won.state == won.WON
    assert (await service.call("GetAccount", name=account.name)).HasField("customer_time")


async def test_a_deal_is_lost_for_a_reason_of_its_pipeline(service):
    pipeline = await service.pipeline("first", display_name="Reasoned", lose_reasons=["too_expensive"])
    made = await service.deal(pipeline=pipeline.name)
    with pytest.raises(InvalidFields, match="too_expensive"):
        await service.call("LoseOpportunity", name=made.name, reason="bad_weather")
    lost = await service.call("LoseOpportunity", name=made.name, reason="too_expensive", lose_time=LONG_AGO)
    assert (lost.state, lost.probability, lost.lose_reason) == (lost.LOST, 0.0, "too_expensive")
    assert lost.close_time.seconds == LONG_AGO["seconds"]
    assert await service.events(made.name) == ["OpportunityCreated", "OpportunityLost"]


CLOSING = {
    "AdvanceOpportunity": {"stage": "proposal"},
    "WinOpportunity": {},
    "LoseOpportunity": {"reason": "no_need"},
}


@pytest.mark.parametrize("method", CLOSING)
async def test_a_closed_deal_stays_closed(service, method):
    made = await service.deal()
    await service.call("WinOpportunity", name=made.name)
    with pytest.raises(FailedPrecondition, match="WON"):
        await service.call(method, name=made.name, **CLOSING[method])


async def test_what_a_deal_was_won_for_stays(service):
    made = await service.deal(amount=EUROS)
    await service.call("WinOpportunity", name=made.name)
    with pytest.raises(FailedPrecondition, match="WON"):
        await service.call("UpdateOpportunity", opportunity={"name": made.name, "amount": EUROS | {"units": 1}})
    renamed = await service.call("UpdateOpportunity", opportunity={"name": made.name, "display_name": "Renamed"})
    assert renamed.display_name == "Renamed"


async def test_a_stale_etag_moves_nothing(service):
    made = await service.deal()
    await service.call("AdvanceOpportunity", name=made.name, stage="proposal", etag=made.etag)
    with pytest.raises(Aborted):
        await service.call("WinOpportunity", name=made.name, etag=made.etag)


async def test_moves_at_the_same_moment_leave_a_history_without_gaps(service):
    made = await service.deal()
    stages = ["proposal", "negotiation"]
    await asyncio.gather(*(service.call("AdvanceOpportunity", name=made.name, stage=stage) for stage in stages))
    history = (await service.call("GetOpportunity", name=made.name)).stage_history
    assert len(history) == 3
    assert [entry.leave_time for entry in history[:-1]] == [entry.enter_time for entry in history[1:]]


async def test_deals_are_found_by_what_the_contract_names(service):
    account = await service.account(channel="channels/deals")
    made = await service.deal(account.name, owner="users/ana")
    other = await service.deal(account.name, owner="users/ana", stage="proposal")
    await service.call("WinOpportunity", name=other.name)
    mine = f'account = "{account.name}" AND owner = users/ana AND team = teams/north AND channel = channels/deals'
    for asked in ("state = OPEN", "stage = qualification AND pipeline = pipelines/default"):
        page = await service.call("ListOpportunities", filter=f"{mine} AND {asked}")
        assert [deal.name for deal in page.opportunities] == [made.name]
    page = await service.call("ListOpportunities", filter=f"journey_id = {account.journey_id}")
    assert [deal.name for deal in page.opportunities] == [other.name, made.name]
