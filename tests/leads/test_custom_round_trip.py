"""Whatever a definition allows goes in at the front door and comes out equal, wherever a lead is shown."""

import csv
import io

import msgspec
import pytest
from chassis.custom_values import as_text
from crm.leads.v1 import events_pb2
from custom_calls import front
from custom_drawn import definitions, valid_values
from google.protobuf.json_format import MessageToDict
from harness import start
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis import custom_fields


@pytest.fixture(scope="module")
async def own(backend, issuer):
    running = await start("leads", backend, issuer)
    yield running
    await running.stop()


@pytest.fixture(scope="module")
async def http(own):
    async with front(leads=own) as client:
        yield client


async def know_only(own, fields):
    """The company defines just these, anew."""
    await own.rows("DELETE FROM custom_field")
    for slug, one in fields.items():
        document = msgspec.json.encode(one).decode()
        row = (f"customFields/lead-{slug}", "leads", slug, one.type.name, one.indexed, document)
        await own.rows(custom_fields.PUT, *row)
    await own.process.context.custom_fields.look()


async def check_filter(http, name, slug, one, values):
    """A lead is found by what it has, together with another condition if need be, and not by what it has not."""
    if slug not in values:
        return
    value = values[slug]
    sign, said = (":", value[0]) if isinstance(value, list) else ("=", as_text(value))
    if "\0" in said:
        return
    text = f"custom.{slug} {sign} {quoted(said)}" + ("" if one.indexed else " AND state = NEW")
    found = await http.get("/v1/leads", params={"filter": text})
    assert [lead["name"] for lead in found.json()["leads"]] == [name], (text, found.text)
    if sign == "=":
        other = await http.get("/v1/leads", params={"filter": text.replace(" = ", " != ", 1)})
        assert other.json()["leads"] == [], other.text


def quoted(value):
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@given(st.data())
@settings(max_examples=60, deadline=None)
async def test_whatever_a_definition_allows_comes_out_equal(own, http, data):
    fields = {one.slug: one for one in data.draw(definitions())}
    values = data.draw(valid_values(fields))
    await own.rows("DELETE FROM leads")
    await know_only(own, fields)
    answer = await http.post("/v1/leads", json={"displayName": "Ана", "custom": values})
    assert answer.status_code == 200, answer.text
    name = answer.json()["name"]
    assert answer.json().get("custom", {}) == values
    assert (await http.get(f"/v1/{name}")).json().get("custom", {}) == values
    [listed] = (await http.get("/v1/leads")).json()["leads"]
    assert listed.get("custom", {}) == values
    for slug, one in fields.items():
        await check_filter(http, name, slug, one, values)
    [told] = await own.rows("SELECT payload FROM outbox WHERE subject = $1 AND type LIKE '%LeadCreated'", name)
    assert MessageToDict(events_pb2.LeadCreated.FromString(told["payload"]).lead).get("custom", {}) == values
    [row] = csv.DictReader(io.StringIO((await http.get("/v1/leads:export")).content.decode("utf-8-sig"), newline=""))
    said = {slug: row[f"custom.{slug}"].removeprefix("'") for slug in values}
    assert said == {slug: as_text(value).removeprefix("'") for slug, value in values.items()}
