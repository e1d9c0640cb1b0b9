"""What marketing does when others speak: it notes which channel each lead, customer and order came by.

Each record of another service has one row here, which its latest event writes: nothing is counted up, so events may
come in any order and as often as they like.
"""

from chassis.convert import money
from chassis.events import Event, Statement, latest, on
from crm.leads.v1 import events_pb2 as leads_events
from crm.leads.v1 import leads_pb2
from crm.sales.v1 import events_pb2 as sales_events

from marketing import material_tables, tables

LEAD_EVENTS = (
    leads_events.LeadCreated,
    leads_events.LeadUpdated,
    leads_events.LeadAssigned,
    leads_events.LeadMerged,
    leads_events.LeadUnmerged,
    leads_events.LeadsJoined,
    leads_events.LeadsParted,
)


@on(*LEAD_EVENTS, keep=latest)
def note_where_a_lead_came_from(event: leads_events.LeadCreated, _: Event) -> Statement:
    """Leads that are one count once."""
    lead = event.lead
    if lead.state == leads_pb2.Lead.MERGED:
        return tables.FORGET_LEAD, lead.name
    return tables.PUT_LEAD, lead.name, lead.owner, lead.team, lead.channel


@on(*LEAD_EVENTS, leads_events.LeadConverted, leads_events.LeadConversionUndone, keep=latest)
def note_what_a_material_brought(event: leads_events.LeadCreated, _: Event) -> Statement | None:
    """By the lead that goes on, if it was merged."""
    lead = event.lead
    link = "" if lead.state == leads_pb2.Lead.MERGED else lead.material_link
    if not link and not isinstance(event, leads_events.LeadMerged | leads_events.LeadsParted):
        return None  # most came by none; what one has is lost by a merge, or its undoing, alone
    return material_tables.PUT_LEAD, lead.name, link, lead.state == leads_pb2.Lead.CONVERTED


@on(sales_events.AccountBecameCustomer, sales_events.AccountUpdated, keep=latest)
def note_a_customer(event: sales_events.AccountBecameCustomer, _: Event) -> Statement | None:
    account = event.account
    if not account.HasField("customer_time"):
        return None
    return tables.PUT_CUSTOMER, account.name, account.owner, account.team, account.channel


@on(sales_events.OrderRecorded, keep=latest)
def note_an_order(event: sales_events.OrderRecorded, _: Event) -> Statement:
    order, worth = event.order, money(event.order.amount, "order.amount")
    return tables.PUT_ORDER, order.name, order.owner, order.team, order.channel, worth.amount, worth.currency
