"""Merges leads, with all that belongs to them, and takes merges back.

One transaction writes the leads, the merge and the links. Whoever works on one of the leads at that moment loses the
race and looks again; what a reaction wrote beside it is gathered when LeadMerged comes round.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from datetime import datetime
from typing import Any

import msgspec
from chassis.errors import RecordNotFound, StaleEtag
from chassis.values import id_of, is_uuid
from chassis.work import Work

from leads import cadencing, merge_tables
from leads.domain.cadence import CadenceEnrolment, EnrolmentState, StopReason
from leads.domain.lead import Lead
from leads.domain.merge import LeadMerge, MergeState, NoMergeToUndo, go_on, merge_away, part, plan_merge, separate
from leads.domain.state import State
from leads.domain.survivorship import Survivorship


async def planned(
    name: str, etag: str, others: Mapping[str, str], rules: Survivorship, undo_days: int, work: Work
) -> tuple[LeadMerge, list[Lead]]:
    """A merge that nobody made yet, and its leads, the one that goes on first. `others`: names with their etags."""
    leads = [await work.get(Lead, name, etag), *await _others(others, work)]
    merge = plan_merge(leads, rules, work.now, undo_days)
    merge.before = deepcopy(leads)
    return merge, leads


async def merge(planned: LeadMerge, leads: Sequence[Lead], work: Work) -> LeadMerge:
    """Carries out a plan."""
    assert planned.result is not None
    survivor, *losers = leads
    work.retry_conflicts = True  # two clocks of a number: look again
    planned.actor = work.caller.actor
    planned.result.version, planned.result.update_time = survivor.version + 1, work.now
    work.emit(go_on(survivor, planned.result, planned.merged, work.now))
    for loser in losers:
        work.emit(merge_away(loser, survivor, planned.name, work.now))
    await _go_along(planned.id, planned.merged, survivor, work)
    return work.add(planned)


async def undo(survivor: Lead, work: Work) -> LeadMerge:
    """Takes back the latest merge into a lead."""
    merges = [one for one in await merges_into(survivor.name, work) if one.state is MergeState.MERGED]
    if not merges:
        raise NoMergeToUndo(lead=survivor.name)
    last = merges[0]
    last.check_undo(survivor, work.now)
    before = {lead.id: lead for lead in last.before}
    losers = await work.find(Lead, id=[id_of(name) for name in last.merged])
    work.retry_conflicts = True
    work.emit(part(survivor, last, work.now))
    for loser in losers:
        work.emit(separate(loser, deepcopy(before[loser.id]), work.now))
    for table in merge_tables.GO_ALONG:
        await work.execute(merge_tables.come_back(table), last.id)
    await _enrol_again(last, {lead.name: lead for lead in (survivor, *losers)}, work)
    last.state, last.undo_time = MergeState.UNDONE, work.now
    return last


async def merges_into(lead: str, work: Work) -> list[LeadMerge]:
    """Newest first."""
    rows = await work.rows(merge_tables.MERGES, lead=lead)
    found = await work.find(LeadMerge, id=[row["id"] for row in rows]) if rows else []
    return sorted(found, key=lambda one: one.id, reverse=True)


async def gather(name: str, merge: str, work: Work) -> None:
    """What was written beside a merge, by whoever did not know of it yet, goes along, too."""
    lead = await work.find_one(Lead, id=id_of(name))
    if lead is None or lead.state is not State.MERGED:
        return
    survivor: Lead | None = lead
    while survivor and survivor.state is State.MERGED:
        survivor = await work.find_one(Lead, id=id_of(survivor.merged_into))
    if survivor:
        await _go_along(id_of(merge), [name], survivor, work)


async def _others(names: Mapping[str, str], work: Work) -> list[Lead]:
    """All at once; as `work.get` would one by one."""
    ids = [id_of(name) for name in names if is_uuid(id_of(name))]
    found = {lead.name: lead for lead in (await work.find(Lead, id=ids) if ids else [])}
    for name, etag in names.items():
        if name not in found or not work.sees(found[name]):
            raise RecordNotFound(name=name)
        if etag and etag != str(found[name].version):
            raise StaleEtag(name=name)
    return [found[name] for name in names]


async def _go_along(merge_id: str, names: Sequence[str], survivor: Lead, work: Work) -> None:
    whose = {
        "lead": survivor.name,
        "owner": survivor.owner,
        "team": survivor.team,
        "journey_id": survivor.journey_id or None,
    }
    for table, columns in merge_tables.GO_ALONG.items():
        await work.execute(merge_tables.go_along(table), merge_id, names, *(whose[name] for name in columns))
    await _enrolments_go_along(merge_id, names, survivor, work)


async def _enrolments_go_along(merge_id: str, names: Sequence[str], survivor: Lead, work: Work) -> None:
    """A lead is in one cadence at a time: its own goes on, else the one that is furthest."""
    busy = await cadencing.active(survivor.name, work) is not None
    theirs = await work.find(CadenceEnrolment, lead=list(names))
    for enrolment in sorted(theirs, key=lambda one: (-one.step, one.id)):
        was: dict[str, Any] = {"lead": enrolment.lead}
        if enrolment.active and busy:
            due_time = enrolment.due_time.isoformat() if enrolment.due_time else None
            was |= {"due_time": due_time, "due": enrolment.due}
            await cadencing.stop(enrolment, StopReason.MERGED, work.now, work)
        busy = busy or enrolment.active
        encoded = msgspec.json.encode(was).decode()
        await work.execute(merge_tables.KEEP_LINK, merge_id, merge_tables.ENROLMENTS, enrolment.id, encoded)
        enrolment.go_along(survivor)


async def _enrol_again(merge: LeadMerge, leads: Mapping[str, Lead], work: Work) -> None:
    """Enrolments are their leads' again; those that the merge ended go on."""
    rows = await work.rows(merge_tables.LINKS, merge=merge.id, kind=merge_tables.ENROLMENTS)
    was: dict[str, dict[str, Any]] = {row["id"]: msgspec.json.decode(row["was"]) for row in rows}
    for enrolment in await work.find(CadenceEnrolment, id=list(was)) if was else []:
        told = was[enrolment.id]
        enrolment.go_along(leads[told["lead"]])
        if "due" in told and enrolment.stop_reason == StopReason.MERGED.name:
            enrolment.state, enrolment.stop_reason, enrolment.due = EnrolmentState.ACTIVE, "", told["due"]
            if told["due_time"]:
                enrolment.due_time = datetime.fromisoformat(told["due_time"])
                await work.set_timer(cadencing.STEP, enrolment.name, enrolment.due_time)
