"""Who is calling, and how far their permissions reach.

The token says who (`tokens`); directory's roles, read from this service's own `members` projection, say what they may
do.
"""

import tomllib
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache
from importlib.resources import files

from chassis.errors import NotPermitted, Unauthenticated


class CallerUnknown(Unauthenticated):
    """The token is valid, but directory does not know this identity, or it was deactivated."""


class Reach(IntEnum):
    """How far a permission reaches; a larger one contains the smaller."""

    OWN = 1
    TEAM = 2
    SUBTREE = 3
    ALL = 4


@cache
def roles() -> dict[str, dict[str, Reach]]:
    """Role → permission → reach, from roles.toml."""
    text = files("chassis").joinpath("roles.toml").read_text()
    return {
        role: {permission: Reach[reach.upper()] for permission, reach in given.items()}
        for role, given in tomllib.loads(text).items()
    }


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

    def reach(self, permission: str) -> Reach:
        """How far `permission` reaches for this caller; NotPermitted if not at all."""
        given = roles()
        reaches = [
            reach
            for role in self.roles
            for reach in (given.get(role, {}).get(permission), given.get(role, {}).get("*"))
            if reach
        ]
        if not reaches:
            raise NotPermitted(permission=permission)
        return max(reaches)

    def may(self, permission: str) -> bool:
        try:
            return bool(self.reach(permission))
        except NotPermitted:
            return False

    def sees(self, reach: Reach, owner: str, team: str) -> bool:
        """Whether a record of this owner and team lies within `reach`."""
        if reach is Reach.ALL or owner in (self.name, self.actor):
            return True
        return (reach is Reach.TEAM and team in self.teams) or (reach is Reach.SUBTREE and team in self.subtree)


def service_caller(service: str, actor: str = "") -> Caller:
    """The service itself, at work on an event or a saga that `actor` caused."""
    name = f"services/{service}"
    return Caller(name=name, actor=actor or name, roles=("service",))
