"""Calls about leads recorded twice, and leads that come in."""

from chassis.values import new_id
from crm.leads.v1 import duplicates_pb2
from crm.leads.v1 import events_pb2 as lead_events
from google.protobuf.json_format import ParseDict
from lead_calls import create


async def call(leads, method, by="users/root", **fields):
    request = ParseDict(fields, getattr(duplicates_pb2, f"{method}Request")())
    return await leads.call(f"DuplicateService/{method}", request, by=by)


async def tell(leads, lead, kind="LeadCreated", **facts):
    """Brings the event to leads as its own stream would."""
    event = getattr(lead_events, kind)(lead=lead, **facts)
    event.event_time.CopyFrom(lead.update_time)
    await leads.react(event, version=int(lead.etag))


async def came_in(leads, count=2, **fields):
    """Leads of somebody nobody knew, told one after the other."""
    mark = new_id()[-8:]
    given = {"display_name": "Ана Петрова", "email": f"ana-{mark}@twice.bg", "owner": "users/ana"} | fields
    made = [await create(leads, **given) for _ in range(count)]
    for lead in made:
        await tell(leads, lead)
    return made
