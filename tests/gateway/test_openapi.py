"""The OpenAPI document, the pages, and the command that writes the document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from gateway.contract import Contract
from gateway.settings import descriptors

from gateway import openapi

if TYPE_CHECKING:
    from conftest import Running


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi.document(Contract(descriptors()))


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from references(item)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def test_every_reference_leads_to_a_component(document: dict[str, Any]) -> None:
    for reference in references(document):
        node: Any = document
        for step in reference.removeprefix("#/").split("/"):
            assert step in node, reference
            node = node[step]
        assert node


def test_every_operation_is_complete(document: dict[str, Any]) -> None:
    ids = []
    tags = {tag["name"] for tag in document["tags"]}
    for path, method, operation in operations(document):
        ids.append(operation["operationId"])
        assert method in ("get", "post", "patch", "put", "delete")
        assert operation["description"], path
        assert operation["summary"], path
        assert set(operation["tags"]) <= tags
        in_path = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"}
        assert in_path == {part[1:].split("}")[0] for part in path.split("/") if part.startswith("{")}
        keys = [(parameter["in"], parameter["name"]) for parameter in operation["parameters"]]
        assert len(keys) == len(set(keys)), path
        assert {"400", "401", "404", "409", "503"} <= set(operation["responses"])
        assert len({"200", "302"} & set(operation["responses"])) == 1
    assert len(ids) == len(set(ids))


def test_every_public_rule_is_an_operation(document: dict[str, Any]) -> None:
    rules = [rule for rpc in Contract(descriptors()).public for rule in rpc.rules]
    assert len(list(operations(document))) == len(rules)


def test_fields_have_their_comments_behaviour_and_limits(document: dict[str, Any]) -> None:
    lead = document["components"]["schemas"]["crm.leads.v1.Lead"]
    assert lead["required"] == ["displayName"]
    assert lead["properties"]["displayName"] == {
        "type": "string", "minLength": 1, "maxLength": 200,
        "description": "The person's or company's name as people read it.",
    }  # fmt: skip
    assert lead["properties"]["createTime"]["readOnly"] is True
    assert lead["properties"]["externalIds"]["maxItems"] == 20
    assert (
        "- `NEW`: Recorded, nobody's yet."
        in document["components"]["schemas"]["crm.leads.v1.Lead.State"]["description"]
    )


def test_a_patch_requires_no_field_and_names_its_headers(document: dict[str, Any]) -> None:
    patch = document["paths"]["/v1/leads/{leadsId}"]["patch"]
    schema = patch["requestBody"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/crm.leads.v1.Lead.Patch"}
    assert "required" not in document["components"]["schemas"]["crm.leads.v1.Lead.Patch"]
    names = {parameter["name"] for parameter in patch["parameters"]}
    assert names == {"leadsId", "updateMask", "requestId", "If-Match", "Idempotency-Key"}


def test_the_check_tells_an_old_file_from_a_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openapi, "FILE", tmp_path / "openapi.json")
    assert openapi.main(["--check"]) == 1
    assert openapi.main([]) == 0
    assert openapi.main(["--check"]) == 0
    openapi.FILE.write_text("{}")
    assert openapi.main(["--check"]) == 1


@pytest.mark.asyncio(loop_scope="session")
async def test_the_pages_are_served_and_need_nothing_from_outside(gateway: Running) -> None:
    home = await gateway.http.get("/")
    assert (home.status_code, home.headers["location"]) == (307, "/docs")
    docs = await gateway.http.get("/docs")
    assert docs.status_code == 200
    assert "http://" not in docs.text
    assert "https://" not in docs.text
    assert " src=" not in docs.text
    served = json.loads((await gateway.http.get("/openapi.json")).text)
    assert served["openapi"] == "3.1.0"
    assert "/v1/secrets/{secretsId}" not in served["paths"]
