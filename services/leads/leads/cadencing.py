"""Takes leads through their cadences, from what happens to them: steps fall due by timers and are done by interactions,
until there is an answer."""

from datetime import datetime

from chassis.business_time import HorizonExceeded
from chassis.timers import Due, Timer
from chassis.work import Work

from leads import follow_up_tables, notifying
from leads.domain.cadence import Cadence, CadenceEnrolment, EnrolmentState, LeadEnrolled, StopReason, why_stop
from leads.domain.contact_limits import ContactSettings
from leads.domain.interaction import InteractionKind
from leads.domain.lead import Lead
from leads.domain.notification import NotificationKind

STEP = "cadence_step"
# New records are written before changed ones: the place of the old enrolment has to be free before those.
FREE = "UPDATE cadence_enrolments SET state = 'STOPPED' WHERE id = $1::uuid"


async def active(lead: str, work: Work) -> CadenceEnrolment | None:
    """The cadence a lead is in."""
    return await work.find_one(CadenceEnrolment, lead=lead, state=EnrolmentState.ACTIVE.name)


async def plan(enrolment: CadenceEnrolment, work: Work) -> None:
    """Says when the current step is to be done: after its wait, when the limits allow it and somebody is at work."""
    person = await work.calendars.of(enrolment.owner)
    rows = await work.rows(follow_up_tables.CONTACTS, lead=enrolment.lead)
    contacts = [row["interaction_time"] for row in rows]
    allowed = (await settings_of(work)).allowed_from(contacts, enrolment.wanted_from(person.hours))
    try:
        enrolment.due_time = person.next_at_work(allowed)
    except HorizonExceeded:
        enrolment.due_time = allowed  # never at work, says the calendar; the lead shall not wait for ever
    await work.set_timer(STEP, enrolment.name, enrolment.due_time)


async def settings_of(work: Work) -> ContactSettings:
    """As configured, else no limits."""
    return await work.find_one(ContactSettings, id=ContactSettings.ID) or ContactSettings()


async def stop(enrolment: CadenceEnrolment, reason: StopReason, at: datetime, work: Work) -> None:
    work.emit(enrolment.stop(reason, at))
    await work.cancel_timer(STEP, enrolment.name)


async def enrol(cadence: Cadence, lead: Lead, work: Work) -> CadenceEnrolment:
    """Takes a lead into a cadence; it is in no other."""
    enrolment = work.add(cadence.enrol(lead, work.now))
    await plan(enrolment, work)
    work.emit(LeadEnrolled(cadence_enrolment=enrolment, event_time=work.now))
    return enrolment


async def leave(lead: Lead, work: Work) -> None:
    """Takes a lead out of the cadence it is in, if any, so that this very commit may take it into another one."""
    if enrolment := await active(lead.name, work):
        await stop(enrolment, why_stop(lead, enrolment.for_nurturing) or StopReason.WOKEN, work.now, work)
        await work.execute(FREE, enrolment.id)


async def follow(name: str, work: Work) -> None:
    """Takes a lead out of its cadence that is not to be worked any more, and along to its new owner."""
    enrolment = await active(name, work)
    lead = await work.find_one(Lead, id=name.removeprefix("leads/")) if enrolment else None
    if enrolment is None or lead is None:
        return
    if reason := why_stop(lead, enrolment.for_nurturing):
        await stop(enrolment, reason, work.now, work)
    elif lead.owner != enrolment.owner:
        enrolment.owner, enrolment.team = lead.owner, lead.team
        if not enrolment.due:
            await plan(enrolment, work)


async def contacted(name: str, kind: InteractionKind, at: datetime, work: Work) -> None:
    """Somebody was in touch with the lead, or tried to be."""
    enrolment = await active(name, work)
    told = enrolment.did(kind, at) if enrolment else None
    if enrolment is None or told is None:
        return
    work.emit(told)
    if enrolment.active:
        await plan(enrolment, work)
    else:
        await work.cancel_timer(STEP, enrolment.name)


async def replied(name: str, at: datetime, work: Work) -> None:
    """The lead was in touch with us. One from before the enrolment, told late, ends nothing."""
    enrolment = await active(name, work)
    if enrolment and enrolment.create_time and at >= enrolment.create_time:
        await stop(enrolment, StopReason.REPLIED, at, work)


async def fall_due(due: Due, work: Work) -> None:
    """Tells that a step is to be done, unless somebody was in touch so often meanwhile that it has to wait."""
    enrolment = await work.get(CadenceEnrolment, due.key)
    if not enrolment.active or enrolment.due:
        return
    rows = await work.rows(follow_up_tables.CONTACTS, lead=enrolment.lead)
    limits = await settings_of(work)
    if limits.allowed_from([row["interaction_time"] for row in rows], due.due_time) > work.now:
        await plan(enrolment, work)
    else:
        work.emit(enrolment.fall_due(due.due_time))
        told = NotificationKind.CADENCE_STEP_DUE, enrolment.lead, work
        await notifying.tell(enrolment.owner, *told, subject=enrolment.name, due_time=enrolment.due_time)


TIMERS = (Timer(STEP, fall_due),)
