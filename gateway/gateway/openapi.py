"""OpenAPI 3.1 of the REST side, from the descriptors and their comments.

`python -m gateway.openapi` writes gateway/openapi.json; with --check it says whether the file is up to date.
"""

import json
import sys
from pathlib import Path
from typing import Any

from gateway.codec import Codec
from gateway.comments import comments
from gateway.contract import Contract, Rpc, Rule
from gateway.query import Query
from gateway.routes import Template
from gateway.schemas import Schemas
from gateway.settings import SettingError, descriptors
from gateway.transcode import MAX_KEY

FILE = Path(__file__).resolve().parents[1] / "openapi.json"
JSON = "application/json"
ABOUT = (
    "The REST side of the suite. Every operation is also a gRPC method of the same name. Send a bearer token; "
    "repeat a write safely with an `Idempotency-Key`; guard a change with `If-Match` and the `ETag` you read."
)
PROBLEM = {
    "type": "object",
    "description": "An error (RFC 9457). `reason` is stable; `violations` name the fields; `traceId` finds the cause.",
    "required": ["type", "title", "status", "detail", "reason", "traceId"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "reason": {"type": "string"},
        "violations": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "reason"],
                "properties": {"field": {"type": "string"}, "reason": {"type": "string"}},
            },
        },
        "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
        "traceId": {"type": "string"},
    },
}
ERRORS = {
    "400": "The request is wrong, or the record is not in a state that allows it.",
    "401": "No token, or one that is not valid.",
    "403": "The caller's roles do not allow it.",
    "404": "There is none, or the caller may not see it.",
    "408": "The body did not arrive in time.",
    "409": "The etag is stale, or there is one already.",
    "413": "The body is too large.",
    "414": "The URL is too long.",
    "415": "The body is not plain JSON.",
    "429": "Too many requests; see Retry-After.",
    "431": "The headers are too large.",
    "503": "A service or its database does not answer; see Retry-After.",
    "504": "The deadline passed.",
}


def document(contract: Contract) -> dict[str, Any]:
    """The whole document."""
    schemas = Schemas(comments(contract.files))
    codec = Codec()
    paths: dict[str, dict[str, Any]] = {}
    tags: dict[str, str] = {}
    for rpc in contract.public:
        for number, rule in enumerate(rpc.rules):
            path, parameters = path_of(rule)
            operation = describe(rpc, rule, number, parameters, schemas, codec)
            paths.setdefault(path, {})[rule.method.lower()] = operation
            tags[rpc.service] = schemas.comments.get(rpc.service, "")
    return {
        "openapi": "3.1.0",
        "info": {"title": "CRM", "version": "v1", "description": ABOUT},
        "tags": [{"name": tag(name), "description": text} for name, text in tags.items()],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "responses": {
                status: {"description": text, "content": {"application/problem+json": {"schema": ref("Problem")}}}
                for status, text in ERRORS.items()
            },
            "schemas": {"Problem": PROBLEM, **dict(sorted(schemas.components.items()))},
        },
    }


def describe(
    rpc: Rpc, rule: Rule, number: int, parameters: list[dict[str, Any]], schemas: Schemas, codec: Codec
) -> dict[str, Any]:
    """One operation."""
    text = schemas.comments.get(f"{rpc.service}.{rpc.name}", "")
    operation: dict[str, Any] = {
        "operationId": rpc.name + (f"_{number + 1}" if number else ""),
        "tags": [tag(rpc.service)],
        "summary": text.partition(". ")[0].rstrip("."),
        "description": text,
        "parameters": parameters + query_parameters(rpc, rule, schemas, codec) + headers(rpc, rule),
        "responses": success(rpc, schemas)
        | {status: {"$ref": f"#/components/responses/{status}"} for status in ERRORS},
    }
    if rpc.anonymous:
        operation["security"] = []
    if rule.body:
        schema = body_schema(rpc, rule, schemas)
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": schema}}}
    return operation


def path_of(rule: Rule) -> tuple[str, list[dict[str, Any]]]:
    """The path with a name for each wildcard (`/v1/leads/{leadsId}:qualify`) and those as parameters."""
    template = Template.parse(rule.template)
    parts: list[str] = []
    parameters = []
    for segment in template.segments:
        if segment is not None:
            parts.append(segment)
            continue
        name = f"{parts[-1]}Id"
        parameters.append(
            {
                "name": name,
                "in": "path",
                "required": True,
                "description": f"The part of the name after `{parts[-1]}/`.",
                "schema": {"type": "string", "minLength": 1},
            }
        )
        parts.append(f"{{{name}}}")
    return "/" + "/".join(parts) + (f":{template.verb}" if template.verb else ""), parameters


def query_parameters(rpc: Rpc, rule: Rule, schemas: Schemas, codec: Codec) -> list[dict[str, Any]]:
    """What the route reads from the query, in its lowerCamel spelling."""
    taken = set(Template.parse(rule.template).variables) | {rule.body}
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for name, (path, _, _) in Query(codec, rpc.request, taken, rule.body == "*").parameters.items():
        message = rpc.request
        for step in path[:-1]:
            message = message.fields_by_name[step].message_type
        schema = schemas.field(message.fields_by_name[path[-1]])
        text = schema.pop("description", "")
        # The spelling added last is lowerCamel.
        found[path] = {"name": name, "in": "query", "description": text, "schema": schema}
    return list(found.values())


def headers(rpc: Rpc, rule: Rule) -> list[dict[str, Any]]:
    """The headers that mean something to this operation, besides the token."""
    found = []
    if rule.method != "GET" and "request_id" in rpc.request.fields_by_name:
        text = "Makes a repeated call safe for 24 hours: a UUID, or any other text."
        found.append(("Idempotency-Key", text, {"type": "string", "pattern": f"^[ -~]{{1,{MAX_KEY}}}$"}))
    resource = rpc.request.fields_by_name.get(rule.body)
    carried = resource is not None and resource.message_type is not None and rule.method in ("PATCH", "PUT")
    if "etag" in rpc.request.fields_by_name or (carried and "etag" in resource.message_type.fields_by_name):
        text = "Refuses the call with 409 unless the record still has this ETag."
        found.append(("If-Match", text, {"type": "string", "pattern": '^([*]|"[!#-~]+")$'}))
    return [{"name": n, "in": "header", "description": text, "schema": schema} for n, text, schema in found]


def body_schema(rpc: Rpc, rule: Rule, schemas: Schemas) -> dict[str, Any]:
    if rule.body == "*":
        return schemas.message(rpc.request, set(Template.parse(rule.template).variables))
    field = rpc.request.fields_by_name[rule.body]
    if field.message_type is not None and not field.is_repeated:
        return schemas.reference(field.message_type, partial=rule.method == "PATCH")
    return schemas.field(field)


def success(rpc: Rpc, schemas: Schemas) -> dict[str, Any]:
    if rpc.reply.full_name == "google.api.HttpBody":
        document = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
        return {"200": {"description": "The document.", "content": document}}
    if rpc.reply.full_name == "crm.type.v1.Redirect":
        header = {"description": "The other place.", "schema": {"type": "string", "format": "uri"}}
        return {"302": {"description": "It is at another place.", "headers": {"Location": header}}}
    reply = schemas.reference(rpc.reply)
    content = {"text/event-stream": {"schema": event(reply)}} if rpc.server_streaming else {JSON: {"schema": reply}}
    answer: dict[str, Any] = {
        "description": schemas.comments.get(rpc.reply.full_name) or "Done.",
        "content": content,
    }
    if "etag" in rpc.reply.fields_by_name:
        answer["headers"] = {"ETag": {"description": "For If-Match.", "schema": {"type": "string"}}}
    return {"200": answer}


def event(reply: dict[str, Any]) -> dict[str, Any]:
    """A Server-Sent Event whose data are a message."""
    data = {"type": "string", "contentMediaType": JSON, "contentSchema": reply}
    place = {"type": "string", "description": "Goes on behind this event, as Last-Event-ID."}
    kind = {"type": "string", "description": "`problem` for the last one of a stream that failed."}
    return {"type": "object", "required": ["data"], "properties": {"id": place, "event": kind, "data": data}}


def tag(service: str) -> str:
    """`crm.leads.v1.LeadService` is LeadService in the list of services."""
    return service.rpartition(".")[2]


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def main(arguments: list[str]) -> int:
    """Writes the file, or compares it (--check); the answer is the exit code."""
    try:
        text = json.dumps(document(Contract(descriptors())), indent=1, ensure_ascii=False) + "\n"
    except SettingError as error:
        print(error, file=sys.stderr)
        return 2
    if "--check" not in arguments:
        FILE.write_text(text)
        return 0
    if FILE.exists() and FILE.read_text() == text:
        return 0
    print("gateway/openapi.json is not what the protos say: run `python -m gateway.openapi`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
