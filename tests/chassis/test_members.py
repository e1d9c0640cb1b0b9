"""Members: every service's own copy of who there is, kept by directory's events."""

import pytest
from chassis.errors import Unauthenticated
from chassis.members import below
from chassis.values import new_id
from crm.directory.v1 import directory_pb2
from crm.directory.v1 import events_pb2 as directory_events
from harness import until
from lead_calls import listed

ACTIVE, DEACTIVATED = directory_pb2.User.ACTIVE, directory_pb2.User.DEACTIVATED


def person(name: str, state=ACTIVE, **more):
    return directory_pb2.User(
        **({"name": name, "display_name": "Nina", "roles": ["salesperson"], "state": state} | more)
    )


def a_name() -> str:
    return f"users/{new_id()}"


async def test_a_person_who_was_added_may_call(leads):
    name = a_name()
    with pytest.raises(Unauthenticated):
        await listed(leads, by=name)
    await leads.react(directory_events.UserCreated(user=person(name)), version=1)
    assert await listed(leads, by=name) is not None


async def test_a_person_who_was_deactivated_may_not(leads):
    name = a_name()
    await leads.react(directory_events.UserCreated(user=person(name)), version=1)
    await listed(leads, by=name)
    await leads.react(directory_events.UserDeactivated(user=person(name, DEACTIVATED)), version=2)

    async def out():
        try:
            await listed(leads, by=name)
        except Unauthenticated:
            return True

    assert await until(out, f"{name} is refused", seconds=2)


async def test_a_person_who_came_back_may_call_again(leads):
    name = a_name()
    await leads.react(directory_events.UserDeactivated(user=person(name, DEACTIVATED)), version=2)
    await leads.react(directory_events.UserReactivated(user=person(name)), version=3)
    assert await listed(leads, by=name) is not None


async def test_a_late_event_does_not_bring_a_deactivated_person_back(leads):
    name = a_name()
    await leads.react(directory_events.UserDeactivated(user=person(name, DEACTIVATED)), version=2)
    await leads.react(directory_events.UserCreated(user=person(name)), version=1)
    with pytest.raises(Unauthenticated):
        await listed(leads, by=name)


async def test_a_person_is_known_by_the_subject_of_their_token(leads):
    name, subject = a_name(), f"oidc|{new_id()}"
    await leads.react(directory_events.UserCreated(user=person(name, subject=subject)), version=1)
    assert await listed(leads, by=subject) is not None
    with pytest.raises(Unauthenticated):
        await listed(leads, by=name)


async def test_a_subject_may_pass_from_one_person_to_another(leads):
    old, new, subject = a_name(), a_name(), f"oidc|{new_id()}"
    await leads.react(directory_events.UserCreated(user=person(old, subject=subject)), version=1)
    await leads.react(directory_events.UserUpdated(user=person(old, subject=f"oidc|{new_id()}")), version=2)
    await leads.react(directory_events.UserCreated(user=person(new, subject=subject)), version=1)
    assert await listed(leads, by=subject) is not None


async def test_a_system_is_known_like_a_person(leads):
    name = f"serviceAccounts/{new_id()}"
    account = directory_pb2.ServiceAccount(
        name=name, display_name="Old CRM", roles=["importer"], state=directory_pb2.ServiceAccount.ACTIVE
    )
    await leads.react(directory_events.ServiceAccountCreated(service_account=account), version=1)
    assert await listed(leads, by=name) is not None


async def test_a_team_hangs_where_its_last_event_says(leads):
    name = f"teams/{new_id()}"
    for version, parent in ((1, "teams/sales"), (3, "teams/north"), (2, "teams/south")):
        team = directory_pb2.Team(name=name, display_name="New", parent=parent)
        await leads.react(directory_events.TeamUpdated(team=team), version=version)
    rows = await leads.rows("SELECT parent FROM team WHERE name = $1", name)
    assert rows[0]["parent"] == "teams/north"


@pytest.mark.parametrize(
    ("team", "expected"),
    [("a", {"a", "b", "c"}), ("b", {"b", "c"}), ("c", {"c"}), ("x", {"x", "y"}), ("none", {"none"})],
)
def test_below_a_team_is_its_subtree_even_in_a_loop(team, expected):
    assert below(team, {"a": "", "b": "a", "c": "b", "x": "y", "y": "x"}) == expected
