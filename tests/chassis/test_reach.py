"""Reach: how far a permission goes, for one record and for lists alike."""

import pytest
from chassis.errors import InvalidFields, NotFound, PermissionDenied
from crm.leads.v1 import leads_pb2
from harness import Person, until
from lead_calls import a_channel, all_names, create, listed, log_call, read, update

OWNERS = ["users/ana", "users/boris", "users/chen", "users/mira", "users/dora"]
SEES = {
    "users/root": {"users/ana", "users/boris", "users/chen", "users/mira", "users/dora", ""},  # all
    "users/mira": {"users/ana", "users/boris", "users/chen", "users/mira"},  # subtree: sales and the teams below
    "users/ana": {"users/ana"},  # own
    "users/chen": {"users/chen"},
    "serviceAccounts/importer": {"users/ana", "users/boris", "users/chen", "users/mira", "users/dora", ""},
}


@pytest.fixture(scope="module")
async def company(leads):
    """A channel with one lead of each person, and one of nobody: owner → name."""
    channel = a_channel()
    names = {owner: (await create(leads, owner=owner, channel=channel)).name for owner in [*OWNERS, ""]}
    return channel, names


@pytest.mark.parametrize("caller", SEES)
async def test_a_list_holds_what_the_caller_may_see(leads, company, caller):
    channel, names = company
    found = await all_names(leads, by=caller, filter=f'channel = "{channel}"')
    assert sorted(found) == sorted(names[owner] for owner in SEES[caller])


@pytest.mark.parametrize("caller", SEES)
@pytest.mark.parametrize("owner", [*OWNERS, ""])
async def test_a_record_is_found_exactly_where_the_list_shows_it(leads, company, caller, owner):
    _, names = company
    if owner in SEES[caller]:
        assert (await read(leads, names[owner], by=caller)).owner == owner
    else:
        with pytest.raises(NotFound):
            await read(leads, names[owner], by=caller)


async def test_a_list_within_a_reach_is_paged_without_gaps(leads, company):
    channel, names = company
    found = await all_names(leads, by="users/mira", page_size=1, filter=f'channel = "{channel}"')
    assert found == sorted((names[owner] for owner in SEES["users/mira"]), reverse=True)


async def test_a_team_reach_sees_the_team_and_no_other(leads, company):
    """No role has `team` for leads, so the rule is asked of the caller itself."""
    from chassis.identity import Caller, Reach

    caller = Caller("users/dora", "users/dora", "teams/service", teams=frozenset({"teams/service"}))
    assert caller.sees(Reach.TEAM, "users/erik", "teams/service")
    assert caller.sees(Reach.TEAM, "users/dora", "teams/other")
    assert not caller.sees(Reach.TEAM, "users/ana", "teams/north")


async def test_what_cannot_be_seen_cannot_be_changed(leads, company):
    _, names = company
    with pytest.raises(NotFound):
        await update(leads, names["users/boris"], by="users/ana", note="mine now")


async def test_what_is_not_there_is_told_as_what_cannot_be_seen(leads, company):
    _, names = company
    with pytest.raises(NotFound) as invisible:
        await read(leads, names["users/boris"], by="users/ana")
    with pytest.raises(NotFound) as absent:
        await read(leads, "leads/00000000-0000-7000-8000-000000000000", by="users/ana")
    assert invisible.value.metadata.keys() == absent.value.metadata.keys()


@pytest.mark.parametrize("name", ["leads/x", "leads/" + "9" * 40, "leads/00000000-0000-7000-8000-00000000000G"])
async def test_a_name_that_no_record_can_have_is_not_found(leads, name):
    with pytest.raises(NotFound):
        await read(leads, name)


async def test_a_role_without_the_permission_is_denied(leads):
    with pytest.raises(PermissionDenied) as refused:
        await listed(leads, by="users/dora")
    assert refused.value.metadata["permission"] == "leads.read"


async def test_permission_is_asked_before_the_content_is_judged(leads):
    with pytest.raises(PermissionDenied):
        await create(leads, by="users/dora", display_name="")


async def test_a_permission_to_read_is_none_to_configure(leads):
    with pytest.raises(PermissionDenied):
        await leads.call("LeadService/UpdateLeadSettings", leads_pb2.UpdateLeadSettingsRequest(), by="users/ana")


async def test_an_importer_acts_in_the_name_of_a_person(leads):
    lead = await create(leads, by="serviceAccounts/importer", acting_for="users/ana", owner="users/ana")
    rows = await leads.rows("SELECT actor, origin FROM outbox WHERE subject = $1 LIMIT 1", lead.name)
    assert (rows[0]["actor"], rows[0]["origin"]) == ("users/ana", "serviceAccounts/importer")
    assert lead.team == "teams/north"


async def test_a_person_cannot_act_in_the_name_of_another(leads):
    with pytest.raises(PermissionDenied) as refused:
        await create(leads, by="users/ana", acting_for="users/boris")
    assert refused.value.metadata["permission"] == "act_for"


async def test_an_importer_cannot_invent_people(leads):
    with pytest.raises(PermissionDenied) as refused:
        await create(leads, by="serviceAccounts/importer", acting_for="users/nobody")
    assert refused.value.metadata["unknown_actor"] == "users/nobody"


async def test_an_inactive_person_is_given_nothing(leads):
    with pytest.raises(InvalidFields) as refused:
        await create(leads, owner="users/gone")
    assert refused.value.violations[0][0] == "lead.owner"


async def test_who_changes_the_team_sees_with_the_new_one(leads):
    await leads.know(Person("users/moving", ("sales_manager",), "teams/north"))
    lead = await create(leads, owner="users/chen")
    with pytest.raises(NotFound):
        await read(leads, lead.name, by="users/moving")
    await leads.know(Person("users/moving", ("sales_manager",), "teams/south"))
    assert await read(leads, lead.name, by="users/moving")


async def test_a_team_hung_elsewhere_changes_who_sees_it(leads):
    await leads.know(Person("users/head", ("sales_manager",), "teams/east"), teams={"teams/east": "", "teams/west": ""})
    await leads.know(Person("users/west", ("salesperson",), "teams/west"))
    lead = await create(leads, owner="users/west")
    with pytest.raises(NotFound):
        await read(leads, lead.name, by="users/head")
    await leads.know(teams={"teams/west": "teams/east"})
    assert await read(leads, lead.name, by="users/head")


async def test_teams_in_a_loop_do_no_harm(leads):
    await leads.know(
        Person("users/loop", ("sales_manager",), "teams/one"),
        teams={"teams/one": "teams/two", "teams/two": "teams/one"},
    )

    async def answered():
        return (await listed(leads, by="users/loop")).leads is not None

    assert await until(answered, "the list is answered")


async def test_who_works_in_no_team_sees_no_records_of_no_team(leads):
    await leads.know(Person("users/alone", ("sales_manager",)))
    lead = await create(leads)
    with pytest.raises(NotFound):
        await read(leads, lead.name, by="users/alone")


async def test_a_call_on_a_hidden_record_leaves_no_event(leads):
    lead = await create(leads, owner="users/boris")
    with pytest.raises(NotFound):
        await log_call(leads, lead.name, by="users/ana")
    assert "LeadCalled" not in await leads.events(lead.name)
