"""Follows each lead with a clock, from what happens to it, and does what is due.

The clock looks at the lead as it stands, so that no change of a lead needs to know of it, and events may come in any
order. Whether somebody was in touch in time is asked of the lead itself before a breach is told.
"""

from datetime import datetime

from chassis.business_time import HorizonExceeded, WorkingTime
from chassis.telemetry import log
from chassis.timers import Due, Timer
from chassis.work import Work

from leads import assigning, notifying
from leads.domain.assignment.policy import AssignmentDuty, AssignmentPolicy
from leads.domain.lead import Lead
from leads.domain.notification import NotificationKind
from leads.domain.response import (
    WAITING,
    LeadResponse,
    LeadResponseStarted,
    ResponseSettings,
    ResponseState,
    Start,
    next_clock,
)
from leads.domain.state import OPEN

WARN, BREACH = "lead_response_warn", "lead_response_breach"
HOLD_DUTY = f"SELECT policy FROM assignment_duties WHERE id = '{AssignmentDuty.ID}' FOR UPDATE"


async def follow(name: str, work: Work, contact: datetime | None = None) -> None:
    """Brings a lead's clock up to date; `contact` is when somebody was in touch."""
    settings = await work.find_one(ResponseSettings, id=ResponseSettings.ID)
    lead = await work.find_one(Lead, id=name.removeprefix("leads/")) if settings else None
    if settings is None or lead is None:
        return
    clocks = await work.find(LeadResponse, lead=lead.name)
    clock = max(clocks, key=lambda one: one.cycle, default=None)
    target = settings.named(clock.target) if clock else settings.target_of(lead)
    hours = await _hours(target.calendar if target else "", lead.owner, work)
    if clock and clock.state in WAITING:
        await _bring_up_to_date(clock, lead, target.start if target else Start.CAPTURE, work)
    if clock and contact:
        await _respond(clock, contact, hours, work)
        return
    try:
        begun = next_clock(lead, clock, target, hours, work.now)
    except HorizonExceeded as never:
        log.warning("%s has no clock: %s", lead.name, never)
        return
    if begun is not None:
        work.emit(LeadResponseStarted(lead_response=work.add(begun), event_time=begun.start_time))
        await work.set_timer(BREACH, begun.name, begun.due_time)
        if begun.warn_time:
            await work.set_timer(WARN, begun.name, begun.warn_time)
        if contact:
            await _respond(begun, contact, hours, work)


async def warn(due: Due, work: Work) -> None:
    """Tells that there is little time left, unless somebody was in touch or the time is over."""
    clock = await work.get(LeadResponse, due.key)
    lead = await work.get(Lead, clock.lead)
    if clock.state is ResponseState.RUNNING and work.now < clock.due_time and lead.last_outbound_time is None:
        work.emit(clock.warn(due.due_time))
        await _tell(clock.owner, NotificationKind.RESPONSE_DUE, clock, work)


async def breach(due: Due, work: Work) -> None:
    """Tells that nobody was in touch in time, and does what the target says then."""
    clock = await work.get(LeadResponse, due.key)
    if clock.state is not ResponseState.RUNNING:
        return
    lead = await work.get(Lead, clock.lead)
    settings = await work.find_one(ResponseSettings, id=ResponseSettings.ID)
    target = settings.named(clock.target) if settings else None
    if lead.state not in OPEN or lead.archive_time:
        work.emit(clock.cancel(work.now))
    elif lead.last_outbound_time and lead.last_outbound_time >= clock.start_time:  # its event is on the way
        hours = await _hours(target.calendar if target else "", lead.owner, work)
        await _respond(clock, lead.last_outbound_time, hours, work)
    else:
        work.emit(clock.breach())
        for person in dict.fromkeys((clock.owner, target.escalate_to if target else "")):
            await _tell(person, NotificationKind.SLA_BREACHED, clock, work)
        if target and target.reassign:
            await _reassign(lead, work)


TIMERS = (Timer(WARN, warn), Timer(BREACH, breach))


async def _tell(person: str, kind: NotificationKind, clock: LeadResponse, work: Work) -> None:
    await notifying.tell(person, kind, clock.lead, work, subject=clock.name, due_time=clock.due_time)


async def _bring_up_to_date(clock: LeadResponse, lead: Lead, start: Start, work: Work) -> None:
    """A clock ends with its lead, and goes along to another person or is theirs no more."""
    closed = (lead.state not in OPEN or lead.archive_time) and lead.last_outbound_time is None
    passed_on = lead.owner != clock.owner and start is not Start.CAPTURE
    if clock.state is ResponseState.RUNNING and (closed or passed_on):
        work.emit(clock.cancel(work.now))
        await _stop(clock, work)
    elif not passed_on:
        clock.owner, clock.team = lead.owner, lead.team


async def _respond(clock: LeadResponse, at: datetime, hours: WorkingTime, work: Work) -> None:
    told = clock.respond(at, hours)
    if told:
        work.emit(told)
        await _stop(clock, work)


async def _stop(clock: LeadResponse, work: Work) -> None:
    for kind in (WARN, BREACH):
        await work.cancel_timer(kind, clock.name)


async def _reassign(lead: Lead, work: Work) -> None:
    """To somebody else, if a policy is active and somebody can take it."""
    rows = await work.context.database.fetch(HOLD_DUTY, [], work.connection)
    if rows and rows[0]["policy"]:
        policy = await work.get(AssignmentPolicy, rows[0]["policy"])
        await assigning.assign(policy, [lead], work, not_to=[lead.owner])


async def _hours(calendar: str, owner: str, work: Work) -> WorkingTime:
    """The target's calendar, else that of who has the lead."""
    return await work.calendars.named(calendar) if calendar else (await work.calendars.of(owner)).hours
