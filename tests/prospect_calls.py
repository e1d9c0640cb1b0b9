"""What tests ask about prospects, one short call each, and a source that knows companies."""

import hashlib
import json
from typing import Any

from crm.leads.v1 import operations_pb2, prospects_pb2
from crm.type.v1 import operations_pb2 as types_pb2
from google.protobuf.json_format import ParseDict
from harness import Running, until
from outgoing_servers import JsonServer

ANA = "users/ana"
FIELDS = {
    "company": "/name", "website": "/site", "country": "/where/country", "city": "/where/city",
    "region": "/where/region", "industry": "/nace", "employees": "/staff", "revenue": "/turnover",
    "competitors": "/uses", "display_name": "/person/name", "job_title": "/person/job", "email": "/person/mail",
    "phone": "/person/phone", "source_key": "/id",
}  # fmt: skip


def source(web: JsonServer, **more: Any) -> dict[str, Any]:
    """One that is asked for by page, in an address."""
    asked = "country={countries}&nace={industries}&min={employees_min}&max={employees_max}&page={page}&size={page_size}"
    url = f"{web.url}/companies?{asked}"
    return {
        "source": "registry",
        "url": url,
        "items": "/found",
        "fields": FIELDS,
        "headers": {"X-Key": "s3cret"},
    } | more


def called(number: int) -> str:
    """A name, which is near to that of no other number."""
    digest = hashlib.sha256(str(number).encode()).hexdigest()[:12]
    return "".join(chr(ord("а") + int(digit, 16)) for digit in digest).title()


def company(number: int, **more: Any) -> dict[str, Any]:
    """A bakery called like no other; with `person` somebody there."""
    return {
        "id": number,
        "name": f"{called(number)} ООД",
        "where": {"country": "BG", "city": "София"},
        "staff": 12,
    } | more


def person(number: int, **more: Any) -> dict[str, Any]:
    told = {"name": f"Ана Петрова {number}", "mail": f"ana{number}@furna{number}.example", "job": "CEO"} | more
    return company(number, person=told)


def answers(web: JsonServer, *pages: Any) -> None:
    """The next answers: lists of companies, or statuses of refusals."""
    for page in pages:
        status, found = (page, {}) if isinstance(page, int) else (200, {"found": page})
        web.answers.append((status, {}, json.dumps(found).encode()))


async def call(desk: Running, method: str, by: str = ANA, **fields: Any) -> Any:
    request = ParseDict(fields, getattr(prospects_pb2, f"{method}Request")())
    return await desk.call(f"ProspectService/{method}", request, by=by)


async def a_search(desk: Running, by: str = ANA, **fields: Any) -> Any:
    given = {"displayName": "Пекарни", "source": "registry", "criteria": {"countries": ["BG"]}} | fields
    return await call(desk, "CreateProspectSearch", by, prospectSearch=given)


async def ended(desk: Running, operation: str, by: str = ANA) -> Any:
    async def look() -> Any:
        request = operations_pb2.GetLeadOperationRequest(name=operation)
        found = await desk.call("LeadOperationService/GetLeadOperation", request, by=by)
        return found if found.state != types_pb2.Operation.RUNNING else None

    return await until(look, "the source was asked")


async def run(desk: Running, search: Any, by: str = ANA, **fields: Any) -> Any:
    """The operation, once it has ended."""
    return await ended(desk, (await call(desk, "RunProspectSearch", by, name=search.name, **fields)).name, by)


async def found(desk: Running, search: Any, by: str = ANA, also: str = "") -> list[Any]:
    """The prospects of a search, in the order in which they were found."""
    asked = f'prospect_search = "{search.name}"{also}'
    return list(reversed((await call(desk, "ListProspects", by, filter=asked)).prospects))


async def prospects_of(desk: Running, web: JsonServer, *companies: Any, by: str = ANA, **fields: Any) -> list[Any]:
    """What a new search finds."""
    search = await a_search(desk, by, **fields)
    answers(web, list(companies), [])
    done = await run(desk, search, by)
    assert done.state == types_pb2.Operation.SUCCEEDED, done
    return await found(desk, search, by)


async def accept(desk: Running, *prospects: Any, by: str = ANA, **fields: Any) -> list[Any]:
    names = [one.name for one in prospects]
    return list((await call(desk, "AcceptProspects", by, names=names, **fields)).results)
