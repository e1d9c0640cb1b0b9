"""What tests of the chassis ask the leads service, one short call each."""

from typing import Any

import asyncpg
from chassis.values import new_id
from crm.leads.v1 import leads_pb2
from harness import Running

ROOT = "users/root"


async def create(leads: Running, by: str = ROOT, acting_for: str = "", request_id: str = "", **fields: Any) -> Any:
    """A new lead, called Ana unless told otherwise."""
    lead = leads_pb2.Lead(**({"display_name": "Ana Petrova"} | fields))
    request = leads_pb2.CreateLeadRequest(lead=lead, request_id=request_id)
    return await leads.call("LeadService/CreateLead", request, by=by, acting_for=acting_for)


async def read(leads: Running, name: str, by: str = ROOT, **how: Any) -> Any:
    return await leads.call("LeadService/GetLead", leads_pb2.GetLeadRequest(name=name), by=by, **how)


async def update(leads: Running, name: str, by: str = ROOT, etag: str = "", request_id: str = "", **fields: Any) -> Any:
    """Changes the given fields and nothing else."""
    request = leads_pb2.UpdateLeadRequest(lead=leads_pb2.Lead(name=name, etag=etag, **fields), request_id=request_id)
    request.update_mask.paths.extend(fields)
    return await leads.call("LeadService/UpdateLead", request, by=by)


async def log_call(leads: Running, name: str, by: str = ROOT, **fields: Any) -> Any:
    return await leads.call("LeadService/LogCall", leads_pb2.LogCallRequest(name=name, **fields), by=by)


async def listed(leads: Running, by: str = ROOT, acting_for: str = "", **fields: Any) -> Any:
    """One page."""
    return await leads.call("LeadService/ListLeads", leads_pb2.ListLeadsRequest(**fields), by=by, acting_for=acting_for)


async def all_names(leads: Running, by: str = ROOT, page_size: int = 0, **fields: Any) -> list[str]:
    """The names on every page."""
    names: list[str] = []
    token = ""
    while True:
        page = await listed(leads, by=by, page_size=page_size, page_token=token, **fields)
        names += [lead.name for lead in page.leads]
        token = page.next_page_token
        if not token:
            return names


def a_channel() -> str:
    """A channel no other test uses: with it a test sees its own leads only."""
    return f"channels/{new_id()}"


class Locked:
    """The table of leads, held by somebody else for as long as the block lasts."""

    def __init__(self, leads: Running) -> None:
        self._url = leads.database.owner_url

    async def __aenter__(self) -> None:
        self._connection = await asyncpg.connect(self._url)
        self._transaction = self._connection.transaction()
        await self._transaction.start()
        await self._connection.execute("LOCK TABLE leads IN ACCESS EXCLUSIVE MODE")

    async def __aexit__(self, *_: object) -> None:
        await self._transaction.rollback()
        await self._connection.close()
