"""What tests ask about bulk edits, one short call each."""

from typing import Any

from crm.leads.v1 import bulk_edits_pb2 as pb
from crm.leads.v1 import operations_pb2
from crm.type.v1 import operations_pb2 as shapes
from harness import Running, until

ROOT = "users/root"
Item = pb.LeadBulkEditItem


async def call(leads: Running, method: str, by: str = ROOT, **fields: Any) -> Any:
    return await leads.call(f"LeadBulkEditService/{method}", getattr(pb, f"{method}Request")(**fields), by=by)


async def ended(leads: Running, operation: str, by: str = ROOT) -> Any:
    """The operation after its end."""

    async def look() -> Any:
        asked = operations_pb2.GetLeadOperationRequest(name=operation)
        found = await leads.call("LeadOperationService/GetLeadOperation", asked, by=by)
        return found if found.state != shapes.Operation.RUNNING else None

    return await until(look, f"{operation} has ended", 60)


async def edit_of(leads: Running, name: str, by: str = ROOT) -> Any:
    return await call(leads, "GetLeadBulkEdit", by, name=name)


async def previewed(service: Running, by: str = ROOT, **edit: Any) -> Any:
    """An edit whose preview is whole."""
    made = await call(service, "CreateLeadBulkEdit", by, lead_bulk_edit=edit)
    await ended(service, made.preview_operation, by)
    return await edit_of(service, made.name, by)


async def started(leads: Running, edit: Any, by: str = ROOT) -> Any:
    """The edit after its change."""
    begun = await call(leads, "StartLeadBulkEdit", by, name=edit.name, etag=edit.etag)
    await ended(leads, begun.operation, by)
    return await edit_of(leads, begun.name, by)


async def undone(leads: Running, edit: Any, by: str = ROOT) -> Any:
    """The edit after its undo."""
    begun = await call(leads, "UndoLeadBulkEdit", by, name=edit.name)
    await ended(leads, begun.undo_operation, by)
    return await edit_of(leads, begun.name, by)


async def items(leads: Running, edit: Any, by: str = ROOT, **asked: Any) -> dict[str, Any]:
    """What became of each lead, by its name."""
    page = await call(leads, "ListLeadBulkEditItems", by, parent=edit.name, **asked)
    return {one.lead: one for one in page.items}


def outcomes(found: dict[str, Any]) -> dict[str, str]:
    return {name: Item.Outcome.Name(one.outcome) for name, one in found.items()}
