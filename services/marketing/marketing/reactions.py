"""What marketing does when others speak: it notes which channel each lead, customer and order came by.

Each record of another service has one row here, which its latest event writes: nothing is counted up, so events may
come in any order and as often as they like.
"""

from chassis.convert import money
from chassis.events import Event, Statement, latest, on
from crm.leads.v1 import events_pb2 as leads_events
from crm.sales.v1 import events_pb2 as sales_events

from marketing import tables


@on(leads_events.LeadCreated, leads_events.LeadUpdated, leads_events.LeadAssigned, keep=latest)
def note_where_a_lead_came_from(event: leads_events.LeadCreated, _: Event) -> Statement:
    lead = event.lead
    return tables.PUT_LEAD, lead.name, lead.owner, lead.team, lead.channel


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
