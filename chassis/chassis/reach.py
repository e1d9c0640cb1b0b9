"""Which records a caller may see: a permission's reach, applied to one record and to queries alike."""

from collections.abc import Mapping
from typing import Any

from chassis.identity import Caller, Reach
from chassis.records import Mapper
from chassis.values import Record

# By which permission the records of a collection are read.
READ_BY = {
    name: f"{name}.read"
    for name in (
        *("leads", "accounts", "opportunities", "orders", "activities"),
        *("contracts", "entitlements", "cases", "customers"),
    )
} | {"contacts": "accounts.read", "touches": "marketing.read", "productFeedbacks": "feedback.read"}


def within(caller: Caller, reach: Reach, mapper: Mapper, record: Any) -> bool:
    """Whether a record lies within `reach`. What has no owner is everybody's who works here."""
    if reach is Reach.CUSTOMER:
        return caller.sees(reach, "", "", mapper.customers_account(record))
    return not mapper.has_owner or caller.sees(reach, record.owner, record.team)


def readable(caller: Caller, mapper: Mapper, record: Record) -> bool:
    """Whether the caller may name this record in another one: to name it one must be able to read it."""
    permission = READ_BY[record.collection]
    return caller.may(permission) and within(caller, caller.reach(permission), mapper, record)


def readable_of(caller: Caller, collection: str, owner: str, team: str) -> bool:
    """The same of a neighbour's record, of which only owner and team are known here."""
    permission = READ_BY[collection]
    return caller.may(permission) and caller.sees(caller.reach(permission), owner, team)


def sight(caller: Caller, reach: Reach) -> Mapping[str, Any]:
    """A reach as the parameters of a named query, see `database.IN_REACH`."""
    teams = {Reach.TEAM: caller.teams, Reach.SUBTREE: caller.subtree}.get(reach, frozenset())
    me = [] if reach is Reach.CUSTOMER else [caller.name, caller.actor]
    return {"everything": reach is Reach.ALL, "me": me, "teams": sorted(teams)}
