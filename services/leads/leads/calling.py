"""Fills call lists in the background, and gives out whom to call next.

A list keeps a place for each of its leads. Whether a lead may be called is asked of the lead as it stands, so that one
that is closed, merged or archived is given to nobody from that moment on, and is called again once that is undone. A
lease is one statement, committed at once: of two callers one gets the row, the other the next.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from chassis.calendars import CalendarUnknown
from chassis.errors import InvalidFields
from chassis.operations import Task
from chassis.values import id_of, is_uuid
from chassis.work import Work

from chassis import lists
from leads import cadencing, call_tables, phones, waking
from leads.domain.call_list import CallList, Disposition, LeftOut, why_not
from leads.domain.call_list_entry import OUTCOMES, REACHED, CallListEntry
from leads.domain.interaction import Interaction, InteractionKind, interact
from leads.domain.lead import Lead, LeadUpdated
from leads.domain.operation import LeadOperation
from leads.domain.state import CallOutcome, WakeCause
from leads.rpc.settings import settings_of
from leads.selecting import selected

PART = 200  # leads
OVERDUE = timedelta(hours=1)  # whoever promised has something else to do, or does not reach the lead any more
MOST_POSTPONED = 100  # in one call; each is looked at once until its time has come


# ---- filling


async def _part(operation: LeadOperation, work: Work) -> bool:
    asked, after = operation.request, operation.cursor.get("after", "")
    call_list = await work.get(CallList, asked["call_list"])
    call_list.require_open()
    missing = 0
    if asked["leads"]:
        done = int(after or 0)
        names = asked["leads"][done : done + PART]
        leads = await _named(names, work)
        missing, after, more = len(names) - len(leads), str(done + len(names)), done + PART < len(asked["leads"])
    else:
        request, among = await selected(asked["filter"], asked["segment"], work)
        leads = await lists.select(work, Lead, request, after, PART, among)
        after, more = leads[-1].id if leads else after, len(leads) == PART
    work.retry_conflicts = True  # somebody else put one of them in at this moment: look again
    await _put_in(call_list, leads, missing, int(asked["priority"]), work)
    operation.count(len(leads) + missing)
    operation.cursor = {"after": after}
    return more


FILL = Task("fill call list", "leads.assign", _part)


async def _named(names: Sequence[str], work: Work) -> list[Lead]:
    """Those of them that are there and within the caller's reach."""
    ids = [id_of(name) for name in names if is_uuid(id_of(name))]
    return [lead for lead in (await work.find(Lead, id=ids) if ids else []) if work.sees(lead)]


async def _put_in(call_list: CallList, leads: Sequence[Lead], missing: int, priority: int, work: Work) -> None:
    names = [lead.name for lead in leads]
    there = {row["lead"] for row in await work.rows(call_tables.IN_LIST, list=call_list.name, leads=names)}
    refused = await work.rows(call_tables.REFUSED_NUMBERS, digits=[lead.phone_digits for lead in leads])
    numbers = {row["phone_digits"] for row in refused}
    free = await _free_from(names, work)
    rows = await work.rows(call_tables.SCORES, ids=[lead.id for lead in leads])
    scores = {row["lead"]: row["score"] for row in rows}
    left_out, zones = Counter({LeftOut.NOT_FOUND: missing} if missing else {}), []
    for lead in leads:
        reason = why_not(lead)
        if reason is None and lead.name in there:
            reason = LeftOut.IN_LIST
        if reason is None and lead.phone_digits in numbers:
            reason = LeftOut.REFUSES_CALLS
        if reason is None and free.get(lead.name, work.now) > work.now:
            reason = LeftOut.OVER_LIMIT
        if reason:
            left_out[reason] += 1
            continue
        zone = phones.time_zone(lead.phone_e164, work.context.company_zone)
        zones.append(zone)
        work.add(_entry(lead, call_list, priority, scores.get(lead.name, 0.0), zone))
    if zones or left_out:
        work.emit(call_list.note(zones, left_out, work.now))


def _entry(lead: Lead, call_list: CallList, priority: int, score: float, zone: str) -> CallListEntry:
    return CallListEntry(
        lead=lead.name,
        owner=lead.owner,
        team=lead.team,
        journey_id=lead.journey_id,
        call_list=call_list.name,
        priority=priority,
        score=score,
        time_zone=zone,
    )


async def _free_from(leads: Sequence[str], work: Work) -> dict[str, datetime]:
    """When the company's limits allow one more contact with each of these leads that were contacted."""
    limits = await cadencing.settings_of(work)
    contacts = defaultdict(list)
    for row in await work.rows(call_tables.CONTACTS_OF, leads=list(leads)) if limits.most_contacts else []:
        contacts[row["lead"]].append(row["interaction_time"])
    return {name: limits.allowed_from(times, work.now) for name, times in contacts.items()}


# ---- giving out


async def next_call(call_list: CallList, work: Work) -> CallListEntry | None:
    """The caller's next one, theirs for the time of a lease; None if nobody is to be called now."""
    call_list.require_caller(work.caller.actor, work.caller.team)
    about = {"list": call_list.name, "caller": work.caller.actor, "now": work.now, **work.sight()}
    until = work.now + call_list.lease
    if mine := await work.rows(call_tables.LEASED, **about):
        return await work.find_one(CallListEntry, id=str(mine[0]["id"]))
    promised = await _promised(call_list, work)
    overdue = work.now - OVERDUE
    found = await work.rows(call_tables.LEASE_PROMISED, until=until, promised=promised, overdue=overdue, **about)
    if found:
        return await work.find_one(CallListEntry, id=str(found[0]["id"]))
    calendar = await work.calendars.named(call_list.calendar) if call_list.calendar else None
    zones = call_list.open_zones(work.now, calendar)
    for _ in range(MOST_POSTPONED if zones else 0):
        found = await work.rows(call_tables.LEASE, until=until, zones=zones, **about)
        entry = await work.find_one(CallListEntry, id=str(found[0]["id"])) if found else None
        if entry is None:
            return None
        free = (await _free_from([entry.lead], work)).get(entry.lead, work.now)
        if free <= work.now:
            return entry
        await work.context.database.fetch(call_tables.POSTPONE, [entry.id, free], work.connection)
    return None


async def _promised(call_list: CallList, work: Work) -> list[str]:
    """Whose promises to call back the caller keeps: their own, and those of whoever is not there to do it."""
    people = [row["promised_by"] for row in await work.rows(call_tables.PROMISERS, list=call_list.name, now=work.now)]
    return [one for one in people if one == work.caller.actor or not await _there(one, call_list, work)]


async def _there(person: str, call_list: CallList, work: Work) -> bool:
    member = await work.members.named(person)
    if member is None or not member.active or not call_list.is_worked_by(person, member.team):
        return False
    return (await work.calendars.of(person)).at_work(work.now)


async def check(call_list: CallList, work: Work) -> None:
    """InvalidFields if its calendar or one of its callers is not known."""
    call_list.settle()
    if call_list.calendar:
        try:
            await work.calendars.named(call_list.calendar)
        except CalendarUnknown as unknown:
            raise InvalidFields(("call_list.calendar", f"{call_list.calendar} is not known here (yet)")) from unknown
    for one in call_list.callers:
        if not one.startswith("teams/") and await work.members.named(one) is None:
            raise InvalidFields(("call_list.callers", f"{one} is not known here (yet)"))


# ---- what came of it


async def log(
    entry: CallListEntry, disposition: Disposition, note: str, at: datetime, back: datetime | None, work: Work
) -> Interaction:
    """The call as an interaction with its lead, and what else it means for that."""
    lead = await work.get(Lead, entry.lead)
    if disposition in (Disposition.INTERESTED, Disposition.QUALIFIED):
        await waking.wake(lead, WakeCause.ANSWER, at, work)
    call = Interaction(
        lead=lead.name,
        kind=InteractionKind.CALL,
        outcome=OUTCOMES.get(disposition, CallOutcome.REACHED),
        note=note,
        interaction_time=at,
        call_back_time=back,
    )
    work.emit(interact(lead, work.add(call.of(lead, by=work.caller.actor))))
    if disposition in REACHED:
        await cadencing.replied(lead.name, at, work)
    if disposition is Disposition.QUALIFIED:
        work.emit(lead.qualify((await settings_of(work)).qualification_checklist, note, at))
    if disposition is Disposition.DO_NOT_CALL:
        lead.do_not_call = True
        work.emit(LeadUpdated(lead=lead, fields=["do_not_call"], event_time=work.now))
    return call
