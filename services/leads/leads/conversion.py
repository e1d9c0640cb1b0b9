"""Conversion: a lead becomes an account, a contact and an opportunity, in the service that owns those.

One transaction here stores CONVERTING and the saga; one call makes or links the three records, once per lead; one more
transaction stores CONVERTED with their names. It is taken back the same way: one call puts away what was made, or
refuses; one transaction brings the lead back.
"""

from datetime import datetime, timedelta
from typing import Any

from chassis.database import Query
from chassis.errors import CrmError, FailedPrecondition
from chassis.rpc_client import method_path
from chassis.saga import Asking, Call, Saga
from chassis.values import derived_id
from chassis.work import Work
from crm.leads.v1 import conversion_pb2, leads_pb2
from crm.sales.v1 import lead_acceptance_pb2, sales_pb2
from google.protobuf.json_format import MessageToDict
from sqlalchemy import text

from leads.configuration import settings_of
from leads.domain import conversion as rules
from leads.domain.account_key import account_key
from leads.domain.lead import Lead
from leads.domain.state import ConversionBuiltUpon, State

ACCEPT_LEAD = method_path("sales", "SalesService", "AcceptLead")
MATCH_LEAD, LINK_LEAD, RELEASE_LEAD = (
    method_path("sales", "LeadAcceptanceService", method) for method in ("MatchLead", "LinkLead", "ReleaseLead")
)
# Accounts whose names differ in their legal form, spelling or script alone: shown, never linked unasked.
CALLED_ALIKE = Query(
    text(
        "SELECT account FROM account_owners WHERE key = CAST(:key AS text) AND key <> '' AND owner <> ''"
        " ORDER BY account LIMIT 20"
    )
)
EACH_BEST_MATCH = {"account": {"mode": "AUTO"}, "contact": {"mode": "AUTO"}, "opportunity": {"mode": "AUTO"}}


async def convert_lead(request: leads_pb2.ConvertLeadRequest, work: Work) -> Lead:
    """Begins the conversion; the edge waits for its end as long as the deadline allows."""
    lead = await work.get(Lead, request.name, request.etag)
    at = work.business_time(request, "convert_time")
    named = request.opportunity_owner or lead.owner or work.caller.actor
    owner = await work.responsible(named, "opportunity_owner", anybody=True)
    work.emit(rules.start(lead, at))
    facts = _facts(request, lead) | {
        "account_owner": owner.name,
        "opportunity_owner": owner.name,
        "convert_time": at.isoformat(),
    }
    if request.HasField("targets") or lead.undone_conversions:
        facts |= {"targets": _targets(request), "attempt": lead.undone_conversions}
    work.start_saga(CONVERSION.kind, lead.name, lead.journey_id, facts)
    return lead


async def preview(request: conversion_pb2.PreviewConversionRequest, work: Work) -> conversion_pb2.ConversionPreview:
    lead = await work.get(Lead, request.name)
    rules.require_qualified(lead)
    targets = _targets(request) if request.HasField("targets") else EACH_BEST_MATCH
    facts = _facts(request, lead)
    similar = await work.rows(CALLED_ALIKE, key=account_key(facts["account_display_name"]))
    asked = lead_acceptance_pb2.MatchLeadRequest(
        facts=facts, targets=targets, similar_accounts=[row["account"] for row in similar]
    )
    answer = lead_acceptance_pb2.MatchLeadResponse
    found = await work.context.neighbours.call("sales", MATCH_LEAD, asked, answer, actor=work.caller.actor)
    return conversion_pb2.ConversionPreview(**MessageToDict(found, preserving_proto_field_name=True))


async def undo(request: conversion_pb2.UndoConversionRequest, work: Work) -> Lead:
    """Begins to take a conversion back. Nothing changes before sales has: who asks twice at once is told the same."""
    lead = await work.get(Lead, request.name, request.etag)
    rules.require_undoable(lead, work.now)
    asked = {"lead": lead.name, "attempt": lead.undone_conversions, "note": request.note}
    work.start_saga(UNDO.kind, lead.name, lead.journey_id, asked)
    return lead


def _facts(
    request: leads_pb2.ConvertLeadRequest | conversion_pb2.PreviewConversionRequest, lead: Lead
) -> dict[str, Any]:
    """What sales is told of the lead."""
    account = request.account_display_name or lead.company or lead.display_name
    return {
        "lead": lead.name,
        "journey_id": lead.journey_id,
        "account_display_name": account,
        "account_external_ids": [
            {"system": key.system, "kind": key.kind, "id": key.id} for key in request.account_external_ids
        ],
        "contact_display_name": lead.display_name,
        "email": lead.email,
        "phone": lead.phone,
        "opportunity_display_name": request.opportunity_display_name or account,
        "channel": lead.channel,
    } | ({"custom": lead.custom} if lead.custom else {})


def _targets(request: leads_pb2.ConvertLeadRequest | conversion_pb2.PreviewConversionRequest) -> dict[str, Any]:
    return MessageToDict(request.targets)


async def ask_sales(data: dict[str, Any], asking: Asking) -> dict[str, Any]:
    """One call that makes or links all three records or none; repeated, it answers the same names. A first conversion
    that names no targets asks for what a release before this one knows, too."""
    own = ("convert_time", "targets", "attempt")
    facts = sales_pb2.AcceptLeadRequest(**{key: value for key, value in data.items() if key not in own})
    facts.convert_time.FromDatetime(datetime.fromisoformat(data["convert_time"]))
    request_id = derived_id(f"{data['lead']} {asking.saga_id}")
    made: sales_pb2.AcceptLeadResponse | lead_acceptance_pb2.LinkLeadResponse
    if "targets" in data:
        asked = lead_acceptance_pb2.LinkLeadRequest(
            facts=facts, targets=data["targets"], attempt=data["attempt"], request_id=request_id
        )
        made = await asking.ask("sales", LINK_LEAD, asked, lead_acceptance_pb2.LinkLeadResponse)
    else:
        facts.request_id = request_id
        made = await asking.ask("sales", ACCEPT_LEAD, facts, sales_pb2.AcceptLeadResponse)
    return data | {"account": made.account, "contact": made.contact, "opportunity": made.opportunity}


async def store_names(data: dict[str, Any], work: Work) -> None:
    lead = await work.get(Lead, data["lead"])
    at = datetime.fromisoformat(data["convert_time"])
    days = (await settings_of(work)).conversion_undo_days
    until = work.now + timedelta(days=days) if days else None
    names = rules.Names(account=data["account"], contact=data["contact"], opportunity=data["opportunity"])
    work.emit(rules.finish(lead, names, until, at))


async def back_to_qualified(data: dict[str, Any], error: CrmError, work: Work) -> None:
    lead = await work.get(Lead, data["lead"])
    work.emit(rules.abandon(lead, error.message, work.now))


async def release(data: dict[str, Any], asking: Asking) -> dict[str, Any]:
    """One call that puts away what the conversion made, or refuses; repeated, it answers the same."""
    asked = lead_acceptance_pb2.ReleaseLeadRequest(lead=data["lead"], attempt=data["attempt"])
    try:
        await asking.ask("sales", RELEASE_LEAD, asked, lead_acceptance_pb2.ReleaseLeadResponse)
    except FailedPrecondition as refused:
        if "in_the_way" not in refused.metadata:
            raise
        raise ConversionBuiltUpon(lead=data["lead"], in_the_way=refused.metadata["in_the_way"]) from refused
    return data


async def take_back(data: dict[str, Any], work: Work) -> None:
    lead = await work.get(Lead, data["lead"])
    if lead.state is State.CONVERTED and lead.undone_conversions == data["attempt"]:  # nobody asked at the same time
        work.emit(rules.undo(lead, data["note"], work.now))


async def stays_converted(data: dict[str, Any], error: CrmError, work: Work) -> None:
    """Nothing was promised: whoever asked is told what stands in the way."""


CONVERSION = Saga("lead_conversion", (Call("accept_lead", ask_sales),), store_names, back_to_qualified)
UNDO = Saga("lead_conversion_undo", (Call("release_lead", release),), take_back, stays_converted)
