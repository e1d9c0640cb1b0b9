"""Everybody's projection of directory: who there is, in which team, with which roles, and how teams nest.

Kept by events, read on every call; entries are remembered for a second, so a deactivated person is out within the
event lag and a second.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from crm.directory.v1 import directory_pb2
from crm.directory.v1 import events_pb2 as directory_events

from chassis.database import Database
from chassis.errors import NotPermitted
from chassis.events import latest, on
from chassis.identity import Caller, CallerUnknown
from chassis.settings import SERVICES
from chassis.work import Work

SUITE = {f"services/{service}" for service in SERVICES}  # the subjects of the suite itself, and nobody like them
REMEMBER_SECONDS = 1.0
MOST_REMEMBERED = 20_000

COLUMNS = "name, subject, display_name, team, roles, active, account"
MEMBER = f"SELECT {COLUMNS} FROM member WHERE subject = $1::text"
BY_NAME = f"SELECT {COLUMNS} FROM member WHERE name = $1::text"
ACTIVE_IN_TEAM = (
    f"SELECT {COLUMNS} FROM member WHERE team = $1::text AND active AND name LIKE 'users/%' ORDER BY name LIMIT 1000"
)
SOME = (
    f"SELECT {COLUMNS} FROM member WHERE name LIKE 'users/%' AND (team = any($1::text[]) OR name = any($2::text[]))"
    " ORDER BY name LIMIT 5000"
)
TEAMS = "SELECT name, parent FROM team"
PUT_MEMBER = (
    f"INSERT INTO member ({COLUMNS}, calendar)"
    " VALUES ($1::text, $2::text, $3::text, $4::text, $5::jsonb, $6::boolean, $7::text, $8::text)"
    " ON CONFLICT (name) DO UPDATE SET subject = excluded.subject, display_name = excluded.display_name,"
    " team = excluded.team, roles = excluded.roles, active = excluded.active, account = excluded.account,"
    " calendar = excluded.calendar"
)
PUT_TEAM = (
    "INSERT INTO team (name, display_name, parent, calendar) VALUES ($1::text, $2::text, $3::text, $4::text)"
    " ON CONFLICT (name) DO UPDATE SET display_name = excluded.display_name, parent = excluded.parent,"
    " calendar = excluded.calendar"
)


@dataclass(frozen=True)
class Member:
    """A person or system that may act."""

    name: str
    subject: str
    display_name: str
    team: str
    roles: tuple[str, ...]
    active: bool
    account: str = ""  # the customer a person of a customer belongs to


class Members:
    """Reads the projection."""

    def __init__(self, database: Database, bootstrap_admin: str) -> None:
        self._database, self._bootstrap = database, bootstrap_admin
        self._remembered: dict[tuple[str, str], tuple[float, Member | None]] = {}
        self._parents: tuple[float, dict[str, str]] = (0.0, {})

    async def caller(self, subject: str, acting_for: str = "") -> Caller:
        """The caller with this token subject; CallerUnknown if nobody active has it."""
        if subject in SUITE:
            caller = Caller(name=subject, actor=subject, roles=("service",))
        else:
            member = await self._find(MEMBER, subject)
            if subject == self._bootstrap and (member is None or member.active):
                known = member or Member(subject, subject, "Administrator", "", (), True)
                member = Member(known.name, subject, known.display_name, known.team, ("administrator",), True)
            if member is None or not member.active:
                raise CallerUnknown()
            caller = Caller(
                name=member.name,
                actor=member.name,
                team=member.team,
                roles=member.roles,
                teams=frozenset({member.team} if member.team else ()),
                subtree=await self._subtree(member.team),
                account=member.account,
            )
        return await self._behalf(caller, acting_for) if acting_for else caller

    async def again(self, name: str, actor: str) -> Caller:
        """Who called earlier by that name for `actor`, with the rights they have now."""
        member = await self.named(name)
        return await self.caller(member.subject if member else name, "" if actor == name else actor)

    @property
    def bootstrap(self) -> str:
        """The token subject that is administrator by a setting, whatever directory says."""
        return self._bootstrap

    async def named(self, name: str) -> Member | None:
        """The member of that name, active or not."""
        return await self._find(BY_NAME, name)

    async def active_in_team(self, team: str) -> list[Member]:
        """The active people of a team in the order of their names."""
        return [_member(row) for row in await self._database.fetch(ACTIVE_IN_TEAM, [team])]

    async def people(self, teams: Collection[str], names: Collection[str]) -> list[Member]:
        """The people of these teams and those of these names, active or not, in the order of their names."""
        return [_member(row) for row in await self._database.fetch(SOME, [sorted(teams), sorted(names)])]

    async def _behalf(self, caller: Caller, acting_for: str) -> Caller:
        if not caller.may("act_for"):
            raise NotPermitted(permission="act_for")
        member = await self.named(acting_for)
        # A neighbour may know somebody a moment before we do; a system of the company may not invent people.
        if member is None and acting_for != self._bootstrap and not caller.name.startswith("services/"):
            raise NotPermitted(permission="act_for", unknown_actor=acting_for)
        team = member.team if member else ""
        return replace(caller, actor=acting_for, team=team)

    async def _find(self, query: str, key: str) -> Member | None:
        now = time.monotonic()
        remembered = self._remembered.get((query, key))
        if remembered and remembered[0] > now:
            return remembered[1]
        rows = await self._database.fetch(query, [key])
        found = _member(rows[0]) if rows else None
        if len(self._remembered) >= MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[query, key] = (now + REMEMBER_SECONDS, found)
        return found

    async def _subtree(self, team: str) -> frozenset[str]:
        """A team and all teams below it."""
        if not team:
            return frozenset()
        expires, parents = self._parents
        if expires < time.monotonic():
            parents = {row["name"]: row["parent"] for row in await self._database.fetch(TEAMS, [])}
            self._parents = (time.monotonic() + REMEMBER_SECONDS, parents)
        return frozenset(below(team, parents))

    def forget(self) -> None:
        """Reads everything anew: something changed in this process."""
        self._remembered.clear()
        self._parents = (0.0, {})


def below(team: str, parents: dict[str, str]) -> set[str]:
    """A team and all below it, given each team's parent. Loops do no harm."""
    children: dict[str, list[str]] = {}
    for name, parent in parents.items():
        children.setdefault(parent, []).append(name)
    found, waiting = {team}, [team]
    while waiting:
        for child in children.get(waiting.pop(), []):
            if child not in found:
                found.add(child)
                waiting.append(child)
    return found


def _member(row: Any) -> Member:
    return Member(
        name=row["name"],
        subject=row["subject"],
        display_name=row["display_name"],
        team=row["team"],
        roles=tuple(msgspec.json.decode(row["roles"])),
        active=row["active"],
        account=row["account"],
    )


USER_EVENTS = (
    directory_events.UserCreated,
    directory_events.UserUpdated,
    directory_events.UserDeactivated,
    directory_events.UserReactivated,
)
ACCOUNT_EVENTS = (
    directory_events.ServiceAccountCreated,
    directory_events.ServiceAccountUpdated,
    directory_events.ServiceAccountDeactivated,
    directory_events.ServiceAccountReactivated,
)


@on(*USER_EVENTS, keep=latest)
async def know_person(event: directory_events.UserUpdated, work: Work) -> None:
    await _put(event.user, event.user.state == directory_pb2.User.ACTIVE, work)


@on(*ACCOUNT_EVENTS, keep=latest)
async def know_system(event: directory_events.ServiceAccountUpdated, work: Work) -> None:
    account = event.service_account
    await _put(account, account.state == directory_pb2.ServiceAccount.ACTIVE, work)


@on(directory_events.TeamCreated, directory_events.TeamUpdated, keep=latest)
async def know_team(event: directory_events.TeamUpdated, work: Work) -> None:
    team = event.team
    await work.execute(PUT_TEAM, team.name, team.display_name, team.parent, team.calendar)
    work.members.forget()
    work.calendars.forget()


async def _put(who: directory_pb2.User | directory_pb2.ServiceAccount, active: bool, work: Work) -> None:
    roles = msgspec.json.encode(list(who.roles)).decode()
    subject = who.subject or who.name
    account, calendar = (who.account, who.calendar) if isinstance(who, directory_pb2.User) else ("", "")
    await work.execute(PUT_MEMBER, who.name, subject, who.display_name, who.team, roles, active, account, calendar)
    work.members.forget()
    work.calendars.forget()


REACTIONS = (know_person, know_system, know_team)
