"""Customers, contacts and pipelines over gRPC on a real database."""

import pytest
from chassis.errors import (
    Aborted,
    AlreadyExists,
    CrmError,
    FailedPrecondition,
    InvalidFields,
    NotFound,
    PermissionDenied,
)
from chassis.values import new_id

# ---- accounts


async def test_an_account_made_by_hand_begins_a_journey_and_belongs_to_its_maker(service):
    made = await service.account(by="users/ana")
    assert made.name.startswith("accounts/")
    assert made.journey_id
    assert (made.owner, made.team) == ("users/ana", "teams/north")
    assert not made.HasField("customer_time")
    assert await service.events(made.name) == ["AccountCreated"]


async def test_an_account_may_go_on_with_a_journey_begun_elsewhere(service):
    journey = new_id()
    assert (await service.account(journey_id=journey)).journey_id == journey


async def test_the_team_of_an_account_is_its_owners(service):
    made = await service.account(by="users/mira", owner="users/chen")
    assert (made.owner, made.team) == ("users/chen", "teams/south")


@pytest.mark.parametrize("owner", ["users/gone", "users/unheard_of"])
async def test_an_account_is_not_given_to_somebody_who_is_not_there(service, owner):
    with pytest.raises(InvalidFields) as refused:
        await service.account(owner=owner)
    assert refused.value.violations[0][0] == "account.owner"


async def test_an_external_id_is_taken_once(service):
    key = {"system": "sap", "id": new_id()}
    await service.account(external_ids=[key])
    with pytest.raises(AlreadyExists):
        await service.account(external_ids=[key])


async def test_an_account_given_away_changes_its_team_and_tells_what_changed(service):
    made = await service.account(owner="users/ana")
    changed = await service.call(
        "UpdateAccount", account={"name": made.name, "owner": "users/chen", "phone": "+45 99 88"}
    )
    assert (changed.owner, changed.team, changed.phone) == ("users/chen", "teams/south", "+45 99 88")
    assert await service.events(made.name) == ["AccountCreated", "AccountUpdated"]


async def test_an_update_that_changes_nothing_is_no_event(service):
    made = await service.account(website="harbour.example")
    again = await service.call("UpdateAccount", account={"name": made.name, "website": "harbour.example"})
    assert again.etag == made.etag
    assert await service.events(made.name) == ["AccountCreated"]


async def test_a_stale_etag_is_refused(service):
    made = await service.account()
    await service.call("UpdateAccount", account={"name": made.name, "website": "a.example", "etag": made.etag})
    with pytest.raises(Aborted):
        await service.call("UpdateAccount", account={"name": made.name, "website": "b.example", "etag": made.etag})


@pytest.mark.parametrize("field", ["journey_id", "channel"])
async def test_where_an_account_came_from_cannot_be_changed(service, field):
    made = await service.account(channel="channels/organic")
    value = {"journey_id": new_id(), "channel": "channels/paid"}[field]
    with pytest.raises(InvalidFields, match="cannot be changed"):
        await service.call("UpdateAccount", account={"name": made.name, field: value})


ARCHIVING = {
    "Account": ("ArchiveAccount", "RestoreAccount"),
    "Contact": ("ArchiveContact", "RestoreContact"),
    "Opportunity": ("ArchiveOpportunity", "RestoreOpportunity"),
}


@pytest.mark.parametrize("kind", ["Account", "Contact", "Opportunity"])
async def test_what_is_archived_leaves_the_lists_until_it_is_restored(service, kind):
    account = await service.account()
    made = {"Account": lambda: account, "Contact": None, "Opportunity": None}[kind]
    record = (
        made() if made else await getattr(service, {"Contact": "contact", "Opportunity": "deal"}[kind])(account.name)
    )
    plural, journey = {"Opportunity": "Opportunities"}.get(kind, f"{kind}s"), f"journey_id = {account.journey_id}"

    async def listed(**more):
        page = await service.call(f"List{plural}", filter=journey, **more)
        return [item.name for item in getattr(page, plural.lower())]

    assert await listed() == [record.name]
    archive, restore = ARCHIVING[kind]
    archived = await service.call(archive, name=record.name)
    assert archived.HasField("archive_time")
    assert await listed() == []
    assert await listed(show_archived=True) == [record.name]
    with pytest.raises(FailedPrecondition):
        await service.call(archive, name=record.name)
    restored = await service.call(restore, name=record.name)
    assert not restored.HasField("archive_time")
    assert await listed() == [record.name]
    assert await service.events(record.name) == [f"{kind}{verb}" for verb in ("Created", "Archived", "Restored")]


CONDITIONS = [
    "owner = users/chen AND team = teams/south",
    "channel = channels/filtered",
    "industry = bakeries AND create_time >= 2026-01-01T00:00:00Z",
]


@pytest.mark.parametrize("condition", CONDITIONS)
async def test_accounts_are_found_by_what_the_contract_names(service, condition):
    made = await service.account(owner="users/chen", channel="channels/filtered", industry="bakeries")
    other = await service.account(owner="users/ana", channel="channels/other", industry="harbours")
    found = [account.name for account in (await service.call("ListAccounts", filter=condition)).accounts]
    assert made.name in found
    assert other.name not in found


async def test_a_salesperson_sees_own_accounts_and_a_manager_those_of_the_teams_below(service):
    made = await service.account(by="users/ana")
    assert (await service.call("GetAccount", by="users/mira", name=made.name)).name == made.name
    with pytest.raises(NotFound):
        await service.call("GetAccount", by="users/chen", name=made.name)


# ---- contacts


async def test_a_contact_is_part_of_its_accounts_journey(service):
    account = await service.account()
    made = await service.contact(account.name, email="Ida@Harbour.Example", buying_role="CHAMPION")
    assert made.journey_id == account.journey_id
    assert made.email == "ida@harbour.example"
    assert await service.events(made.name) == ["ContactCreated"]


@pytest.mark.parametrize("by", ["users/root", "users/chen"])
async def test_a_contact_needs_an_account_one_may_see(service, by):
    account = f"accounts/{new_id()}" if by == "users/root" else (await service.account(by="users/ana")).name
    with pytest.raises(InvalidFields) as refused:
        await service.contact(account, by=by)
    assert refused.value.violations[0][0] == "contact.account"


async def test_a_contacts_buying_role_is_changed_and_found(service):
    account = await service.account()
    made = await service.contact(account.name, email="role@harbour.example")
    changed = await service.call("UpdateContact", contact={"name": made.name, "buying_role": "BLOCKER"})
    assert changed.buying_role == changed.BLOCKER
    page = await service.call("ListContacts", filter=f'account = "{account.name}" AND email = role@harbour.example')
    assert [contact.name for contact in page.contacts] == [made.name]
    assert (await service.call("GetContact", name=made.name)) == changed


async def test_a_contact_stays_with_its_account(service):
    made = await service.contact((await service.account()).name)
    with pytest.raises(InvalidFields, match="cannot be changed"):
        await service.call("UpdateContact", contact={"name": made.name, "account": (await service.account()).name})


# ---- pipelines


async def test_there_is_a_pipeline_from_the_first_day(service):
    default = await service.call("GetPipeline", name="pipelines/default")
    assert [stage.stage for stage in default.stages] == ["qualification", "proposal", "negotiation"]
    page = await service.call("ListPipelines", page_size=1000)
    assert "pipelines/default" in [pipeline.name for pipeline in page.pipelines]


async def test_a_pipeline_is_named_as_asked_or_after_its_display_name(service):
    given = {"display_name": "A", "stages": [{"stage": "only", "probability": 0.5}]}
    asked = await service.call("CreatePipeline", pipeline=given, pipeline_id="renewals")
    assert asked.name == "pipelines/renewals"
    assert (await service.pipeline("only", display_name="New business")).name == "pipelines/new-business"
    with pytest.raises(AlreadyExists):
        await service.call("CreatePipeline", pipeline=given, pipeline_id="renewals")


async def test_a_probability_lies_between_none_and_certain(service):
    with pytest.raises(InvalidFields, match="probability"):
        await service.call(
            "CreatePipeline", pipeline={"display_name": "Odd", "stages": [{"stage": "s", "probability": 1.1}]}
        )


async def test_stages_are_named_once(service):
    with pytest.raises(InvalidFields, match="more than once"):
        await service.pipeline("same", "same", display_name="Twice")


async def test_only_who_configures_sales_changes_pipelines(service):
    with pytest.raises(PermissionDenied):
        await service.call(
            "CreatePipeline", by="users/ana", pipeline={"display_name": "Mine", "stages": [{"stage": "s"}]}
        )


async def test_a_stage_goes_when_no_open_deal_is_in_it(service):
    pipeline = await service.pipeline("first", "second", display_name="Shrinking")
    deal = await service.deal(pipeline=pipeline.name, stage="second")
    shorter = {"name": pipeline.name, "stages": [{"stage": "first", "probability": 0.1}]}
    with pytest.raises(FailedPrecondition, match="second"):
        await service.call("UpdatePipeline", pipeline=shorter)
    await service.call("LoseOpportunity", name=deal.name, reason="no_need")
    changed = await service.call("UpdatePipeline", pipeline=shorter)
    assert [stage.stage for stage in changed.stages] == ["first"]
    assert await service.events(pipeline.name) == ["PipelineCreated", "PipelineUpdated"]


async def test_a_stage_that_changes_its_probability_leaves_the_deals_in_it_as_they_are(service):
    pipeline = await service.pipeline("first", "second", display_name="Revised")
    deal = await service.deal(pipeline=pipeline.name)
    stages = [{"stage": "first", "probability": 0.9}, {"stage": "second"}]
    await service.call("UpdatePipeline", pipeline={"name": pipeline.name, "stages": stages})
    assert (await service.call("GetOpportunity", name=deal.name)).probability == deal.probability == 0.1


COLLECTIONS = {
    "Account": "accounts",
    "Contact": "contacts",
    "Opportunity": "opportunities",
    "Pipeline": "pipelines",
    "Order": "orders",
    "Activity": "activities",
}


@pytest.mark.parametrize(("kind", "collection"), COLLECTIONS.items())
async def test_what_does_not_exist_is_not_found(service, kind, collection):
    for name in (f"{collection}/{new_id()}", f"{collection}/not-an-id"):
        with pytest.raises(NotFound):
            await service.call(f"Get{kind}", name=name)


@pytest.mark.parametrize("collection", COLLECTIONS.values())
async def test_a_list_says_what_it_cannot_filter_by(service, collection):
    with pytest.raises(CrmError, match="cannot filter by 'shoe_size'"):
        await service.call(f"List{collection.capitalize()}", filter="shoe_size = 46")
