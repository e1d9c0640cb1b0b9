"""Who is calling, and how far their permissions reach.

The token says who (`tokens`); directory's roles, read from this service's own `members` projection, say what they may
do.
"""

import tomllib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache
from importlib.resources import files

from chassis.errors import NotPermitted, Unauthenticated


class CallerUnknown(Unauthenticated):
    """The token is valid, but directory does not know this identity, or it was deactivated."""


class Reach(IntEnum):
    """How far a permission reaches. From OWN on, a larger one contains the smaller; CUSTOMER stands apart: what
    belongs to the one account a customer's person is bound to, whoever owns it."""

    CUSTOMER = 1
    OWN = 2
    TEAM = 3
    SUBTREE = 4
    ALL = 5


@cache
def roles() -> dict[str, dict[str, Reach]]:
    """Role → permission → reach, from roles.toml."""
    text = files("chassis").joinpath("roles.toml").read_text()
    return {
        role: {permission: Reach[reach.upper()] for permission, reach in given.items()}
        for role, given in tomllib.loads(text).items()
    }


def reach_of(held: Iterable[str], permission: str) -> Reach | None:
    """How far somebody with these roles reaches with a permission; None: not at all."""
    given = roles()
    reaches = [reach for role in held for key in (permission, "*") if (reach := given.get(role, {}).get(key))]
    return max(reaches, default=None)


def beyond(held: Collection[str], wanted: Collection[str]) -> list[str]:
    """Those of the roles `wanted` that let somebody do more, or reach further, than all of the roles `held` do."""
    given = roles()
    return sorted(
        role
        for role in wanted
        if any((reach_of(held, permission) or 0) < reach for permission, reach in given.get(role, {}).items())
    )


@dataclass(frozen=True)
class Caller:
    """Who calls, and on whose behalf. Rights are the caller's; authorship is the actor's."""

    name: str
    actor: str
    team: str = ""  # the actor's
    roles: tuple[str, ...] = ()
    teams: frozenset[str] = field(default=frozenset())  # the caller's team
    subtree: frozenset[str] = field(default=frozenset())  # and the teams below
    source: str = ""  # from where the call came
    account: str = ""  # the one a customer's person is bound to

    def reach(self, permission: str) -> Reach:
        """How far `permission` reaches for this caller; NotPermitted if not at all."""
        reach = reach_of(self.roles, permission)
        if reach is None:
            raise NotPermitted(permission=permission)
        return reach

    def may(self, permission: str) -> bool:
        return reach_of(self.roles, permission) is not None

    def sees(self, reach: Reach, owner: str, team: str, account: str = "") -> bool:
        """Whether a record of this owner and team, about this account, lies within `reach`."""
        if reach is Reach.CUSTOMER:
            return account != "" and account == self.account
        if reach is Reach.ALL or owner in (self.name, self.actor):
            return True
        return (reach is Reach.TEAM and team in self.teams) or (reach is Reach.SUBTREE and team in self.subtree)


def service_caller(service: str, actor: str = "") -> Caller:
    """The service itself, at work on an event or a saga that `actor` caused."""
    name = f"services/{service}"
    return Caller(name=name, actor=actor or name, roles=("service",))
