"""An erasure of somebody of the company reaches what leads keeps to write to them."""

import json

import pytest
from crm.leads.v1 import deliveries_pb2, enrichments_pb2
from directory_calls import OFFICER, call, completed, erasing_suite
from harness import ADMIN, until
from lead_calls import create
from outgoing_servers import JsonServer


@pytest.fixture
async def suite(issuer):
    async for running in erasing_suite(issuer):
        yield running


async def test_who_is_erased_has_no_enriched_values_left(suite, monkeypatch):
    """A sole trader's company is their name."""
    web, leads = JsonServer(), suite["leads"]
    web.answers.append((200, {}, '{"n": "Мария Колева ЕТ"}'.encode()))
    source = {"source": "registry", "url": f"{web.url}/{{domain}}", "fields": {"company": "/n"}}
    monkeypatch.setenv("ENRICHMENT_SOURCES", json.dumps([source]))
    lead = await create(leads, display_name="Мария Колева", email="maria@koleva.example")
    asked = enrichments_pb2.EnrichLeadRequest(name=lead.name)
    assert (await leads.call("EnrichmentService/EnrichLead", asked)).lead.company == "Мария Колева ЕТ"
    erasure = await call(suite, "CreateErasure", by=OFFICER.name, erasure={"records": [lead.name]})
    await completed(suite, erasure.name)
    web.close()
    for table in ("lead_enrichments", "leads"):
        (kept,) = await leads.rows(f"SELECT t::text AS said FROM {table} t")
        assert "Колева" not in kept["said"]
    told = await leads.rows("SELECT payload FROM outbox")
    assert all("Колева".encode() not in (row["payload"] or b"") for row in told)


async def test_who_is_erased_has_neither_address_nor_number_left(suite):
    leads = suite["leads"]
    person = {"display_name": "Мария Колева", "email": "maria@rosa.example"}
    made = await call(suite, "CreateUser", by=ADMIN, user=person, user_id="u-17")

    async def known():
        return await leads.rows("SELECT email FROM addressees WHERE name = $1", made.name)

    (kept,) = await until(known, "leads has heard of her")
    assert kept["email"] == "maria@rosa.example"
    wanted = deliveries_pb2.NotificationPreferences(name="notificationPreferences/u-17", phone_number="+359888123456")
    request = deliveries_pb2.UpdateNotificationPreferencesRequest(notification_preferences=wanted)
    await leads.call("DeliveryService/UpdateNotificationPreferences", request)
    document = await call(suite, "ExportPersonalData", records=[made.name])
    told = json.loads(document.data)["services"]["leads"]["records"]
    assert [one["phoneNumber"] for one in told if one["name"] == wanted.name] == ["+359888123456"]
    await call(suite, "DeactivateUser", by=ADMIN, name=made.name)
    erasure = await call(suite, "CreateErasure", by=OFFICER.name, erasure={"records": [made.name]})
    await completed(suite, erasure.name)
    assert await leads.rows("SELECT 1 FROM addressees WHERE email LIKE 'maria%'") == []
    (kept,) = await leads.rows("SELECT phone_number FROM notification_preferences WHERE id = 'u-17'")
    assert kept["phone_number"] == ""
    await leads.rows("UPDATE addressees SET email = 'maria@rosa.example'")  # as a backup of yesterday would
    await call(suite, "ReapplyErasure", name=erasure.name)
    await completed(suite, erasure.name)
    assert await leads.rows("SELECT 1 FROM addressees WHERE email LIKE 'maria%'") == []
    told = await leads.rows("SELECT payload FROM outbox WHERE subject = $1", wanted.name)
    assert all(b"359888123456" not in (row["payload"] or b"") for row in told)
