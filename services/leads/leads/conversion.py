"""Conversion: a lead becomes an account, a contact and an opportunity, in the service that owns those.

One transaction here stores CONVERTING and the saga; one call makes the three records, once per lead; one more
transaction stores CONVERTED with their names.
"""

from datetime import datetime
from typing import Any

from chassis.errors import CrmError
from chassis.rpc_client import method_path
from chassis.saga import Asking, Call, Saga
from chassis.values import derived_id
from chassis.work import Work
from crm.leads.v1 import leads_pb2
from crm.sales.v1 import sales_pb2

from leads.domain import Lead

ACCEPT_LEAD = method_path("sales", "SalesService", "AcceptLead")


async def convert_lead(request: leads_pb2.ConvertLeadRequest, work: Work) -> Lead:
    """Begins the conversion; the edge waits for its end as long as the deadline allows."""
    lead = await work.get(Lead, request.name, request.etag)
    at = work.business_time(request, "convert_time")
    named = request.opportunity_owner or lead.owner or work.caller.actor
    owner = await work.responsible(named, "opportunity_owner", anybody=True)
    work.emit(lead.start_conversion(at))
    account = request.account_display_name or lead.company or lead.display_name
    facts = {
        "lead": lead.name,
        "journey_id": lead.journey_id,
        "account_display_name": account,
        "account_owner": owner.name,
        "account_external_ids": [
            {"system": key.system, "kind": key.kind, "id": key.id} for key in request.account_external_ids
        ],
        "contact_display_name": lead.display_name,
        "email": lead.email,
        "phone": lead.phone,
        "opportunity_display_name": request.opportunity_display_name or account,
        "opportunity_owner": owner.name,
        "channel": lead.channel,
        "convert_time": at.isoformat(),
    }
    work.start_saga(CONVERSION.kind, lead.name, lead.journey_id, facts)
    return lead


async def ask_sales(data: dict[str, Any], asking: Asking) -> dict[str, Any]:
    """One call that makes all three records or none; repeated, it answers the same names."""
    facts = {key: value for key, value in data.items() if key != "convert_time"}
    request = sales_pb2.AcceptLeadRequest(**facts, request_id=derived_id(f"{data['lead']} {asking.saga_id}"))
    request.convert_time.FromDatetime(datetime.fromisoformat(data["convert_time"]))
    made = await asking.ask("sales", ACCEPT_LEAD, request, sales_pb2.AcceptLeadResponse)
    return data | {"account": made.account, "contact": made.contact, "opportunity": made.opportunity}


async def store_names(data: dict[str, Any], work: Work) -> None:
    lead = await work.get(Lead, data["lead"])
    at = datetime.fromisoformat(data["convert_time"])
    work.emit(lead.finish_conversion(data["account"], data["contact"], data["opportunity"], at))


async def back_to_qualified(data: dict[str, Any], error: CrmError, work: Work) -> None:
    lead = await work.get(Lead, data["lead"])
    work.emit(lead.abandon_conversion(error.message, work.now))


CONVERSION = Saga("lead_conversion", (Call("accept_lead", ask_sales),), store_names, back_to_qualified)
