"""An erasure takes what a company's own fields say of a person, and leaves what they say of its dealings."""

import json

import pytest
from crm.directory.v1 import custom_fields_pb2
from crm.leads.v1 import events_pb2
from custom_calls import definition
from directory_calls import OFFICER, call, completed, erasing_suite
from google.protobuf.json_format import MessageToDict
from harness import until
from lead_calls import create, read

VALUES = {"segment": "gold", "birthday": "1980-02-29", "hobby": "плуване с Мария Колева"}


@pytest.fixture
async def suite(issuer):
    async for running in erasing_suite(issuer):
        yield running


async def define(suite, slug, kind, **more):
    field = definition(slug, kind, **more)
    field.ClearField("name")
    request = custom_fields_pb2.CreateCustomFieldRequest(custom_field=field)
    await suite["directory"].call("CustomFieldService/CreateCustomField", request)
    known = suite["leads"].process.context.custom_fields

    async def there():
        return slug in known.of("leads")

    await until(there, f"leads knows {slug}")


async def test_personal_values_go_with_the_person_and_others_stay(suite):
    leads = suite["leads"]
    await define(suite, "segment", "ENUM", options=["gold"], indexed=True)
    await define(suite, "birthday", "DATE", personal=True, indexed=True)
    await define(suite, "hobby", "STRING")
    lead = await create(leads, display_name="Мария Колева", custom=VALUES)
    document = await call(suite, "ExportPersonalData", records=[lead.name])
    [told] = json.loads(document.data)["services"]["leads"]["records"]
    assert told["custom"] == VALUES
    made = await call(suite, "CreateErasure", by=OFFICER.name, erasure={"records": [lead.name]})
    await completed(suite, made.name)
    left = {"segment": "gold", "hobby": "плуване с (erased)"}
    assert MessageToDict(await read(leads, lead.name))["custom"] == left
    rows = await leads.rows("SELECT field FROM custom_value WHERE record_id::text = $1", lead.name.split("/")[1])
    assert [row["field"] for row in rows] == ["customFields/lead-segment"]
    [made] = await leads.rows("SELECT payload FROM outbox WHERE subject = $1 AND type LIKE '%LeadCreated'", lead.name)
    assert MessageToDict(events_pb2.LeadCreated.FromString(made["payload"]).lead)["custom"] == left
