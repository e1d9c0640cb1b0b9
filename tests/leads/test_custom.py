"""Company-defined fields on leads, as people meet them at the front door."""

import csv
import io
import time

import pytest
from chassis.errors import InvalidFields
from crm.leads.v1 import events_pb2, leads_pb2
from custom_calls import definition, front, know
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from harness import start

TIER = definition("tier", "ENUM", options=["gold", "сребро", "tin-"], indexed=True)
BUDGET = definition("budget", "NUMBER", indexed=True, range={"minimum": 0, "maximum": 1e6})
NOTE = definition("the_need", "STRING", maxLength=20)
TAGS = definition("tags", "MULTI_ENUM", options=["a", "b", "c"], indexed=True)


@pytest.fixture(scope="module")
async def own(backend, issuer):
    """Leads of a company that defined some fields."""
    running = await start("leads", backend, issuer)
    await know(running, TIER, BUDGET, NOTE, TAGS)
    yield running
    await running.stop()


@pytest.fixture(scope="module")
async def http(own):
    async with front(leads=own) as client:
        yield client


async def created(http, **custom):
    answer = await http.post("/v1/leads", json={"displayName": "Ана", "custom": custom})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def changed(http, lead, body, mask=""):
    query = f"?updateMask={mask}" if mask else ""
    return await http.patch(f"/v1/{lead['name']}{query}", json=body)


def refusal(answer):
    assert answer.status_code == 400, answer.text
    return {one["field"]: one["reason"] for one in answer.json()["violations"]}


async def test_values_come_back_as_they_were_given(http, own):
    values = {"tier": "сребро", "budget": 1500.5, "the_need": "Спешно", "tags": ["b", "a"]}
    lead = await created(http, **values)
    assert lead["custom"] == values
    assert (await http.get(f"/v1/{lead['name']}")).json()["custom"] == values
    [told] = await own.rows("SELECT payload FROM outbox WHERE subject = $1 AND type LIKE '%LeadCreated'", lead["name"])
    assert MessageToDict(events_pb2.LeadCreated.FromString(told["payload"]).lead)["custom"] == values


async def test_a_lead_without_values_says_nothing_of_them(http, own):
    lead = (await http.post("/v1/leads", json={"displayName": "Ана"})).json()
    assert "custom" not in lead
    assert not leads_pb2.Lead().HasField("custom")


async def test_what_is_not_allowed_is_refused_by_its_path(http):
    answer = await http.post(
        "/v1/leads", json={"displayName": "Ана", "custom": {"tier": "tin", "budget": -1, "no_such": 1}}
    )
    said = refusal(answer)
    assert set(said) == {"custom.tier", "custom.budget", "custom.no_such"}
    assert said["custom.tier"] == "must be one of gold, сребро"
    assert said["custom.no_such"] == "is not defined; defined are: budget, tags, the_need, tier"


async def test_a_change_without_a_mask_touches_what_was_sent(http, own):
    lead = await created(http, tier="gold", budget=10)
    told = await changed(http, lead, {"custom": {"budget": None, "the_need": "x"}})
    assert told.json()["custom"] == {"tier": "gold", "the_need": "x"}
    assert (await changed(http, lead, {"custom": {"the_need": "x"}})).json()["etag"] == told.json()["etag"]
    assert (await changed(http, lead, {"custom": {}})).json().get("custom") is None
    events = await own.events(lead["name"])
    assert events.count("LeadUpdated") == 2


async def test_a_mask_names_one_value_or_all(http):
    lead = await created(http, tier="gold", budget=10)
    one = await changed(http, lead, {"custom": {"budget": 11, "tier": "сребро"}}, "custom.budget")
    assert one.json()["custom"] == {"tier": "gold", "budget": 11}
    none = await changed(http, lead, {"custom": {}}, "custom.tier")
    assert none.json()["custom"] == {"budget": 11}
    both = await changed(http, lead, {"custom": {"the_need": "x"}}, "custom")
    assert both.json()["custom"] == {"the_need": "x"}
    assert refusal(await changed(http, lead, {"note": "x"}, "note.budget"))
    assert refusal(await changed(http, lead, {"custom": {"x": 1}}, "custom.x"))


async def test_over_grpc_a_change_without_a_mask_touches_the_values_that_are_set(own):
    custom = Struct()
    custom.update({"tier": "gold", "budget": 3})
    request = leads_pb2.CreateLeadRequest(lead=leads_pb2.Lead(display_name="Ana", custom=custom))
    lead = await own.call("LeadService/CreateLead", request)
    custom.Clear()
    custom.update({"budget": 4})
    request = leads_pb2.UpdateLeadRequest(lead=leads_pb2.Lead(name=lead.name, custom=custom))
    told = await own.call("LeadService/UpdateLead", request)
    assert MessageToDict(told)["custom"] == {"tier": "gold", "budget": 4}


@pytest.mark.parametrize("odd", [float("nan"), float("inf")])
async def test_what_json_cannot_say_is_refused(own, odd):
    lead = leads_pb2.Lead(display_name="Ana")
    lead.custom.fields["budget"].number_value = odd
    with pytest.raises(InvalidFields):
        await own.call("LeadService/CreateLead", leads_pb2.CreateLeadRequest(lead=lead))


async def test_values_of_an_archived_field_stay_readable_and_can_be_cleared(http, own):
    once = definition("once", "STRING")
    await know(own, once)
    lead = await created(http, once="x")
    await know(own, once, archived=True)
    assert (await http.get(f"/v1/{lead['name']}")).json()["custom"] == {"once": "x"}
    assert "archived" in refusal(await changed(http, lead, {"custom": {"once": "y"}}))["custom.once"]
    assert (await changed(http, lead, {"note": "x"})).json()["custom"] == {"once": "x"}
    assert "custom" not in (await changed(http, lead, {"custom": {"once": None}})).json()


async def test_a_file_has_a_column_for_each_field(http):
    channel = "channels/export-custom"
    for values in ({"tier": "gold", "budget": 1.5, "tags": ["a", "c"]}, {"the_need": "=1+1"}, {}):
        await http.post("/v1/leads", json={"displayName": "Ана", "channel": channel, "custom": values})
    text = (await http.get("/v1/leads:export", params={"filter": f'channel = "{channel}"'})).content.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    names = ["custom.tier", "custom.budget", "custom.tags", "custom.the_need"]
    said = [tuple(row[name] for name in names) for row in reversed(rows)]
    assert said == [("gold", "1.5", "a; c", ""), ("", "", "", "'=1+1"), ("", "", "", "")]
    assert "custom" not in rows[0]


async def test_an_import_answers_for_the_values_of_each_row(http):
    rows = [
        {"displayName": "Ана", "custom": {"budget": 5}, "externalIds": [{"system": "old", "id": "1"}]},
        {"displayName": "Борис", "custom": {"budget": "many"}},
        {"displayName": "Чен", "custom": {"unknown": 1}},
    ]
    results = (await http.post("/v1/leads:import", json={"leads": rows})).json()["results"]
    assert [one["outcome"] for one in results] == ["CREATED", "REJECTED", "REJECTED"]
    assert results[1]["reason"] == "custom.budget: must be a number"
    rows[0]["custom"] = {"tier": "gold"}
    again = (await http.post("/v1/leads:import", json={"leads": rows[:1]})).json()["results"][0]
    assert again["outcome"] == "UPDATED"
    assert (await http.get(f"/v1/{again['lead']}")).json()["custom"] == {"tier": "gold", "budget": 5}
    rows[0]["custom"] = {"tier": "tin"}
    assert (await http.post("/v1/leads:import", json={"leads": rows[:1]})).json()["results"][0]["outcome"] == "REJECTED"


async def test_what_is_required_is_asked_of_people_and_not_of_captures(http, own):
    needed = definition("needed", "BOOL", required=True)
    await know(own, needed)
    try:
        assert refusal(await http.post("/v1/leads", json={"displayName": "Ана"})) == {"custom.needed": "is required"}
        lead = await created(http, needed=False)
        assert refusal(await changed(http, lead, {"custom": {"needed": None}}))
        capture = await http.post(
            "/v1/captures", json={"quickEntry": {"text": "Ана Петрова, ana.required@example.com"}}
        )
        assert capture.json()["lead"], capture.text
    finally:
        needed.required = False
        await know(own, needed)


async def test_no_number_of_values_or_paths_keeps_the_service_busy(own, http):
    lead = await created(http, tier="gold")
    request = leads_pb2.UpdateLeadRequest(lead=leads_pb2.Lead(name=lead["name"]))
    request.lead.custom.update({f"key_{number}": number for number in range(5_000)})
    request.update_mask.paths.extend(f"custom.key_{number}" for number in range(50_000))
    began = time.process_time()
    with pytest.raises(InvalidFields) as refused:
        await own.call("LeadService/UpdateLead", request)
    assert len(refused.value.violations) < 50
    request.lead.custom.update({f"key_{number}": "x" * 50 for number in range(20_000)})
    with pytest.raises(InvalidFields, match="too long"):
        await own.call("LeadService/UpdateLead", request)
    assert time.process_time() - began < 3
