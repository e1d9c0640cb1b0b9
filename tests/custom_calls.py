"""Company-defined fields in tests: definitions as directory tells them, and a front door in this process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from crm.directory.v1 import custom_fields_pb2 as pb
from crm.directory.v1 import events_pb2
from gateway.admission import Streams
from gateway.contract import Contract
from gateway.settings import descriptors
from gateway.upstreams import Upstreams
from google.protobuf.json_format import ParseDict
from harness import Running

from gateway import admin, app


def definition(slug: str, type_: str, resource: str = "LEAD", **more: Any) -> pb.CustomField:
    """A definition as directory keeps it; choices as plain texts, a closing `-` means archived."""
    options = [{"value": one.rstrip("-"), "archived": one.endswith("-")} for one in more.pop("options", [])]
    name = f"customFields/{resource.lower()}-{slug}"
    given = {"name": name, "etag": "1", "displayName": slug.title(), "resource": resource, "slug": slug, "type": type_}
    return ParseDict(given | {"options": options} | more, pb.CustomField())


async def know(service: Running, *fields: pb.CustomField, archived: bool = False) -> None:
    """Lets a service know definitions as it would by their events, at once."""
    for field in fields:
        if archived:
            field.archive_time.GetCurrentTime()
        version = max([int(field.etag), *(row["version"] + 1 for row in await service.rows(LAST, field.name))])
        await service.react(events_pb2.CustomFieldUpdated(custom_field=field), version=version)
    await service.process.context.custom_fields.look()


LAST = "SELECT version FROM inbox_latest WHERE subject = $1"


@asynccontextmanager
async def front(**services: Running) -> AsyncIterator[httpx.AsyncClient]:
    """The gateway before these services, for their administrator."""
    contract = Contract(descriptors())
    upstreams = Upstreams(contract, {name: running.address for name, running in services.items()})
    gate = app.build(contract, upstreams, admin.Metrics(), Streams())
    issuer = next(iter(services.values())).issuer
    said = {"authorization": f"Bearer {issuer.token('users/admin')}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(gate), base_url="http://front", headers=said) as http:
        yield http
    await upstreams.close()
