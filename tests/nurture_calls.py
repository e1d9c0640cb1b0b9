"""What tests ask of nurture paths, one short call each."""

from typing import Any

from chassis.values import new_id
from crm.leads.v1 import cadences_pb2, interactions_pb2, leads_pb2, next_leads_pb2, nurture_pb2, segments_pb2
from crm.leads.v1 import events_pb2 as lead_events
from google.protobuf.json_format import ParseDict
from harness import Running
from lead_calls import a_channel, create

SERVICES = {"Cadence": cadences_pb2, "Lead": leads_pb2, "Nurture": nurture_pb2, "LeadSegment": segments_pb2}
SERVICES |= {"Interaction": interactions_pb2, "NextLead": next_leads_pb2}
State = leads_pb2.Lead.State
Verdict = nurture_pb2.ConsideredPath.Verdict


async def call(desk: Running, method: str, by: str = "users/root", **fields: Any) -> Any:
    """`method` as `Nurture/GetNurtureSettings`, the request as JSON has it."""
    service, name = method.split("/")
    request = ParseDict(fields, getattr(SERVICES[service], f"{name}Request")())
    return await desk.call(f"{service}Service/{name}", request, by=by)


async def set_paths(desk: Running, *paths: dict[str, Any], **more: Any) -> Any:
    given = {"nurtureSettings": {"paths": list(paths)}, "updateMask": "paths"} | more
    return await call(desk, "Nurture/UpdateNurtureSettings", **given)


async def a_cadence(desk: Running, **more: Any) -> str:
    steps = [{"kind": "EMAIL"}, {"kind": "CALL", "wait": {"kind": "ELAPSED", "seconds": 86400}}]
    cadence = {"displayName": "Топло", "steps": steps, "forNurturing": True} | more
    return (await call(desk, "Cadence/CreateCadence", cadence=cadence, cadenceId=new_id())).name


async def a_segment(desk: Running, filter: str) -> str:
    segment = {"displayName": "Панаир", "filter": filter}
    made = await call(desk, "LeadSegment/CreateLeadSegment", leadSegment=segment, leadSegmentId=new_id())
    return made.name


async def nurtured(desk: Running, by: str = "users/root", **fields: Any) -> Any:
    """A new lead, of a channel of its own unless told otherwise, left in peace."""
    asked = {"channel": a_channel(), "owner": "users/ana"} | fields
    said = {name: asked.pop(name) for name in ("path", "nurtureUntil") if name in asked}
    made = await create(desk, **asked)
    return await call(desk, "Lead/NurtureLead", by=by, name=made.name, **said)


async def woken(desk: Running, lead: Any) -> Any:
    """It wakes, and leads hears of it by its own event."""
    awake = await call(desk, "Lead/WakeLead", name=lead.name)
    await desk.react(lead_events.LeadWoken(lead=awake), version=int(awake.etag))
    return awake


async def enrolments(desk: Running, lead: Any) -> list[tuple[str, str, str]]:
    """Its cadences, the latest first, each with its state and why it was stopped."""
    found = await call(desk, "Cadence/ListCadenceEnrolments", filter=f'lead = "{lead.name}"')
    return [(one.cadence, cadences_pb2.CadenceEnrolment.State.Name(one.state), one.stop_reason)
            for one in found.cadence_enrolments]  # fmt: skip


async def explained(desk: Running, lead: Any, by: str = "users/root") -> Any:
    return await call(desk, "Nurture/ExplainNurture", by=by, name=lead.name)
