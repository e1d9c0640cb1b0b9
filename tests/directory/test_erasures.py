"""Erasures: a durable saga over the services there are, with a receipt that names nobody."""

import json

import pytest
from chassis.errors import FailedPrecondition, InvalidFields, NotFound, PermissionDenied, Unavailable
from chassis.values import new_id
from crm.directory.v1 import directory_pb2 as pb
from directory_calls import OFFICER, call, completed, erasing_suite
from google.protobuf.json_format import MessageToJson
from harness import until
from lead_calls import create, read

State = pb.Erasure.State
NAME, EMAIL = "Линь Conceição", "lin@rosa.example"


@pytest.fixture(scope="module")
async def suite(issuer):
    async for running in erasing_suite(issuer):
        yield running


async def known(suite):
    return await create(suite["leads"], display_name=NAME, email=EMAIL)


async def test_an_erasure_ends_with_a_receipt_that_names_nobody(suite):
    lead = await known(suite)
    made = await call(suite, "CreateErasure", erasure={"records": [lead.name], "names": ["Лин К."], "emails": [EMAIL]})
    erasure = await completed(suite, made.name)
    assert lead.name in erasure.found
    assert [receipt.service for receipt in erasure.receipts] == ["directory", "leads"]
    assert "sales" in erasure.absent_services
    assert erasure.receipts[1].counts.records >= 1
    assert erasure.requester == OFFICER.name
    assert (await read(suite["leads"], lead.name)).display_name == "(erased)"
    said = MessageToJson(erasure, ensure_ascii=False)
    for table in ("erasures", "outbox", "saga", "request", "audit_entry"):
        said += json.dumps(
            [row["said"] for row in await suite["directory"].rows(f"SELECT t::text AS said FROM {table} t")]
        )
    for word in (NAME, EMAIL, "Лин К.", EMAIL.encode().hex(), NAME.encode().hex()):
        assert word not in said
    listed = await call(suite, "ListErasures", filter="state = COMPLETED")
    assert erasure.name in [one.name for one in listed.erasures]
    assert (await suite["directory"].events(erasure.name))[-1] == "ErasureCompleted"


async def test_a_repeated_call_is_the_same_erasure(suite):
    lead, request_id = await known(suite), new_id()
    first = await call(suite, "CreateErasure", erasure={"records": [lead.name]}, request_id=request_id)
    again = await call(suite, "CreateErasure", erasure={"records": [lead.name]}, request_id=request_id)
    assert again.name == first.name


async def test_a_preview_stores_nothing(suite):
    lead = await known(suite)
    shares = await create(suite["leads"], display_name="Петър Колев", email=EMAIL)
    mentions = await create(suite["leads"], display_name="Rosa", note=f"knows {NAME}", journey_id=lead.journey_id)
    before = await suite["directory"].rows("SELECT count(*) AS n FROM erasures")
    preview = await call(suite, "CreateErasure", erasure={"records": [lead.name]}, validate_only=True)
    assert (list(preview.found), preview.name) == ([lead.name], "")
    assert shares.name in preview.similar
    assert list(preview.touched) == [mentions.name]
    assert preview.receipts[1].counts.records == 2
    assert await suite["directory"].rows("SELECT count(*) AS n FROM erasures") == before
    assert (await read(suite["leads"], lead.name)).display_name == NAME


async def test_a_finished_erasure_is_applied_again_to_what_came_back(suite):
    lead = await known(suite)
    made = await call(suite, "CreateErasure", erasure={"records": [lead.name]})
    await completed(suite, made.name)
    await suite["leads"].rows("UPDATE leads SET display_name = $1, note = $1 WHERE id = $2::uuid", NAME, lead.name[6:])
    again = await call(suite, "ReapplyErasure", name=made.name)
    await completed(suite, again.name)
    left = await read(suite["leads"], lead.name)
    assert (left.display_name, left.note) == ("(erased)", "")


async def test_an_erasure_that_a_restore_lost_is_applied_by_its_receipt(suite):
    lead = await known(suite)
    made = await call(suite, "CreateErasure", erasure={"records": [lead.name]})
    receipt = await completed(suite, made.name)
    await suite["directory"].rows("DELETE FROM erasures WHERE id = $1::uuid", made.name.split("/")[1])
    await suite["leads"].rows("UPDATE leads SET company = $1 WHERE id = $2::uuid", f"Bei {NAME}", lead.name[6:])
    again = await call(suite, "CreateErasure", erasure={"person": receipt.person})
    await completed(suite, again.name)
    assert (await read(suite["leads"], lead.name)).company == "Bei (erased)"


async def test_a_running_erasure_is_not_begun_again(suite):
    lead = await known(suite)
    leads = suite["leads"]
    await leads.rows(
        "INSERT INTO saga (id, kind, subject, actor, traceparent, data, step, attempts, error, due_time, create_time)"
        " VALUES ($1, 'lead_conversion', $2, '', '', '{}', 0, 0, '', now() + interval '1 day', now())",
        new_id(), lead.name,
    )  # fmt: skip
    made = await call(suite, "CreateErasure", erasure={"records": [lead.name]})
    assert made.state == State.RUNNING
    with pytest.raises(FailedPrecondition):
        await call(suite, "ReapplyErasure", name=made.name)

    async def waits():
        return (await call(suite, "GetErasure", name=made.name)).waiting_for

    assert "PersonBusy" in await until(waits, "it says what it waits for") or "saga" in await waits()
    await leads.rows("UPDATE saga SET due_time = NULL")
    await completed(suite, made.name)


async def test_an_export_is_one_document(suite):
    lead = await known(suite)
    answer = await call(suite, "ExportPersonalData", records=[lead.name])
    document = json.loads(answer.data)
    assert answer.content_type == "application/json"
    assert document["services"]["leads"]["records"][0]["displayName"] == NAME
    entries = await suite["directory"].rows("SELECT * FROM audit_entry WHERE kind = 'EXPORTED'")
    assert entries[-1]["subject"] == lead.name
    assert NAME not in entries[-1]["details"]


@pytest.mark.parametrize(
    "asked", [{}, {"records": ["teams/sales"]}, {"emails": ["nobody"]}, {"names": ["Li"], "emails": [EMAIL]}]
)
async def test_an_erasure_needs_somebody_it_can_find(suite, asked):
    with pytest.raises(InvalidFields):
        await call(suite, "CreateErasure", erasure=asked)


async def test_nobody_is_erased_whom_no_service_knows(suite):
    with pytest.raises(NotFound):
        await call(suite, "CreateErasure", erasure={"records": [f"leads/{new_id()}"]})


async def test_an_export_about_nobody_says_that_nothing_is_kept(suite):
    document = json.loads((await call(suite, "ExportPersonalData", emails=["nobody@rosa.example"])).data)
    assert document["records"] == []
    assert document["services"]["leads"] == {"records": [], "history": [], "audit": []}


async def test_nothing_begins_while_a_service_cannot_be_asked(suite, monkeypatch):
    lead = await known(suite)
    monkeypatch.setenv("UPSTREAM_SALES", "127.0.0.1:1")
    with pytest.raises(Unavailable):
        await call(suite, "CreateErasure", erasure={"records": [lead.name]})


@pytest.mark.parametrize("by", ["users/ana", "users/mira", "serviceAccounts/importer"])
async def test_only_the_privacy_officer_erases_and_exports(suite, by):
    for method, fields in (
        ("CreateErasure", {"erasure": {"emails": [EMAIL]}}),
        ("ExportPersonalData", {"emails": [EMAIL]}),
        ("ListErasures", {}),
    ):
        with pytest.raises(PermissionDenied):
            await call(suite, method, by=by, **fields)
