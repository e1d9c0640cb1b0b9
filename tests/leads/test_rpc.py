"""Leads over gRPC on a real database."""

import asyncpg
import pytest
from chassis.errors import AlreadyExists, CrmError, FailedPrecondition, InvalidFields, NotFound
from chassis.values import new_id
from crm.leads.v1 import leads_pb2
from leads import tables


def lead(**fields):
    return leads_pb2.Lead(**({"display_name": "Ana Petrova"} | fields))


async def create(leads, by="users/root", **fields):
    return await leads.call("LeadService/CreateLead", leads_pb2.CreateLeadRequest(lead=lead(**fields)), by=by)


async def test_a_new_lead_gets_a_name_a_journey_and_an_event(leads):
    made = await create(leads, email="Ana@Example.COM")
    assert made.name.startswith("leads/")
    assert made.journey_id
    assert made.etag == "1"
    assert made.email == "ana@example.com"
    assert await leads.events(made.name) == ["LeadCreated"]


async def test_a_lead_without_a_name_is_refused_with_the_field(leads):
    with pytest.raises(InvalidFields) as refused:
        await create(leads, display_name="")
    assert refused.value.violations[0][0] == "lead.display_name"


async def test_a_repeated_create_answers_the_first_result(leads):
    request = leads_pb2.CreateLeadRequest(lead=lead(), request_id=new_id())
    first = await leads.call("LeadService/CreateLead", request, by="users/root")
    again = await leads.call("LeadService/CreateLead", request, by="users/root")
    assert again == first


async def test_a_repeated_import_answers_the_first_result_though_it_changed_nothing_more(leads):
    key = {"system": "erp", "kind": "lead", "id": new_id()}
    request = leads_pb2.ImportLeadsRequest(leads=[lead(external_ids=[key])], request_id=new_id())
    first = await leads.call("LeadService/ImportLeads", request)
    assert await leads.call("LeadService/ImportLeads", request) == first


async def test_a_call_that_changed_nothing_does_not_change_what_others_did_since_when_repeated(leads):
    key = {"system": "erp", "kind": "lead", "id": new_id()}
    rows = [lead(external_ids=[key], display_name="As it was")]
    await leads.call("LeadService/ImportLeads", leads_pb2.ImportLeadsRequest(leads=rows))
    request = leads_pb2.ImportLeadsRequest(leads=rows, request_id=new_id())
    unchanged = await leads.call("LeadService/ImportLeads", request)
    rows[0].display_name = "As it is"
    await leads.call("LeadService/ImportLeads", leads_pb2.ImportLeadsRequest(leads=rows))
    assert await leads.call("LeadService/ImportLeads", request) == unchanged
    name = unchanged.results[0].lead
    found = await leads.call("LeadService/GetLead", leads_pb2.GetLeadRequest(name=name))
    assert found.display_name == "As it is"


async def test_the_same_request_id_with_other_content_is_refused(leads):
    request = leads_pb2.CreateLeadRequest(lead=lead(), request_id=new_id())
    await leads.call("LeadService/CreateLead", request, by="users/root")
    request.lead.display_name = "Somebody else"
    with pytest.raises(AlreadyExists):
        await leads.call("LeadService/CreateLead", request, by="users/root")


async def test_a_salesperson_does_not_see_a_colleagues_lead(leads):
    made = await create(leads, owner="users/boris")
    with pytest.raises(NotFound):
        await leads.call("LeadService/GetLead", leads_pb2.GetLeadRequest(name=made.name), by="users/ana")
    assert await leads.call("LeadService/GetLead", leads_pb2.GetLeadRequest(name=made.name), by="users/boris")


async def test_qualifying_needs_an_owner(leads):
    made = await create(leads)
    with pytest.raises(FailedPrecondition, match="OWNER"):
        await leads.call("LeadService/QualifyLead", leads_pb2.QualifyLeadRequest(name=made.name), by="users/root")


async def test_leads_are_given_in_turn_to_the_active_people_of_a_team(leads):
    owners = []
    for _ in range(4):
        made = await create(leads)
        request = leads_pb2.AssignLeadRequest(name=made.name, team="teams/north")
        owners.append((await leads.call("LeadService/AssignLead", request, by="users/root")).owner)
    assert sorted(owners[:2]) == ["users/ana", "users/boris"]
    assert owners[:2] == owners[2:]


async def test_a_page_continues_where_the_last_ended(leads):
    mine = [(await create(leads, by="users/root", channel="channels/paging")).name for _ in range(5)]
    request = leads_pb2.ListLeadsRequest(page_size=2, filter='channel = "channels/paging"')
    seen = []
    while True:
        page = await leads.call("LeadService/ListLeads", request, by="users/root")
        seen += [item.name for item in page.leads]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
        await create(leads, channel="channels/paging")
    assert seen == mine[::-1]


async def test_import_reports_each_row(leads):
    key = {"system": "old", "id": new_id()}
    rows = [
        lead(external_ids=[key], email="import@one.example"),
        lead(display_name=""),
        lead(email="import@one.example"),
        lead(external_ids=[key], email="import@one.example"),
    ]
    answer = await leads.call("LeadService/ImportLeads", leads_pb2.ImportLeadsRequest(leads=rows), by="users/root")
    outcomes = [leads_pb2.ImportLeadsResponse.Result.Outcome.Name(item.outcome) for item in answer.results]
    assert outcomes == ["CREATED", "REJECTED", "DUPLICATE", "UNCHANGED"]


async def test_nobody_without_a_token_gets_in(leads):
    with pytest.raises(CrmError) as refused:
        await leads.call("LeadService/ListLeads", leads_pb2.ListLeadsRequest(), token="")
    assert refused.value.code == "UNAUTHENTICATED"


@pytest.mark.parametrize("planned_for", ["force_custom_plan", "force_generic_plan"])
async def test_the_same_person_is_looked_up_by_an_index_however_many_leads_there_are(leads, planned_for):
    names = [column.name for column in tables.leads.columns]
    columns = ", ".join(f'"{name}"' for name in names)
    varied = {"id": "gen_random_uuid()", "email": "'p' || n || '@example.com'", "phone_digits": "n::text"}
    values = ", ".join(varied.get(name, f'"{name}"') for name in names)
    made = await create(leads)
    filled = f"INSERT INTO leads ({columns}) SELECT {values} FROM leads, generate_series(1, 20000) n WHERE id = $1"
    connection = await asyncpg.connect(leads.database.owner_url)
    try:
        await connection.execute(filled, made.name.removeprefix("leads/"))
        await connection.execute("ANALYZE leads")
        await connection.execute(f"SET plan_cache_mode = {planned_for}")
        asked = {"emails": [f"p{n}@example.com" for n in range(500)], "phones": [str(n) for n in range(500)]}
        given = ", ".join(map(literal, tables.SAME_PERSON.arguments(asked)))
        await connection.execute(f"PREPARE same_person AS {tables.SAME_PERSON.sql}")
        plan = await connection.fetch(f"EXPLAIN EXECUTE same_person({given})")
        told = "\n".join(row[0] for row in plan)
        assert "Seq Scan on leads" not in told
        assert "leads_email" in told
        assert "leads_phone_digits" in told
    finally:
        await connection.execute("DELETE FROM leads WHERE email LIKE 'p%@example.com'")
        await connection.close()


def literal(value) -> str:
    """As SQL; of lists and values that need no escapes."""
    return f"ARRAY[{', '.join(map(literal, value))}]" if isinstance(value, list) else repr(value)
