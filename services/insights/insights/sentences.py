"""The timeline in words: one sentence per event type.

`{field}` is a field of the event or of its record; what stands in brackets is left out where a field in it is empty.
Only the fields a sentence names are stored with an entry, as parameters that another language can use as well. No
sentence names who somebody is. What was said about a person may stand there; it is rewritten when they are erased.
"""

import re
from collections.abc import Mapping
from datetime import UTC
from functools import cache
from typing import Any

import msgspec
from chassis.convert import money
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

SENTENCES = {
    "crm.marketing.v1.TouchRecorded": "Touched us[ by {channel}][ on {landing_page}]",
    "crm.leads.v1.LeadCreated": "Lead recorded[ from {channel}][, came in by {landing_page}]",
    "crm.leads.v1.LeadUpdated": "Lead changed[: {fields}]",
    "crm.leads.v1.OwnDataShared": "Link to their own data sent, good until {expire_time}",
    "crm.leads.v1.OwnDataWithdrawn": "Link to their own data withdrawn",
    "crm.leads.v1.OwnDataUpdated": "They changed their own data: {fields}",
    "crm.leads.v1.LeadArchived": "Lead archived",
    "crm.leads.v1.LeadRestored": "Lead restored",
    "crm.leads.v1.LeadAssigned": "Lead given to {owner}[, before: {previous_owner}][, by rule {rule}]",
    "crm.leads.v1.LeadResponseStarted": "Somebody is to get in touch until {due_time}[, {owner}]",
    "crm.leads.v1.LeadResponseDue": "Little time is left to get in touch, until {due_time}[, {owner}]",
    "crm.leads.v1.LeadSlaBreached": "Nobody got in touch in time[: {owner}], due {due_time}",
    "crm.leads.v1.LeadResponded": "First contact, due {due_time}: {state}",
    "crm.leads.v1.LeadResponseCancelled": "No first contact is due any more[ of {owner}]",
    "crm.leads.v1.LeadContacted": "In touch with the lead",
    "crm.leads.v1.LeadEnrolled": "Lead taken into {cadence}",
    "crm.leads.v1.CadenceStepDue": "The next step of {cadence} is to be done[ by {owner}]",
    "crm.leads.v1.CadenceStepDone": "A step of {cadence} was done",
    "crm.leads.v1.CadenceCompleted": "{cadence} ended without an answer",
    "crm.leads.v1.CadenceStopped": "{cadence} ended[: {stop_reason}]",
    "crm.leads.v1.LeadCalled": "Call with the lead: {outcome}",
    "crm.leads.v1.LeadQualified": "Lead qualified",
    "crm.leads.v1.LeadDisqualified": "Lead disqualified[: {disqualify_reason}]",
    "crm.leads.v1.LeadAccepted": "Lead taken on by {owner}",
    "crm.leads.v1.LeadRejected": "Lead given back by {previous_owner}: {reason}",
    "crm.leads.v1.LeadRecycled": "Lead taken from {previous_owner}[, idle since {idle_since}]",
    "crm.leads.v1.LeadNurtured": (
        "Lead left in peace until {nurture_until}[, plan {nurture_plan}][, path {nurture_path}][: {nurture_reason}]"
    ),
    "crm.leads.v1.LeadWoken": "Lead woken by {cause}",
    "crm.leads.v1.LeadReopened": "Lead opened again[, disqualified before for {previous_reason}]",
    "crm.leads.v1.LeadConversionStarted": "Conversion of the lead began",
    "crm.leads.v1.LeadConversionAbandoned": "Conversion of the lead was given up[: {reason}]",
    "crm.leads.v1.LeadConverted": "Lead became {account}[ with {opportunity}]",
    "crm.leads.v1.LeadConversionUndone": "Conversion taken back: the lead is no longer {account}[ with {opportunity}]",
    "crm.leads.v1.LeadMerged": "Lead merged into {merged_into}",
    "crm.leads.v1.LeadUnmerged": "Lead goes on by itself again, apart from {merged_into}",
    "crm.leads.v1.LeadsJoined": "Lead goes on in place of {merged}",
    "crm.leads.v1.LeadsParted": "Lead goes on without {merged}, whose merge was undone",
    "crm.leads.v1.LeadCaptured": "Came in by {kind}[, sent by {referred_by}]",
    "crm.sales.v1.AccountCreated": "Account {display_name} added",
    "crm.sales.v1.AccountUpdated": "Account changed[: {fields}]",
    "crm.sales.v1.AccountBecameCustomer": "{display_name} became a customer",
    "crm.sales.v1.AccountArchived": "Account archived",
    "crm.sales.v1.AccountRestored": "Account restored",
    "crm.sales.v1.ContactCreated": "Contact added[ as {buying_role}]",
    "crm.sales.v1.ContactUpdated": "Contact changed[: {fields}]",
    "crm.sales.v1.ContactArchived": "Contact archived",
    "crm.sales.v1.ContactRestored": "Contact restored",
    "crm.sales.v1.OpportunityCreated": "Deal {display_name} opened[ over {amount}][, owner {owner}]",
    "crm.sales.v1.OpportunityUpdated": "Deal changed[: {fields}]",
    "crm.sales.v1.OpportunityAdvanced": "Deal moved[ from {previous_stage}] to {stage}",
    "crm.sales.v1.OpportunityWon": "Deal {display_name} won[: {amount}]",
    "crm.sales.v1.OpportunityLost": "Deal {display_name} lost[: {lose_reason}]",
    "crm.sales.v1.OpportunityArchived": "Deal archived",
    "crm.sales.v1.OpportunityRestored": "Deal restored",
    "crm.sales.v1.OrderRecorded": "Order {order_number} of {system}: {amount}[, {erp_state}]",
    "crm.sales.v1.ActivityPlanned": "{kind} planned for {owner} until {due_time}: {display_name}",
    "crm.sales.v1.ActivityUpdated": "Activity changed[: {fields}]",
    "crm.sales.v1.ActivityCompleted": "{kind} done: {display_name}[, outcome: {outcome}]",
    "crm.sales.v1.ActivityCancelled": "{kind} cancelled: {display_name}",
    "crm.contracts.v1.ContractDrafted": "Contract {number} drafted[ over {amount}]",
    "crm.contracts.v1.ContractUpdated": "Contract {number} changed[: {fields}]",
    "crm.contracts.v1.ContractSubmitted": "Contract {number} submitted by {submitter}",
    "crm.contracts.v1.ContractApproved": "Contract {number} approved by {approver}",
    "crm.contracts.v1.ContractRejected": "Contract {number} sent back[: {reject_reason}]",
    "crm.contracts.v1.ContractActivated": "Contract {number} in force[, service level {service_level}]",
    "crm.service_desk.v1.EntitlementGranted": "Entitled to service level {service_level} by {contract}",
    "crm.service_desk.v1.CaseOpened": "Case {number} opened[ as {type}][, priority {priority}]",
    "crm.service_desk.v1.CaseUpdated": "Case {number} changed[: {fields}]",
    "crm.service_desk.v1.CaseAssigned": "Case {number} given to {owner}[, before: {previous_owner}]",
    "crm.service_desk.v1.CaseEntitlementAttached": "Case {number} is covered by {entitlement}",
    "crm.service_desk.v1.CaseResolved": "Case {number} resolved",
    "crm.service_desk.v1.CaseReopened": "Case {number} opened again[: {reason}]",
    "crm.service_desk.v1.ProductFeedbackCreated": "Said of {product}: {kind}",
    "crm.service_desk.v1.ProductFeedbackUpdated": "What was said of {product} was written anew[: {fields}]",
}
FIELD = re.compile(r"\{(\w+)\}")
OPTIONAL = re.compile(r"\[([^\[\]]*)\]")
WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")
LONGEST_VALUE = 200


def render(type_name: str, values: Mapping[str, str]) -> str:
    """The sentence of an entry. An event type this release has no sentence for is told by its own name."""
    sentence = SENTENCES.get(type_name)
    if sentence is None:
        return WORD.sub(" ", type_name.rpartition(".")[2]).capitalize()

    def fill(text: str) -> str:
        return FIELD.sub(lambda found: values.get(found[1], ""), text)

    def part(found: re.Match[str]) -> str:
        return fill(found[1]) if all(values.get(name) for name in FIELD.findall(found[1])) else ""

    return fill(OPTIONAL.sub(part, sentence))


@cache
def names(type_name: str) -> tuple[str, ...]:
    """The fields a sentence speaks of."""
    return tuple(FIELD.findall(SENTENCES.get(type_name, "")))


def parameters(type_name: str, message: Message, record: Message) -> dict[str, str]:
    """The values a sentence needs, from the event, else from its record; empty ones are left out."""
    values = {}
    for name in names(type_name):
        owner = message if name in message.DESCRIPTOR.fields_by_name else record
        value = _text(owner, owner.DESCRIPTOR.fields_by_name[name])
        if value:
            values[name] = value[:LONGEST_VALUE]
    return values


def _text(owner: Any, item: FieldDescriptor) -> str:
    value = getattr(owner, item.name)
    if item.is_repeated:
        return ", ".join(map(str, value))
    if item.enum_type is not None:
        known = item.enum_type.values_by_number.get(value)
        name = known.name if known else str(value)  # a value of a later release is told by its number
        return "" if name.endswith("_UNSPECIFIED") else name
    if item.message_type is None:
        return str(value) if value else ""
    if not owner.HasField(item.name):
        return ""
    if item.message_type.full_name == "google.type.Money":
        worth = money(value, item.name)
        return f"{worth.amount.normalize():f} {worth.currency}"
    return value.ToDatetime(tzinfo=UTC).isoformat()


def stored(parameters_column: str) -> dict[str, str]:
    """The parameters of an entry as they were stored."""
    return msgspec.json.decode(parameters_column, type=dict[str, str])
