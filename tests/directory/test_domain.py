"""The rules of directory, without any server."""

from datetime import UTC, datetime

import pytest
from chassis.errors import InvalidFields
from directory.domain.people import (
    AlreadyActive,
    AlreadyDeactivated,
    ServiceAccount,
    State,
    User,
    check_parent,
    check_roles,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize("kind", [User, ServiceAccount])
def test_an_identity_is_shut_out_and_let_in_again_once_each(kind):
    identity = kind(id="x", display_name="X")
    with pytest.raises(AlreadyActive):
        identity.reactivate(NOW)
    identity.deactivate(NOW)
    assert identity.state is State.DEACTIVATED
    with pytest.raises(AlreadyDeactivated):
        identity.deactivate(NOW)
    identity.reactivate(NOW)
    assert identity.state is State.ACTIVE


def test_roles_are_those_of_the_release_and_service_is_not_given():
    known = {"salesperson": {}, "service": {}}
    check_roles(["salesperson"], known)
    for wrong in ("service", "emperor"):
        with pytest.raises(InvalidFields, match=wrong):
            check_roles([wrong], known)


def test_a_team_is_not_below_itself():
    parents = {"teams/a": "", "teams/b": "teams/a", "teams/c": "teams/b"}
    check_parent("teams/c", "teams/a", parents)
    for parent in ("teams/a", "teams/b", "teams/c"):
        with pytest.raises(InvalidFields):
            check_parent("teams/a", parent, parents)


def test_the_team_above_exists():
    check_parent("teams/new", "", {})
    with pytest.raises(InvalidFields, match="teams/nowhere"):
        check_parent("teams/new", "teams/nowhere", {})
