"""What tests of call lists ask: to fill one, whom to call next, what came of it."""

from datetime import UTC, datetime, timedelta

from crm.leads.v1 import (
    cadences_pb2,
    leads_pb2,
    operations_pb2,
)
from crm.leads.v1 import call_lists_pb2 as pb
from crm.type.v1 import operations_pb2 as types_pb2
from google.protobuf.json_format import ParseDict
from harness import Person, until
from lead_calls import create

State, Disposition, Why = pb.CallListEntry.State, pb.CallListEntry.Disposition, pb.LeadsLeftOut.Reason
SARA, SIMON = "users/sara", "users/simon"  # who call for the north
SDRS = [Person(name, ("sdr",), "teams/north") for name in (SARA, SIMON)]
ROOT, MIRA, ANA = "users/root", "users/mira", "users/ana"
BG, CN, PT = "+359888123456", "+8613812345678", "+351912345678"


async def call(desk, method, by=MIRA, **fields):
    request = ParseDict(fields, getattr(pb, f"{method}Request")())
    return await desk.call(f"CallListService/{method}", request, by=by)


async def a_list(desk, **fields):
    return await call(desk, "CreateCallList", callList={"displayName": "Есенна кампания"} | fields)


async def lead(desk, **fields):
    return await create(desk, **({"display_name": "王芳", "owner": ANA, "phone": BG} | fields))


async def fill(desk, listed, *leads, by=MIRA, **fields):
    """Fills a list to the end and answers what the list says then."""
    chosen = fields if fields.keys() & {"filter", "segment"} else fields | {"leads": [one.name for one in leads]}
    begun = await call(desk, "FillCallList", by=by, name=listed.name, **chosen)

    async def ended():
        request = operations_pb2.GetLeadOperationRequest(name=begun.name)
        found = await desk.call("LeadOperationService/GetLeadOperation", request, by=by)
        return found if found.state != types_pb2.Operation.RUNNING else None

    done = await until(ended, "the list is filled")
    assert done.state == types_pb2.Operation.SUCCEEDED, done
    return await call(desk, "GetCallList", name=listed.name)


async def filled(desk, *leads, **fields):
    listed = await a_list(desk, **fields)
    await fill(desk, listed, *leads)
    return listed


async def following(desk, listed, by=SARA):
    return await call(desk, "NextCall", by=by, name=listed.name)


async def record(desk, answer, disposition, by=SARA, **fields):
    return await call(desk, "RecordCall", by=by, name=answer.entry.name, disposition=disposition, **fields)


async def entry_of(desk, listed, one, by=ROOT):
    asked = f'call_list = "{listed.name}" AND lead = "{one.name}"'
    found = (await call(desk, "ListCallListEntries", by=by, filter=asked)).call_list_entries
    return found[0] if found else None


def left_out(listed):
    return {Why.Name(one.reason): one.leads for one in listed.left_out}


def soon(**ahead):
    return (datetime.now(UTC) + timedelta(**ahead)).isoformat()


async def its_time(desk, entry):
    """Lets a promise or a pause be over."""
    await desk.rows("UPDATE call_list_entries SET due_time = now() WHERE id = $1::uuid", entry.name.split("/")[1])
    await desk.rows("UPDATE leads SET call_back_time = now() WHERE call_back_time IS NOT NULL")


async def limits(desk, **fields):
    request = ParseDict({"contactSettings": fields}, cadences_pb2.UpdateContactSettingsRequest())
    request.update_mask.paths.extend(["most_contacts", "per_days"])
    await desk.call("CadenceService/UpdateContactSettings", request, by=ROOT)


async def verb(desk, name, one, by=ROOT, **fields):
    return await desk.call(f"LeadService/{name}", getattr(leads_pb2, f"{name}Request")(name=one.name, **fields), by=by)


# ---- the list
