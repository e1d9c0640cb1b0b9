"""The flush: a record, its events and its request id are written in one statement, or nothing is."""

import asyncio
from collections import Counter

import pytest
from chassis.errors import Aborted, AlreadyExists, FailedPrecondition
from chassis.values import new_id
from crm.leads.v1 import leads_pb2
from lead_calls import a_channel, all_names, create, log_call, read, update


async def written(leads, lead) -> tuple[int, int, int]:
    """How many records, events and external ids this lead has."""
    lead_id = lead.name.removeprefix("leads/")
    rows = await leads.rows(
        "SELECT (SELECT count(*) FROM leads WHERE id = $1::uuid), (SELECT count(*) FROM outbox WHERE subject = $2),"
        " (SELECT count(*) FROM external_id WHERE record_id = $3::text)",
        lead_id,
        lead.name,
        lead_id,
    )
    return tuple(rows[0])


async def request_rows(leads, request_id: str) -> int:
    return (await leads.rows("SELECT count(*) FROM request WHERE id = $1::uuid", request_id))[0][0]


async def outbox_rows(leads) -> int:
    return (await leads.rows("SELECT count(*) FROM outbox"))[0][0]


async def test_a_create_is_one_statement_and_no_transaction_around_it(starting):
    leads = await starting(pool_size=2)
    ran: dict[str, list[str]] = {"one": [], "other": []}
    database = leads.process.context.database
    async with database.connection() as one, database.connection() as other:
        one.add_query_logger(lambda query: ran["one"].append(query.query))
        other.add_query_logger(lambda query: ran["other"].append(query.query))
    await create(leads, by="users/ana")  # from here on the caller is remembered
    for queries in ran.values():
        queries.clear()
    await create(leads, by="users/ana", request_id=new_id(), external_ids=[{"system": "old", "id": new_id()}])
    queries = next(queries for queries in ran.values() if any("INTO leads" in query for query in queries))
    at = next(number for number, query in enumerate(queries) if "INTO leads" in query)
    assert all(table in queries[at] for table in ("outbox", "external_id", "request"))
    assert not any(query.startswith("BEGIN") for query in queries[max(0, at - 1) : at])
    assert [query for query in (*ran["one"], *ran["other"]) if "leads" in query and "relay" not in query] == [
        queries[at]
    ]


async def test_a_fresh_create_writes_record_event_external_id_and_request(leads):
    request_id = new_id()
    lead = await create(leads, request_id=request_id, external_ids=[{"system": "old", "id": new_id()}])
    assert await written(leads, lead) == (1, 1, 1)
    assert await request_rows(leads, request_id) == 1


async def test_a_retried_create_answers_the_first_result_and_writes_nothing(leads):
    request_id = new_id()
    first = await create(leads, request_id=request_id)
    await log_call(leads, first.name)
    assert await create(leads, request_id=request_id) == first
    assert await written(leads, first) == (1, 2, 0)


async def test_concurrent_creates_with_one_request_id_make_one_record(leads):
    request_id, channel = new_id(), a_channel()
    answers = await asyncio.gather(*(create(leads, request_id=request_id, channel=channel) for _ in range(5)))
    assert all(answer == answers[0] for answer in answers)
    assert await all_names(leads, filter=f'channel = "{channel}"') == [answers[0].name]
    assert await written(leads, answers[0]) == (1, 1, 0)


async def test_a_request_id_reused_with_other_content_is_refused(leads):
    request_id = new_id()
    first = await create(leads, request_id=request_id)
    before = await outbox_rows(leads)
    with pytest.raises(AlreadyExists) as refused:
        await create(leads, request_id=request_id, note="another")
    assert refused.value.metadata["reason"] == "REQUEST_ID_REUSED"
    assert await outbox_rows(leads) == before
    assert await written(leads, first) == (1, 1, 0)


async def test_two_callers_may_use_the_same_request_id(leads):
    request_id = new_id()
    mine, theirs = await create(leads, request_id=request_id), await create(leads, "users/ana", request_id=request_id)
    assert mine.name != theirs.name


async def test_a_call_in_the_name_of_two_people_is_two_calls(leads):
    request_id, importer = new_id(), "serviceAccounts/importer"
    answers = [
        await create(leads, importer, acting_for=person, request_id=request_id)
        for person in ("users/ana", "users/chen")
    ]
    assert answers[0].name != answers[1].name


async def test_a_stale_etag_is_refused_and_writes_nothing(leads):
    lead = await create(leads)
    await update(leads, lead.name, note="first")
    with pytest.raises(Aborted) as refused:
        await update(leads, lead.name, etag=lead.etag, note="second")
    assert refused.value.metadata["reason"] == "STALE_ETAG"
    assert (await read(leads, lead.name)).note == "first"
    assert await leads.events(lead.name) == ["LeadCreated", "LeadUpdated"]


async def test_a_current_etag_is_accepted(leads):
    lead = await create(leads)
    changed = await update(leads, lead.name, etag=lead.etag, note="first")
    assert (changed.note, changed.etag) == ("first", "2")


async def test_of_two_updates_with_one_etag_one_is_refused(leads):
    for _ in range(5):
        lead = await create(leads)
        both = [update(leads, lead.name, etag=lead.etag, note=note) for note in ("one", "two")]
        answers = await asyncio.gather(*both, return_exceptions=True)
        assert Counter(isinstance(answer, Aborted) for answer in answers) == {True: 1, False: 1}
        assert await written(leads, lead) == (1, 2, 0)


async def test_without_an_etag_the_effects_of_concurrent_calls_all_stand(leads):
    for _ in range(5):
        lead = await create(leads)
        await asyncio.gather(*(log_call(leads, lead.name, note=note) for note in ("one", "two", "three")))
        assert (await read(leads, lead.name)).call_count == 3
        assert await leads.events(lead.name) == ["LeadCreated"] + ["LeadCalled"] * 3
        versions = await leads.rows("SELECT version FROM outbox WHERE subject = $1 ORDER BY version", lead.name)
        assert [row["version"] for row in versions] == [1, 2, 3, 4]


async def test_a_retried_update_has_its_effect_once(leads):
    lead, request_id = await create(leads), new_id()
    first = await log_call(leads, lead.name, etag=lead.etag, request_id=request_id)
    again = await log_call(leads, lead.name, etag=lead.etag, request_id=request_id)
    assert again == first
    assert (await read(leads, lead.name)).call_count == 1


async def test_concurrent_updates_with_one_request_id_have_their_effect_once(leads):
    lead, request_id = await create(leads), new_id()
    answers = await asyncio.gather(*(log_call(leads, lead.name, request_id=request_id) for _ in range(3)))
    assert [answer.call_count for answer in answers] == [1, 1, 1]
    assert await written(leads, lead) == (1, 2, 0)


async def test_a_repeated_call_that_would_now_be_an_error_gets_its_first_answer(leads):
    lead = await create(leads)
    request = leads_pb2.DisqualifyLeadRequest(name=lead.name, reason="no_budget", request_id=new_id())
    first = await leads.call("LeadService/DisqualifyLead", request)
    assert await leads.call("LeadService/DisqualifyLead", request) == first
    request.request_id = new_id()
    with pytest.raises(FailedPrecondition):
        await leads.call("LeadService/DisqualifyLead", request)


async def test_a_refused_create_leaves_no_trace_and_its_request_id_can_be_used(leads):
    key, request_id = [{"system": "old", "id": new_id()}], new_id()
    await create(leads, external_ids=key)
    before = await outbox_rows(leads)
    with pytest.raises(AlreadyExists) as refused:
        await create(leads, external_ids=key, request_id=request_id)
    assert refused.value.metadata["reason"] == "EXTERNAL_ID_TAKEN"
    assert await outbox_rows(leads) == before
    assert await request_rows(leads, request_id) == 0
    assert await create(leads, request_id=request_id)


async def test_external_ids_follow_an_update_both_ways(leads):
    one, two = ({"system": "old", "kind": "lead", "id": new_id()} for _ in range(2))
    lead = await create(leads, external_ids=[one])
    await update(leads, lead.name, external_ids=[two])
    assert await all_names(leads, filter=f'external_ids : "old/lead/{two["id"]}"') == [lead.name]
    assert await all_names(leads, filter=f'external_ids : "old/lead/{one["id"]}"') == []
    assert await create(leads, external_ids=[one])


async def test_an_update_that_changes_nothing_writes_nothing(leads):
    lead = await create(leads, note="same")
    assert (await update(leads, lead.name, note="same")).etag == lead.etag
    assert await written(leads, lead) == (1, 1, 0)


async def test_imports_of_the_same_rows_in_opposite_order_do_not_lock_each_other_out(leads):
    keys = [new_id() for _ in range(300)]
    rows = [leads_pb2.Lead(display_name=key, external_ids=[{"system": "twice", "id": key}]) for key in keys]
    requests = [leads_pb2.ImportLeadsRequest(leads=order) for order in (rows, rows[::-1], rows[150:] + rows[:150])]
    answers = await asyncio.gather(
        *(leads.call("LeadService/ImportLeads", request, timeout=30) for request in requests)
    )
    created = [item for answer in answers for item in answer.results if item.outcome == item.CREATED]
    assert len(created) == len(keys)
    found = await leads.rows("SELECT count(*) FROM external_id WHERE system = 'twice'")
    assert found[0][0] == len(keys)


async def test_updates_of_the_same_rows_in_opposite_order_all_stand(leads):
    keys = [new_id() for _ in range(300)]
    rows = [leads_pb2.Lead(display_name=key, external_ids=[{"system": "again", "id": key}]) for key in keys]
    await leads.call("LeadService/ImportLeads", leads_pb2.ImportLeadsRequest(leads=rows))

    def changed(note: str, order: int):
        more = [leads_pb2.Lead(display_name=row.display_name, external_ids=row.external_ids, note=note) for row in rows]
        return leads.call("LeadService/ImportLeads", leads_pb2.ImportLeadsRequest(leads=more[::order]), timeout=30)

    answers = await asyncio.gather(changed("one", 1), changed("two", -1))
    assert all(item.outcome == item.UPDATED for answer in answers for item in answer.results)
