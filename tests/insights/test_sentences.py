"""The timeline in words."""

from importlib import import_module

import pytest
from chassis.events import message_class
from crm.leads.v1 import events_pb2 as leads_events
from crm.options.v1 import options_pb2
from insights import sentences
from insights.projection import TOLD

SERVICES = ("marketing", "leads", "sales", "contracts", "service_desk")
TOLD_MESSAGES = {
    "Touch", "Lead", "Account", "Contact", "Opportunity", "Order", "Activity", "Contract", "Entitlement", "Case",
    "ProductFeedback",
}  # fmt: skip


def events_about_customers():
    modules = [import_module(f"crm.{service}.v1.events_pb2") for service in SERVICES]
    messages = [message for module in modules for message in module.DESCRIPTOR.message_types_by_name.values()]
    return [item.full_name for item in messages if item.fields[0].message_type.name in TOLD_MESSAGES]


def test_as_many_kinds_of_records_are_told_as_there_are_messages():
    assert len(TOLD) == len(TOLD_MESSAGES)


@pytest.mark.parametrize("type_name", events_about_customers())
def test_every_event_about_a_customer_has_a_sentence(type_name):
    assert type_name in sentences.SENTENCES


@pytest.mark.parametrize("type_name", sentences.SENTENCES)
def test_a_sentence_speaks_of_fields_that_exist_and_says_nobody_s_name(type_name):
    event = message_class(type_name).DESCRIPTOR
    record = event.fields[0].message_type
    for name in sentences.names(type_name):
        item = event.fields_by_name.get(name) or record.fields_by_name[name]
        somebody = "email" in item.containing_type.fields_by_name
        assert not (somebody and item.GetOptions().Extensions[options_pb2.personal])


def told(event):
    type_name = event.DESCRIPTOR.full_name
    return sentences.render(type_name, sentences.parameters(type_name, event, event.lead))


def test_what_is_empty_is_left_out():
    assert told(leads_events.LeadCreated(lead={"channel": "channels/x"})) == "Lead recorded from channels/x"
    assert told(leads_events.LeadCreated()) == "Lead recorded"


def test_enums_and_facts_of_the_event_are_told():
    assert told(leads_events.LeadCalled(outcome="NO_ANSWER")) == "Call with the lead: NO_ANSWER"
    assert told(leads_events.LeadUpdated(fields=["note", "phone"])) == "Lead changed: note, phone"


def test_an_event_without_a_sentence_is_told_by_its_name():
    assert sentences.render("crm.leads.v1.LeadWentFishing", {}) == "Lead went fishing"
