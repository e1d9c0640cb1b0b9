"""What sales does when others speak: it knows what activities may be about, and sees to it that a lead is called."""

from datetime import datetime

from chassis.events import Event, Statement, latest, on
from chassis.values import derived_id
from chassis.work import Work
from crm.contracts.v1 import events_pb2 as contracts_events
from crm.leads.v1 import events_pb2 as leads_events
from crm.service_desk.v1 import events_pb2 as service_desk_events
from google.protobuf.message import Message

from sales import tables
from sales.domain.activity import Activity, ActivityPlanned, State, first_call

# Whatever makes a record, or gives it to somebody else.
SUBJECT_EVENTS = (
    leads_events.LeadCreated,
    leads_events.LeadAssigned,
    contracts_events.ContractDrafted,
    contracts_events.ContractUpdated,
    service_desk_events.CaseOpened,
    service_desk_events.CaseUpdated,
    service_desk_events.CaseAssigned,
)
# Whatever decides what is to be done about a lead. Of these the latest counts, in whatever order they arrive: an
# assignment that was overtaken by another, or by the lead's end, asks nobody to do anything.
LEAD_EVENTS = (leads_events.LeadAssigned, leads_events.LeadDisqualified, leads_events.LeadConverted)


@on(*SUBJECT_EVENTS, keep=latest)
def know_subject(event: Message, _: Event) -> Statement:
    """The journey of a neighbour's record and who may see it, for activities about it."""
    record = getattr(event, event.DESCRIPTOR.fields[0].name)
    return tables.PUT_SUBJECT, record.name, record.journey_id or None, record.owner, record.team


@on(*LEAD_EVENTS, keep=latest)
async def follow_up(event: Message, work: Work) -> None:
    """A lead's assignee has one call to make; it ends with the assignment or with the lead."""
    at = work.event.event_time
    planned = await work.find(Activity, subject=event.lead.name, state=State.PLANNED.name, follow_up=True)
    if isinstance(event, leads_events.LeadAssigned):
        await _hand_on(planned, event.lead, at, work)
    elif isinstance(event, leads_events.LeadDisqualified):
        for activity in planned:
            work.emit(activity.cancel("The lead was disqualified", at))
    else:
        for activity in planned:
            work.emit(activity.complete("Converted", at))


async def _hand_on(planned: list[Activity], lead: Message, at: datetime, work: Work) -> None:
    for activity in planned:
        if activity.owner == lead.owner:
            return  # given to the same person again: the call is still to be made
        work.emit(activity.cancel(f"The lead was given to {lead.owner}", at))
    activity_id = derived_id(f"follow-up of {work.event.id}")
    activity = work.add(first_call(activity_id, lead.name, lead.owner, lead.team, lead.journey_id, at))
    work.emit(ActivityPlanned(activity=activity, event_time=at))
