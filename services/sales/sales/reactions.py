"""What sales does when others speak: it knows what activities may be about, and sees to it that a lead is called."""

from datetime import datetime

from chassis.events import Event, Statement, latest, on
from chassis.values import derived_id
from chassis.work import Work
from crm.contracts.v1 import events_pb2 as contracts_events
from crm.leads.v1 import events_pb2 as leads_events
from crm.leads.v1 import leads_pb2
from crm.service_desk.v1 import events_pb2 as service_desk_events
from google.protobuf.message import Message

from sales import tables
from sales.domain.activity import Activity, ActivityPlanned, State, first_call

# Whatever makes a record, or gives it to somebody else.
SUBJECT_EVENTS = (
    leads_events.LeadCreated,
    leads_events.LeadAssigned,
    leads_events.LeadRejected,
    leads_events.LeadRecycled,
    leads_events.LeadWoken,
    leads_events.LeadReopened,
    leads_events.LeadMerged,
    leads_events.LeadUnmerged,
    leads_events.LeadsJoined,
    leads_events.LeadsParted,
    contracts_events.ContractDrafted,
    contracts_events.ContractUpdated,
    service_desk_events.CaseOpened,
    service_desk_events.CaseUpdated,
    service_desk_events.CaseAssigned,
)
MERGES = (leads_events.LeadMerged, leads_events.LeadUnmerged)
# Whatever decides what is to be done about a lead. Of these the latest counts, in whatever order they arrive: an
# assignment that was overtaken by another, or by the lead's end, asks nobody to do anything.
IN_HAND = (leads_events.LeadAssigned, leads_events.LeadWoken, leads_events.LeadReopened)
OUT_OF_HAND = {
    leads_events.LeadDisqualified: "The lead was disqualified",
    leads_events.LeadNurtured: "The lead is left in peace",
    leads_events.LeadRejected: "The lead was given back",
    leads_events.LeadRecycled: "The lead went back to its team",
}
# Its activities come along to the deal, and back.
TURNS = (leads_events.LeadConverted, leads_events.LeadConversionUndone)


@on(*SUBJECT_EVENTS, keep=latest)
def know_subject(event: Message, _: Event) -> Statement:
    """The journey of a neighbour's record and who may see it, for activities about it."""
    record = getattr(event, event.DESCRIPTOR.fields[0].name)
    account, merged_into = (getattr(record, name, "") for name in ("account", "merged_into"))
    whose = record.journey_id or None, record.owner, record.team
    return tables.PUT_SUBJECT, record.name, *whose, account, merged_into


@on(*IN_HAND, *OUT_OF_HAND, *TURNS, *MERGES, keep=latest)
async def follow_up(event: Message, work: Work) -> None:
    """A lead's assignee has one call to make; it ends with the assignment or with the lead. What was planned and done
    about a lead comes along when it is converted, and goes back with it. A lead that was merged asks for nothing; what
    was to be done about it follows the merge, see below."""
    if isinstance(event, MERGES):
        return
    at, lead = work.event.event_time, event.lead
    planned = await work.find(Activity, subject=lead.name, state=State.PLANNED.name, follow_up=True)
    if isinstance(event, leads_events.LeadConverted):
        for activity in planned:
            work.emit(activity.complete("Converted", at))
        await _come_along(lead, at, work)
    elif isinstance(event, leads_events.LeadConversionUndone):
        for activity in await work.find(Activity, lead=lead.name):
            work.emit(activity.go_back(at))
        if lead.owner:
            await _hand_on(planned, lead, at, work)
    elif isinstance(event, IN_HAND) and lead.owner:
        if lead.state != leads_pb2.Lead.NURTURING:  # given to somebody in its sleep: they call when it wakes
            await _hand_on(planned, lead, at, work)
    else:
        for activity in planned:
            work.emit(activity.cancel(OUT_OF_HAND.get(type(event), "The lead went back to its team"), at))


async def _come_along(lead: leads_pb2.Lead, at: datetime, work: Work) -> None:
    """To the deal, or to the contact if there is none: also what followed a conversion that was taken back, if this one
    is heard of first."""
    subject = lead.opportunity or lead.contact
    for activity in [*await work.find(Activity, subject=lead.name), *await work.find(Activity, lead=lead.name)]:
        if subject:
            work.emit(activity.come_along(subject, lead.name, at))


async def _hand_on(planned: list[Activity], lead: Message, at: datetime, work: Work) -> None:
    for activity in planned:
        if activity.owner == lead.owner:
            return  # given to the same person again: the call is still to be made
        work.emit(activity.cancel(f"The lead was given to {lead.owner}", at))
    activity_id = derived_id(f"follow-up of {work.event.id}")
    activity = work.add(first_call(activity_id, lead.name, lead.owner, lead.team, lead.journey_id, at))
    work.emit(ActivityPlanned(activity=activity, event_time=at))


@on(*MERGES, keep=latest)
async def follow_the_merge(event: leads_events.LeadMerged | leads_events.LeadUnmerged, work: Work) -> None:
    """What was planned and done about a lead is about the one that goes on, and comes back if the merge is undone. Two
    first calls to one person would be one too many."""
    lead, at = event.lead, work.event.event_time
    if isinstance(event, leads_events.LeadUnmerged):
        rows = await work.rows(tables.WENT_ALONG, lead=lead.name)
        for activity in await work.find(Activity, id=[row["id"] for row in rows]) if rows else []:
            work.emit(activity.undo_merge(at))
        return
    theirs = await work.find(Activity, subject=lead.merged_into, state=State.PLANNED.name, follow_up=True)
    for activity in await work.find(Activity, subject=lead.name):
        needless = activity.follow_up and (bool(theirs) or activity.owner != event.owner)
        work.emit(activity.follow_merge(lead.merged_into, event.journey_id, at, needless=needless))
