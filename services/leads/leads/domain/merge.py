"""Merging leads: which may be merged, what becomes of those that are, and how it is taken back."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, ClassVar

from chassis.errors import FailedPrecondition, InvalidFields
from chassis.values import Record

from leads.domain.lead import Lead
from leads.domain.state import LIVE, LeadArchivedAlready, State
from leads.domain.survivorship import ADDED, STANDING, Origin, Survivorship, survive

# Of these a lead's own history goes on, whatever is taken back.
OWN = frozenset({"id", "version", "create_time", "update_time"})


class NoMergeToUndo(FailedPrecondition):
    "No merge into this lead is left to be taken back."


class UndoTimeOver(FailedPrecondition):
    "The time within which the merge could be taken back is over."


class MergedPersonErased(FailedPrecondition):
    "A person was erased; what the leads were before is not kept any more."


class LeadConvertedSince(FailedPrecondition):
    "The lead was converted since it was merged; take that back first."


class MergeState(Enum):
    MERGED = 1
    UNDONE = 2


@dataclass(kw_only=True)
class LeadMerge(Record):
    """One merge. `before` are the leads as they were, the one that goes on first; `result` is that one afterwards."""

    collection: ClassVar[str] = "leadMerges"

    lead: str
    merged: list[str] = field(default_factory=list)
    state: MergeState = MergeState.MERGED
    actor: str = ""
    merge_time: datetime
    undo_until: datetime
    undo_time: datetime | None = None
    origins: list[Origin] = field(default_factory=list)
    result: Lead | None = None
    before: list[Lead] = field(default_factory=list)

    def check_undo(self, survivor: Lead, now: datetime) -> None:
        """Says first what no waiting helps against."""
        if survivor.state in (State.CONVERTING, State.CONVERTED):
            raise LeadConvertedSince(lead=survivor.name, state=survivor.state.name)
        refuse_merged(survivor)
        if self.result is None or not self.before:
            raise MergedPersonErased(lead=survivor.name)
        if now > self.undo_until:
            raise UndoTimeOver(lead=survivor.name, undo_until=self.undo_until.isoformat())


def refuse_merged(lead: Lead) -> None:
    """A tombstone stays as it is."""
    lead.require(frozenset(State) - {State.MERGED})


def require_survivor(lead: Lead) -> None:
    lead.require(LIVE)
    if lead.archive_time:
        raise LeadArchivedAlready(lead=lead.name)


def require_loser(lead: Lead) -> None:
    lead.require(LIVE | {State.DISQUALIFIED})


def plan_merge(leads: Sequence[Lead], rules: Survivorship, at: datetime, undo_days: int) -> LeadMerge:
    """What a merge of these leads would be; the first goes on."""
    if leads[0] in leads[1:]:
        raise InvalidFields(("merged", "names the lead that goes on"))
    require_survivor(leads[0])
    for lead in leads[1:]:
        require_loser(lead)
    rules.check(leads)
    result, origins = survive(leads, rules)
    return LeadMerge(
        lead=leads[0].name,
        merged=[lead.name for lead in leads[1:]],
        merge_time=at,
        undo_until=at + timedelta(days=undo_days),
        origins=origins,
        result=result,
    )


def go_on(survivor: Lead, result: Lead, merged: list[str], at: datetime) -> "LeadsJoined":
    """The lead that goes on takes what the merge leaves it."""
    changed = [name for name in _stored() if getattr(survivor, name) != getattr(result, name)]
    for name in changed:
        setattr(survivor, name, getattr(result, name))
    return LeadsJoined(lead=survivor, merged=merged, fields=changed, event_time=at)


def merge_away(lead: Lead, into: Lead, merge: str, at: datetime) -> "LeadMerged":
    """A lead becomes a tombstone: out of lists, and known to other systems no more."""
    require_loser(lead)
    lead.state, lead.merged_into, lead.external_ids = State.MERGED, into.name, []
    lead.archive_time = lead.archive_time or at
    return LeadMerged(lead=lead, journey_id=into.journey_id, owner=into.owner, lead_merge=merge, event_time=at)


def separate(lead: Lead, before: Lead, at: datetime) -> "LeadUnmerged":
    """A tombstone is again what it was."""
    merged_into = lead.merged_into
    for name in _stored():
        setattr(lead, name, getattr(before, name))
    return LeadUnmerged(lead=lead, merged_into=merged_into, event_time=at)


def part(survivor: Lead, merge: LeadMerge, at: datetime) -> "LeadsParted":
    """Takes back what the merge changed, and leaves what was changed since."""
    assert merge.result is not None
    before, result = merge.before[0], merge.result
    stands = all(getattr(survivor, name) == getattr(result, name) for name in STANDING)
    changed = []
    for name in _stored():
        now = getattr(survivor, name)
        was = getattr(before, name)
        back = now if name in STANDING and not stands else _back(name, now, getattr(result, name), was)
        if back != now:
            setattr(survivor, name, back)
            changed.append(name)
    survivor.normalise()
    return LeadsParted(lead=survivor, merged=merge.merged, fields=changed, event_time=at)


def _back(name: str, now: Any, result: Any, before: Any) -> Any:
    """A value without what a merge added to it, which made `result` of `before`."""
    if now == result:
        return before
    if name in ADDED:
        return before + now - result  # it counted on
    if isinstance(now, dict):
        kept = {key: value for key, value in now.items() if result.get(key) != value}
        return {key: value for key, value in before.items() if key in now} | kept
    if isinstance(now, list):
        return [one for one in now if one in before or one not in result]
    return now


def _stored() -> list[str]:
    return [item.name for item in fields(Lead) if item.name not in OWN]


@dataclass(frozen=True, kw_only=True)
class LeadMerged:
    lead: Lead
    journey_id: str
    owner: str
    lead_merge: str
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadUnmerged:
    lead: Lead
    merged_into: str
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadsJoined:
    lead: Lead
    merged: list[str]
    fields: list[str]
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadsParted:
    lead: Lead
    merged: list[str]
    fields: list[str]
    event_time: datetime
