"""Guides name calls that there are, with fields that they take."""

import json
import re
import shlex
from urllib.parse import parse_qs

import pytest
from tree import ROOT

PAGE = ROOT / "docs/leads.md"
CALL = re.compile(r"^ +crm (GET|POST|PATCH) +(/\S+|'/\S+')(?: -d ('.*?'))?(?: +#.*)?$", re.MULTILINE)


def described() -> dict:
    return json.loads((ROOT / "gateway/openapi.json").read_text())


def calls() -> list[tuple[str, str, dict]]:
    found = CALL.findall(PAGE.read_text())
    return [(verb, path.strip("'"), json.loads(shlex.split(body)[0]) if body else {}) for verb, path, body in found]


def test_every_line_of_the_guide_that_is_a_call_is_read_as_one():
    lines = [line for line in PAGE.read_text().splitlines() if re.match(r" +crm [A-Z]", line)]
    assert len(lines) == len(calls()) > 20


@pytest.mark.parametrize(("verb", "path", "body"), calls(), ids=lambda part: str(part)[:60])
def test_a_call_of_the_guide_is_in_the_contract(verb, path, body):
    document = described()
    shapes = {re.sub(r"\{\w+\}", "{id}", known): verbs for known, verbs in document["paths"].items()}
    path, _, query = path.partition("?")
    operation = shapes[path][verb.lower()]
    taken = {one["name"] for one in operation.get("parameters", []) if one["in"] == "query"}
    assert set(parse_qs(query)) <= taken
    if body:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        assert set(body) <= set(schema["properties"])
