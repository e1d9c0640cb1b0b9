"""Rules of assignment look at company-defined fields of leads."""

import pytest
from assignment_desk import a_policy, owned
from chassis.errors import InvalidFields
from crm.leads.v1 import leads_pb2
from custom_calls import definition, know

GOLD = {"fact": "CUSTOM", "custom": "segment", "any_of": ["gold"]}


@pytest.fixture
async def own(fresh):
    await know(fresh, definition("segment", "ENUM", options=["gold", "tin"]), definition("budget", "NUMBER"))
    yield fresh
    await fresh.rows("DELETE FROM custom_field")
    await fresh.process.context.custom_fields.look()


async def created(desk, **custom):
    lead = leads_pb2.Lead(display_name="Ана", custom=custom)
    return await desk.call("LeadService/CreateLead", leads_pb2.CreateLeadRequest(lead=lead), by="users/root")


async def test_leads_go_to_people_by_what_the_company_wants_to_know_of_them(own):
    dear = {"fact": "CUSTOM", "custom": "budget", "at_least": 1000}
    await a_policy(
        own,
        {"rule": "gold", "people": ["users/ana"], "conditions": [GOLD]},
        {"rule": "dear", "people": ["users/boris"], "conditions": [dear]},
        {"rule": "rest", "people": ["users/chen"]},
    )
    wanted = [({"segment": "gold", "budget": 5000}, "ana"), ({"segment": "tin", "budget": 1000}, "boris")]
    for custom, person in [*wanted, ({"budget": 999}, "chen"), ({}, "chen")]:
        lead = await created(own, **custom)
        assert (await owned(own, lead.name)).owner == f"users/{person}"


@pytest.mark.parametrize(
    ("condition", "path"),
    [
        (GOLD | {"custom": "nothing"}, "custom"),
        (GOLD | {"custom": ""}, "custom"),
        (GOLD | {"custom": "budget"}, "fact"),
        ({"fact": "CUSTOM", "custom": "segment", "at_least": 1}, "fact"),
        ({"fact": "CUSTOM", "custom": "budget"}, "fact"),
        ({"fact": "CHANNEL", "custom": "segment", "any_of": ["x"]}, "custom"),
    ],
)
async def test_a_rule_about_a_field_that_leads_do_not_have_so_is_refused(own, condition, path):
    with pytest.raises(InvalidFields) as refused:
        await a_policy(own, {"rule": "x", "people": ["users/ana"], "conditions": [condition]}, active=False)
    assert [where for where, _ in refused.value.violations] == [f"assignment_policy.rules[0].conditions[0].{path}"]
