"""Whatever a caller sends: an error of the tree with the field's path, never INTERNAL, never a half-done change."""

import grpc
import pytest
from chassis.errors import CrmError, InvalidFields
from chassis.statuses import from_call
from chassis.values import new_id
from crm.leads.v1 import leads_pb2
from hypothesis import given, settings
from hypothesis import strategies as st
from lead_calls import create, listed, log_call, read, update

TOLD = {"INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "FAILED_PRECONDITION"}


def check_told(error: CrmError, codes: set[str] = TOLD) -> None:
    assert error.code in codes


async def outbox_rows(leads) -> int:
    return (await leads.rows("SELECT count(*) FROM outbox"))[0][0]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"display_name": ""}, "lead.display_name"),
        ({"display_name": "x" * 201}, "lead.display_name"),
        ({"email": "no address"}, "lead.email"),
        ({"phone": "call me"}, "lead.phone"),
        ({"channel": "Web Site"}, "lead.channel"),
        ({"owner": "ana"}, "lead.owner"),
        ({"owner": "users/nobody"}, "lead.owner"),
        ({"journey_id": "x"}, "lead.journey_id"),
        ({"note": "x" * 10_001}, "lead.note"),
        ({"labels": {"": "x"}}, "lead.labels[]"),
        ({"labels": {str(number): "x" for number in range(51)}}, "lead.labels"),
        ({"external_ids": [{"system": "a", "id": str(number)} for number in range(21)]}, "lead.external_ids"),
        ({"external_ids": [{"system": "", "id": ""}]}, "lead.external_ids[0].system"),
        ({"contact_time": {"seconds": 10**12}}, "contact_time"),
        ({"contact_time": {"seconds": 4_000_000_000}}, "lead.contact_time"),
        ({"note": "a\0b"}, "note"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_wrong_field_is_told_by_its_path_and_nothing_is_written(leads, fields, path):
    before = await outbox_rows(leads)
    with pytest.raises(InvalidFields) as refused:
        await create(leads, **fields)
    assert path in [field for field, _ in refused.value.violations]
    assert await outbox_rows(leads) == before


async def test_a_request_without_its_record_is_told(leads):
    with pytest.raises(InvalidFields) as refused:
        await leads.call("LeadService/CreateLead", leads_pb2.CreateLeadRequest())
    assert refused.value.violations[0][0] == "lead"


async def test_an_enum_number_that_is_none_is_told(leads):
    lead = await create(leads)
    with pytest.raises(InvalidFields) as refused:
        await log_call(leads, lead.name, outcome=77)
    assert refused.value.violations[0][0] == "outcome"


async def test_a_request_id_that_is_no_uuid_is_told(leads):
    with pytest.raises(InvalidFields) as refused:
        await create(leads, request_id="again")
    assert refused.value.violations[0][0] == "request_id"


async def test_an_update_is_judged_by_the_fields_it_changes(leads):
    lead = await create(leads)
    assert (await update(leads, lead.name, note="new")).note == "new"
    with pytest.raises(InvalidFields) as refused:
        await update(leads, lead.name, display_name="")
    assert refused.value.violations[0][0] == "lead.display_name"


async def test_an_update_of_an_unknown_field_is_told(leads):
    lead = await create(leads)
    request = leads_pb2.UpdateLeadRequest(lead={"name": lead.name}, update_mask={"paths": ["shoe_size"]})
    with pytest.raises(InvalidFields) as refused:
        await leads.call("LeadService/UpdateLead", request)
    assert refused.value.violations[0][0] == "lead.shoe_size"


async def test_the_same_external_id_twice_in_one_record_counts_once(leads):
    key = {"system": "old", "id": new_id()}
    await create(leads, external_ids=[key, key])
    found = await leads.rows("SELECT count(*) FROM external_id WHERE key = $1", key["id"])
    assert found[0][0] == 1


async def test_bytes_that_are_no_message_are_refused(leads):
    call = leads.channel.unary_unary("/crm.leads.v1.LeadService/CreateLead")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call(b"\xff\xff\xff", metadata=[("authorization", f"Bearer {leads.issuer.token('users/root')}")])
    assert from_call(refused.value).metadata["reason"] == "NOT_THIS_MESSAGE"


async def test_an_unknown_method_is_unimplemented(leads):
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await leads.channel.unary_unary("/crm.leads.v1.LeadService/DeleteLead")(b"")
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_message_of_nine_megabytes_is_too_large(leads):
    with pytest.raises(CrmError) as refused:
        await create(leads, note="x" * 9 * 1024 * 1024)
    assert refused.value.code == "RESOURCE_EXHAUSTED"


@given(
    st.sampled_from(
        ["display_name", "company", "email", "phone", "channel", "landing_page", "note", "owner", "journey_id"]
    ),
    st.text(max_size=300),
)
@settings(max_examples=100, deadline=None)
async def test_any_text_in_any_field_is_stored_or_told(leads, field, text):
    try:
        lead = await create(leads, **{field: text})
    except CrmError as error:
        check_told(error)
    else:
        assert await read(leads, lead.name) == lead


@given(st.text(max_size=80))
@settings(max_examples=60, deadline=None)
async def test_any_name_is_found_or_told(leads, text):
    for name in (text, f"leads/{text}"):
        with pytest.raises(CrmError) as refused:
            await read(leads, name)
        assert refused.value.code in TOLD


@given(st.text(max_size=60), st.integers(-(2**31), 2**31 - 1))
@settings(max_examples=60, deadline=None)
async def test_any_page_is_listed_or_told(leads, token, size):
    try:
        await listed(leads, page_token=token, page_size=size)
    except CrmError as error:
        check_told(error, {"INVALID_ARGUMENT"})


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "display_name": st.text(max_size=10),
            "email": st.just("ana@example.com") | st.text(max_size=9),
            "external_ids": st.lists(
                st.fixed_dictionaries({"system": st.text(max_size=5), "id": st.text(max_size=5)}), max_size=3
            ),
            "contact_time": st.fixed_dictionaries({"seconds": st.integers(-(2**63), 2**63 - 1)}),
            "labels": st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
        },
    )
)
@settings(max_examples=60, deadline=None)
async def test_any_row_of_an_import_is_taken_or_rejected_with_its_reason(leads, fields):
    good = leads_pb2.Lead(display_name="Good")
    request = leads_pb2.ImportLeadsRequest(leads=[leads_pb2.Lead(**fields), good])
    row, last = (await leads.call("LeadService/ImportLeads", request)).results
    assert last.outcome == last.CREATED
    assert (row.outcome == row.REJECTED) == bool(row.reason)


async def test_an_error_of_the_wire_is_understood_as_one_of_the_tree():
    error = grpc.aio.AioRpcError(grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.aio.Metadata(), grpc.aio.Metadata(), "full")
    assert from_call(error).code == "RESOURCE_EXHAUSTED"
