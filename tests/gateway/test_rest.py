"""Routes, bodies, queries and headers: what a service receives for what a caller sends over HTTP."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from google.protobuf import json_format

if TYPE_CHECKING:
    from conftest import Running

pytestmark = pytest.mark.asyncio(loop_scope="session")
LEAD = "/v1/leads/0190b5a0-7c3e-7000-8000-000000000001"


def request(gateway: Running) -> dict[str, Any]:
    """The last request as proto3 JSON with the protos' own names."""
    return json_format.MessageToDict(gateway.world.last.request, preserving_proto_field_name=True)


def refused(answer: httpx.Response, status: int, field: str | None = None) -> dict[str, Any]:
    problem = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), problem
    assert problem["status"] == status
    assert problem["traceId"] == answer.headers["x-trace-id"]
    if field is not None:
        assert [violation["field"] for violation in problem["violations"]] == [field]
    return problem


async def test_a_body_that_is_a_field_fills_that_field(gateway: Running) -> None:
    gateway.world.answer("CreateLead", name="leads/1", display_name="Ana")
    answer = await gateway.http.post(
        "/v1/leads", json={"displayName": "Ana", "externalIds": [{"system": "erp", "id": "7"}]}
    )
    assert answer.status_code == 200
    assert answer.json()["name"] == "leads/1"
    assert request(gateway) == {"lead": {"display_name": "Ana", "external_ids": [{"system": "erp", "id": "7"}]}}


async def test_a_verb_takes_the_name_from_the_path_and_the_rest_from_the_body(gateway: Running) -> None:
    await gateway.http.post(f"{LEAD}:qualify", json={"note": "budget: yes"})
    assert gateway.world.last.method == "QualifyLead"
    assert request(gateway) == {"name": LEAD[4:], "note": "budget: yes"}


async def test_a_verb_without_a_body_is_a_request_with_nothing_but_the_name(gateway: Running) -> None:
    assert (await gateway.http.post(f"{LEAD}:archive")).status_code == 200
    assert request(gateway) == {"name": LEAD[4:]}


async def test_a_collection_verb_is_found(gateway: Running) -> None:
    await gateway.http.post("/v1/leads:import", json={"leads": [{"displayName": "a"}]})
    assert gateway.world.last.method == "ImportLeads"


async def test_a_nested_path_variable_holds_all_its_segments(gateway: Running) -> None:
    await gateway.http.get("/v1/customers/17/timeline")
    assert request(gateway) == {"parent": "customers/17"}
    await gateway.http.put("/v1/shelves/a/boxes/b/everything", json={})
    assert gateway.world.last.request.parent == "shelves/a/boxes/b"


async def test_every_additional_binding_is_a_route_of_the_same_method(gateway: Running) -> None:
    for method, path, body in (
        ("POST", "/v1/everything:echo", {}),
        ("GET", "/v1/everything", None),
        ("PUT", "/v1/shelves/a/boxes/b/everything", {}),
        ("POST", "/v1/everything:texts", []),
    ):
        assert (await gateway.http.request(method, path, json=body)).status_code == 200
    assert [seen.method for seen in gateway.world.seen] == ["Echo"] * 4


async def test_a_body_may_be_a_list(gateway: Running) -> None:
    await gateway.http.post("/v1/everything:texts", json=["a", "b"])
    assert request(gateway) == {"texts": ["a", "b"]}
    refused(await gateway.http.post("/v1/everything:texts", json=["a", 1]), 400, "[1]")


async def test_a_literal_path_beats_a_variable_one(gateway: Running) -> None:
    await gateway.http.get("/v1/shelves/newest")
    await gateway.http.get("/v1/shelves/other")
    assert [seen.method for seen in gateway.world.seen] == ["GetNewestShelf", "GetShelf"]


async def test_a_file_is_answered_as_raw_bytes_with_its_content_type(gateway: Running) -> None:
    gateway.world.answer("GetFile", data=b"%PDF-1.7 \x00\xff", content_type="application/pdf")
    answer = await gateway.http.get("/v1/files/a/raw")
    assert (answer.content, answer.headers["content-type"]) == (b"%PDF-1.7 \x00\xff", "application/pdf")


async def test_a_path_is_percent_decoded_once(gateway: Running) -> None:
    await gateway.http.get("/v1/leads/%C3%A9%3Ax%2525")
    assert request(gateway) == {"name": "leads/é:x%25"}


@pytest.mark.parametrize(
    "path", ["/v1/leads/a%2Fb", "/v1%2Fleads", "/v1/leads/", "/v1/leads//", "/v1/nope", "/v1/", "/v2/leads", "/nope"]
)
async def test_an_unknown_path_is_a_404(gateway: Running, path: str) -> None:
    refused(await gateway.http.get(path), 404)


async def test_a_path_that_is_not_utf8_is_a_400(gateway: Running) -> None:
    refused(await gateway.http.get("/v1/leads/%ff"), 400)


async def test_an_unknown_verb_is_a_404(gateway: Running) -> None:
    refused(await gateway.http.post(f"{LEAD}:fly"), 404)


@pytest.mark.parametrize(("method", "path", "allowed"), [
    ("DELETE", LEAD, "GET, PATCH"), ("OPTIONS", "/v1/leads", "GET, POST"), ("GET", f"{LEAD}:qualify", "POST"),
    ("POST", "/docs", "GET"),
])  # fmt: skip
async def test_a_wrong_method_is_a_405_that_says_which_are_right(
    gateway: Running, method: str, path: str, allowed: str
) -> None:
    answer = await gateway.http.request(method, path)
    refused(answer, 405)
    assert answer.headers["allow"] == allowed


async def test_an_internal_rpc_has_no_route_even_with_a_rule(gateway: Running) -> None:
    refused(await gateway.http.get("/v1/secrets/a"), 404)
    assert gateway.world.seen == []


async def test_head_answers_like_get_without_a_body(gateway: Running) -> None:
    answer = await gateway.http.head(LEAD)
    assert (answer.status_code, answer.content) == (200, b"")


# Queries


async def test_query_parameters_are_read_in_both_spellings(gateway: Running) -> None:
    await gateway.http.get("/v1/leads?pageSize=20&show_archived=true&filter=state%20%3D%20NEW")
    assert request(gateway) == {"page_size": 20, "show_archived": True, "filter": "state = NEW"}


async def test_a_query_reaches_nested_repeated_enum_wrapper_mask_and_time_fields(gateway: Running) -> None:
    await gateway.http.get(
        "/v1/everything?filter.atLeast=9007199254740993&filter.start_time=2026-01-31T09:30:00Z&filter.onlyNew=true"
        "&colors=RED&colors=7&really=false&texts=a&texts=b&readMask=plainText,inner.text"
    )
    assert request(gateway) == {
        "filter": {"at_least": "9007199254740993", "start_time": "2026-01-31T09:30:00Z", "only_new": True},
        "colors": ["RED", "DARK_BLUE"],
        "really": False,
        "texts": ["a", "b"],
        "read_mask": "plainText,inner.text",
    }


@pytest.mark.parametrize(("query", "field"), [
    ("nope=1", "nope"), ("pageSize=x", "pageSize"), ("pageSize=99999999999", "pageSize"),
    ("showArchived=1", "showArchived"),
    ("pageSize=1&page_size=2", "page_size"), ("filter.x=1", "filter.x"), ("pageToken=%ff", ""),
    ("&".join(["pageSize=1"] * 101), ""),
])  # fmt: skip
async def test_a_wrong_query_is_a_400_that_names_the_parameter(gateway: Running, query: str, field: str) -> None:
    refused(await gateway.http.get(f"/v1/leads?{query}"), 400, field)


async def test_a_field_that_comes_in_the_body_is_no_query_parameter(gateway: Running) -> None:
    refused(await gateway.http.post(f"{LEAD}:qualify?note=x", json={}), 400, "note")


# Bodies


@pytest.mark.parametrize(("body", "field"), [
    (b"{", ""), (b"[]", ""), (b'{"displayName": "\xff"}', ""), (b'{"nope": 1}', "nope"),
    (b'{"displayName": 1}', "displayName"),
    (b'{"externalIds": [{}, {"id": 2}]}', "externalIds[1].id"), (b'{"state": "GREEN"}', "state"), (b"[" * 100_000, ""),
    (b'{"a":' * 100 + b"1" + b"}" * 100, ""), (b'{"callCount": 1e400}', ""), (b'{"callCount": NaN}', ""),
    (b'{"contactTime": "now"}', "contactTime"), (b'{"email": "a", "email": "b"}', "email"),
    (b'{"note": "\\ud800"}', ""),
])  # fmt: skip
async def test_a_wrong_body_is_a_400_with_the_fields_path(gateway: Running, body: bytes, field: str) -> None:
    answer = await gateway.http.post("/v1/leads", content=body, headers={"content-type": "application/json"})
    refused(answer, 400, field)
    assert gateway.world.seen == []


async def test_a_body_that_contradicts_the_path_is_refused(gateway: Running) -> None:
    refused(await gateway.http.patch(LEAD, json={"name": "leads/other"}), 400, "name")
    assert (await gateway.http.patch(LEAD, json={"name": LEAD[4:]})).status_code == 200


@pytest.mark.parametrize(
    ("kind", "status"),
    [("application/json; charset=utf-8", 200), ("application/merge-patch+json", 200), ("text/plain", 415), (None, 415)],
)
async def test_only_json_bodies_are_read(gateway: Running, kind: str | None, status: int) -> None:
    answer = await gateway.http.post("/v1/leads", content=b"{}", headers={"content-type": kind} if kind else {})
    assert answer.status_code == status


async def test_a_compressed_body_is_a_415(gateway: Running) -> None:
    refused(await gateway.http.post("/v1/leads", json={}, headers={"content-encoding": "gzip"}), 415)


# Updates


async def test_a_patch_without_a_mask_changes_the_fields_that_were_sent(gateway: Running) -> None:
    await gateway.http.patch(LEAD, json={"displayName": "B", "company": "", "contactTime": None, "etag": "3"})
    assert list(gateway.world.last.request.update_mask.paths) == ["display_name", "company", "contact_time"]
    assert not gateway.world.last.request.lead.HasField("contact_time")


async def test_a_patch_of_what_was_read_leaves_output_fields_out_of_the_mask(gateway: Running) -> None:
    await gateway.http.patch(LEAD, json={"state": "NEW", "updateTime": "2026-01-31T09:30:00Z", "note": "x"})
    assert list(gateway.world.last.request.update_mask.paths) == ["note"]


async def test_a_mask_in_the_query_is_taken_as_it_is(gateway: Running) -> None:
    await gateway.http.patch(f"{LEAD}?updateMask=displayName,landing_page", json={"displayName": "B", "note": "x"})
    assert list(gateway.world.last.request.update_mask.paths) == ["display_name", "landing_page"]


async def test_a_create_has_no_mask(gateway: Running) -> None:
    await gateway.http.post("/v1/leads", json={"displayName": "B"})
    assert "update_mask" not in request(gateway)


# Headers


async def test_an_answer_with_an_etag_has_the_header_and_spares_a_second_body(gateway: Running) -> None:
    gateway.world.answer("GetLead", name="leads/1", etag="7")
    answer = await gateway.http.get(LEAD)
    assert answer.headers["etag"] == '"7"'
    again = await gateway.http.get(LEAD, headers={"if-none-match": 'W/"5", "7"'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", '"7"')
    assert (await gateway.http.get(LEAD, headers={"if-none-match": '"6"'})).status_code == 200


async def test_a_list_has_no_etag(gateway: Running) -> None:
    assert "etag" not in (await gateway.http.get("/v1/leads")).headers


async def test_if_match_becomes_the_requests_etag(gateway: Running) -> None:
    await gateway.http.post(f"{LEAD}:qualify", headers={"if-match": '"7"'})
    assert request(gateway)["etag"] == "7"
    await gateway.http.patch(LEAD, json={"note": "x"}, headers={"if-match": '"8"'})
    assert request(gateway)["lead"]["etag"] == "8"
    assert list(gateway.world.last.request.update_mask.paths) == ["note"]
    await gateway.http.post(f"{LEAD}:qualify", headers={"if-match": "*"})
    assert "etag" not in request(gateway)


@pytest.mark.parametrize("value", ["7", 'W/"7"', '"7", "8"', '""'])
async def test_an_if_match_that_is_not_one_strong_tag_is_refused(gateway: Running, value: str) -> None:
    refused(await gateway.http.post(f"{LEAD}:qualify", headers={"if-match": value}), 400, "If-Match")


async def test_an_if_match_that_nothing_would_check_is_refused(gateway: Running) -> None:
    refused(await gateway.http.post("/v1/leads", json={}, headers={"if-match": '"7"'}), 400, "If-Match")
    answer = await gateway.http.post(f"{LEAD}:qualify", json={"etag": "6"}, headers={"if-match": '"7"'})
    refused(answer, 400, "If-Match")


async def test_an_idempotency_key_becomes_the_request_id(gateway: Running) -> None:
    key = str(uuid.uuid4())
    await gateway.http.post("/v1/leads", json={}, headers={"idempotency-key": key.upper()})
    assert gateway.world.last.request.request_id == key
    ids = set()
    for _ in range(2):
        await gateway.http.post("/v1/leads", json={}, headers={"idempotency-key": "order 17"})
        ids.add(uuid.UUID(gateway.world.last.request.request_id))
    assert len(ids) == 1


async def test_an_idempotency_key_that_contradicts_the_body_or_is_no_text_is_refused(gateway: Running) -> None:
    body = {"requestId": str(uuid.uuid4())}
    for key in (str(uuid.uuid4()), "x" * 256, b"\xff"):
        answer = await gateway.http.post(f"{LEAD}:qualify", json=body, headers={"idempotency-key": key})
        refused(answer, 400, "Idempotency-Key")


async def test_the_caller_and_its_actor_are_passed_on(gateway: Running) -> None:
    await gateway.http.get(LEAD, headers={"authorization": "Bearer abc", "crm-actor": "users/ana", "cookie": "x=y"})
    metadata = gateway.world.last.metadata
    assert (metadata["authorization"], metadata["crm-actor"]) == ("Bearer abc", "users/ana")
    assert "cookie" not in metadata


async def test_a_token_or_actor_that_is_not_ascii_never_reaches_a_service(gateway: Running) -> None:
    refused(await gateway.http.get(LEAD, headers={"authorization": b"Bearer \xe9"}), 401)
    refused(await gateway.http.get(LEAD, headers={"crm-actor": b"users/\xe9"}), 400, "Crm-Actor")


async def test_the_callers_trace_is_continued_and_named_in_the_answer(gateway: Running) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    answer = await gateway.http.get(LEAD, headers={"traceparent": f"00-{trace}-b7ad6b7169203331-00"})
    passed = gateway.world.last.metadata["traceparent"]
    assert answer.headers["traceparent"].split("-")[1] == answer.headers["x-trace-id"] == passed.split("-")[1]
    assert answer.headers["x-trace-id"] == trace


@pytest.mark.parametrize("value", ["", "junk", "00-" + "0" * 32 + "-b7ad6b7169203331-01", "00-x-y-z"])
async def test_a_traceparent_that_is_none_begins_a_new_trace(gateway: Running, value: str) -> None:
    answer = await gateway.http.get(LEAD, headers={"traceparent": value})
    assert int(answer.headers["x-trace-id"], 16) > 0
    assert gateway.world.last.metadata["traceparent"] == answer.headers["traceparent"]


async def test_who_does_not_say_who_he_is_is_refused_before_anything_is_read(gateway: Running) -> None:
    bad = {"authorization": "", "if-match": "no tag", "content-type": "text/plain"}
    answer = refused(await gateway.http.patch(LEAD, headers=bad, content=b"no json"), 401)
    assert answer["detail"].startswith("the header Authorization is missing")
    assert gateway.world.seen == []
