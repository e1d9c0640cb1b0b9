"""Calls about bulk edits: look, change, change back."""

from chassis.convert import from_message, to_message
from chassis.custom_values import settled
from chassis.errors import InvalidFields
from chassis.operation import State
from chassis.operations import begin
from chassis.rpc import violations
from chassis.values import id_of
from chassis.work import Page, Work
from crm.leads.v1 import bulk_edits_pb2, leads_pb2

from chassis import filtering, lists
from leads import bulk_edit_tables, bulk_editing
from leads.domain.bulk_edit import (
    BulkEditUnderWay,
    Item,
    LeadBulkEdit,
    Outcome,
    check_fields,
    difference,
    populated,
    said_by,
)
from leads.domain.lead import Lead
from leads.domain.operation import LeadOperation

SELECTIONS = ("filter", "segment", "leads")


class BulkEdits:
    async def CreateLeadBulkEdit(self, request: bulk_edits_pb2.CreateLeadBulkEditRequest, work: Work) -> LeadBulkEdit:
        given = request.lead_bulk_edit
        edit = from_message(given, LeadBulkEdit, owner=work.caller.actor, team=work.caller.team)
        edit.fields = edit.fields or populated(edit.lead)
        await _check(edit, given, work)
        if given.leads:
            await work.execute(bulk_edit_tables.SELECT_NAMED, edit.id, sorted(id_of(name) for name in given.leads))
        operation = await begin(LeadOperation, bulk_editing.PREVIEW, {"edit": edit.id}, work)
        edit.preview_operation = operation.name
        return work.add(edit)

    async def GetLeadBulkEdit(self, request: bulk_edits_pb2.GetLeadBulkEditRequest, work: Work) -> LeadBulkEdit:
        return await work.get(LeadBulkEdit, request.name)

    async def ListLeadBulkEdits(
        self, request: bulk_edits_pb2.ListLeadBulkEditsRequest, work: Work
    ) -> Page[LeadBulkEdit]:
        return await work.page(LeadBulkEdit, request)

    async def ListLeadBulkEditItems(
        self, request: bulk_edits_pb2.ListLeadBulkEditItemsRequest, work: Work
    ) -> bulk_edits_pb2.ListLeadBulkEditItemsResponse:
        edit = await work.get(LeadBulkEdit, request.parent)
        size, key = filtering.page_size(request.page_size), work.context.page_token_key
        bound_to = filtering.digest("items", edit.id, request.outcome, work.caller.name, work.caller.actor)
        after = filtering.read_token(key, request.page_token, bound_to) if request.page_token else ""
        outcome = Outcome(request.outcome) if request.outcome else None
        found = await bulk_editing.items_behind(edit, after, size + 1, work, outcome)
        token = filtering.make_token(key, found[size - 1].lead_id, bound_to) if len(found) > size else ""
        return bulk_edits_pb2.ListLeadBulkEditItemsResponse(
            items=await _shown(edit, found[:size], work), next_page_token=token
        )

    async def StartLeadBulkEdit(self, request: bulk_edits_pb2.StartLeadBulkEditRequest, work: Work) -> LeadBulkEdit:
        edit = await work.get(LeadBulkEdit, request.name, request.etag)
        await _refuse_under_way(edit, work)
        total = edit.changing - edit.changed
        operation = await begin(LeadOperation, bulk_editing.CHANGE, {"edit": edit.id}, work, total=total)
        edit.start(operation.name, work.now)
        details = {"fields": edit.fields, "filter": edit.filter, "segment": edit.segment, "leads": total}
        await work.audit("BULK_EDITED", edit.name, details)
        return edit

    async def UndoLeadBulkEdit(self, request: bulk_edits_pb2.UndoLeadBulkEditRequest, work: Work) -> LeadBulkEdit:
        edit = await work.get(LeadBulkEdit, request.name)
        await _refuse_under_way(edit, work)
        left = {row["reason"]: row["leads"] for row in await work.rows(bulk_edit_tables.LEFT, edit=edit.id)}
        if left:
            edit.take_up(left)
            await work.execute(bulk_edit_tables.TAKE_UP, edit.id)
        total = edit.changed - edit.undone
        operation = await begin(LeadOperation, bulk_editing.UNDO, {"edit": edit.id}, work, total=total)
        edit.undo(operation.name, work.now)
        await work.audit("BULK_EDIT_UNDONE", edit.name, {"leads": total})
        return edit


async def _check(edit: LeadBulkEdit, given: bulk_edits_pb2.LeadBulkEdit, work: Work) -> None:
    """InvalidFields for what is wrong with the selection, or could be no lead's value."""
    try:
        if sum(bool(getattr(given, name)) for name in SELECTIONS) != 1:
            raise InvalidFields(("filter", "say which leads: by a filter, by a segment or by their names"))
        if not edit.fields:
            raise InvalidFields(("fields", "say what is to be set or cleared"))
        check_fields(edit.fields)
        names = {path.partition(".")[0] for path in edit.fields}
        wrong = [(path, said) for path, said in violations(given.lead) if path.split("[")[0].split(".")[0] in names]
        if wrong:
            raise InvalidFields(*((f"lead.{path}", said) for path, said in wrong))
        settled(edit.lead.custom, {}, work.context.custom_fields.of(Lead.collection))
        if not given.leads:
            asked, among = await bulk_editing.selection(edit, work)
            await lists.select(work, Lead, asked, "", 1, among)
    except InvalidFields as refused:
        raise InvalidFields(*((f"lead_bulk_edit.{path}", said) for path, said in refused.violations)) from refused


async def _refuse_under_way(edit: LeadBulkEdit, work: Work) -> None:
    names = [name for name in (edit.preview_operation, edit.operation, edit.undo_operation) if name]
    for operation in await work.find(LeadOperation, id=[id_of(name) for name in names]):
        if operation.state is State.RUNNING:
            raise BulkEditUnderWay(name=edit.name, operation=operation.name)


async def _shown(edit: LeadBulkEdit, items: list[Item], work: Work) -> list[bulk_edits_pb2.LeadBulkEditItem]:
    """Items with the values of those leads that the caller reaches; of what would change, as it would now."""
    values = to_message(edit.lead, leads_pb2.Lead)
    leads = {lead.id: lead for lead in await work.find(Lead, id=[one.lead_id for one in items])} if items else {}
    shown = []
    for item in items:
        lead = leads.get(item.lead_id)
        told = bulk_edits_pb2.LeadBulkEditItem(lead=f"leads/{item.lead_id}", outcome=item.outcome.name)
        told.reason = item.reason
        if lead is not None and work.sees(lead):
            if item.outcome is Outcome.CHANGING:
                item.before, item.after = _would(lead, edit, values, work)
            told.message = item.message
            told.left_fields.extend(item.left_fields)
            told.before.update(item.before)
            told.after.update(item.after)
        shown.append(told)
    return shown


def _would(
    lead: Lead, edit: LeadBulkEdit, values: leads_pb2.Lead, work: Work
) -> tuple[dict[str, object], dict[str, object]]:
    try:
        return difference(said_by(lead), said_by(bulk_editing.edited(lead, edit, values, work)))
    except InvalidFields:  # since the preview
        return {}, {}
