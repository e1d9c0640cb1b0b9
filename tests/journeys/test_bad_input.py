"""What wrong input gets, through the real gateway and the real services: a sentence, a field, and never a 500."""

import uuid

import httpx
import pytest
from chassis.values import new_id


@pytest.fixture(scope="module")
def api(suite):
    token = suite.client().stack.mint("users/admin")
    with httpx.Client(base_url=suite.url, headers={"authorization": f"Bearer {token}"}, timeout=15) as client:
        yield client


@pytest.fixture(scope="module")
def lead(api) -> dict:
    return api.post("/v1/leads", json={"displayName": "Ана Петрова", "owner": "users/admin"}).json()


def raw(api, body: bytes | str) -> httpx.Response:
    return api.post("/v1/leads", content=body, headers={"content-type": "application/json"})


def refused(answer: httpx.Response, status: int, field: str = "") -> dict:
    """Checks a problem document and returns it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    problem = answer.json()
    assert problem["status"] == status
    assert problem["reason"]
    if field:
        assert field in [violation["field"] for violation in problem["violations"]], problem
    return problem


@pytest.mark.parametrize(
    "body",
    ["", "{", "[]", '"text"', '{"displayName": }', "[" * 100_000, '{"displayName": "x"}}', '{"displayName": NaN}'],
)
def test_malformed_json_is_refused(api, body):
    refused(raw(api, body), 400)


def test_json_that_is_too_deep(api):
    refused(raw(api, '{"labels":' * 200 + "{}" + "}" * 200), 400)


def test_bad_utf_8_is_refused(api):
    refused(raw(api, b'{"displayName": "\xff\xfe"}'), 400)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"displayName": "x", "favouriteColour": "blue"}, "favouriteColour"),
        ({"displayName": 7}, "displayName"),
        ({}, "displayName"),
        ({"displayName": "x" * 201}, "displayName"),
        ({"displayName": "x", "email": "not an address"}, "email"),
        ({"displayName": "x", "phone": "call me"}, "phone"),
        ({"displayName": "x", "owner": "ana"}, "owner"),
        ({"displayName": "x", "owner": "users/nobody"}, "owner"),
        ({"displayName": "x", "journeyId": "mine"}, "journeyId"),
        ({"displayName": "x", "contactTime": "yesterday"}, "contactTime"),
        ({"displayName": "x", "contactTime": "2999-01-01T00:00:00Z"}, "contactTime"),
        ({"displayName": "a\u0000b"}, "displayName"),
    ],
)
def test_a_wrong_field_is_named(api, body, field):
    refused(api.post("/v1/leads", json=body), 400, field)


@pytest.mark.parametrize(
    "query",
    [
        "pageSize=-1",
        "pageSize=many",
        "pageToken=garbage",
        "filter=colour%20%3D%20blue",
        "filter=state%20%3D%20SLEEPING",
        "filter=state",
        "sortBy=name",
    ],
)
def test_a_wrong_list_request(api, query):
    refused(api.get(f"/v1/leads?{query}"), 400)


def test_a_bad_enum_value(api, lead):
    refused(api.post(f"/v1/{lead['name']}:logCall", json={"outcome": "SHOUTED"}), 400, "outcome")


def test_nobody_without_a_good_token(suite):
    for headers in ({}, {"authorization": "Bearer nonsense"}, {"authorization": "Basic YTpi"}):
        answer = httpx.get(f"{suite.url}/v1/leads", headers=headers)
        assert "www-authenticate" in answer.headers
        refused(answer, 401)


def test_what_is_not_there_is_not_found(api):
    for name in (f"leads/{new_id()}", "leads/nonsense", "leads/%00"):
        assert api.get(f"/v1/{name}").status_code in (400, 404)
    refused(api.get("/v1/nonsense"), 404)


def test_a_stale_etag(api, lead):
    api.patch(f"/v1/{lead['name']}", json={"note": "first"})
    refused(api.patch(f"/v1/{lead['name']}", json={"note": "second"}, headers={"if-match": '"1"'}), 409)


def test_a_duplicate_external_id_and_a_reused_key(api):
    body = {"displayName": "x", "externalIds": [{"system": "old", "id": str(uuid.uuid4())}]}
    assert api.post("/v1/leads", json=body).status_code == 200
    refused(api.post("/v1/leads", json=body), 409)
    key = {"idempotency-key": str(uuid.uuid4())}
    first = api.post("/v1/leads", json={"displayName": "y"}, headers=key).json()
    assert api.post("/v1/leads", json={"displayName": "y"}, headers=key).json() == first
    refused(api.post("/v1/leads", json={"displayName": "z"}, headers=key), 409)


def test_a_wrong_state_names_the_state(api, lead):
    problem = refused(api.post(f"/v1/{lead['name']}:convert", json={}), 400)
    assert "ASSIGNED" in problem["detail"] or "ASSIGNED" in str(problem["metadata"])


def test_a_body_that_is_too_large(api):
    refused(raw(api, b'{"displayName": "' + b"x" * 2_000_000 + b'"}'), 413)


def test_a_body_that_is_not_json(api):
    refused(api.post("/v1/leads", content="a=b", headers={"content-type": "text/plain"}), 415)


def test_the_wrong_method_is_told(api):
    refused(api.delete("/v1/leads"), 405)


def test_internal_methods_are_not_reached(api):
    for path in ("/v1/events:read", "/v1/insights:rebuild"):
        assert api.post(path, json={}).status_code in (404, 405)
