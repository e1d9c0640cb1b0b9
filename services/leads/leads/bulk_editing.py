"""Bulk edits, a part at a time: the preview looks at each lead, the edit changes it, the undo changes it back.

Where an item is says which step comes next to it, so a step goes on behind whatever crash by taking the next ones.
"""

from collections.abc import Callable, Sequence
from copy import copy
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from chassis.convert import to_message
from chassis.custom_values import settle
from chassis.errors import CrmError, FailedPrecondition, InvalidFields, RecordNotFound, StaleEtag
from chassis.operations import Task
from chassis.persons import Person, names_of
from chassis.unattended import forgetting
from chassis.values import is_uuid
from chassis.work import Work
from crm.leads.v1 import leads_pb2

from chassis import lists
from leads import bulk_edit_tables as tables
from leads.domain.bulk_edit import (
    FieldsChangedSince,
    Item,
    LeadBulkEdit,
    Outcome,
    difference,
    give_back,
    labelled,
    refuse,
    said_by,
)
from leads.domain.lead import Lead, LeadUpdated
from leads.domain.merge import refuse_merged
from leads.domain.operation import LeadOperation
from leads.selecting import Selected, selected
from leads.spelling import tidy

MOST_LEADS = 100_000
PART = 250  # leads: a part takes some tenths of a second
FIRST, LAST = str(UUID(int=0)), str(UUID(int=2**128 - 1))
PERMISSION = "leads.write"


class BulkEditTooLarge(FailedPrecondition):
    """More leads were selected than one bulk edit changes; add a condition to the filter and do it in parts."""


async def items_behind(
    edit: LeadBulkEdit, after: str, limit: int, work: Work, outcome: Outcome | None = None
) -> list[Item]:
    """Items of an edit behind a lead's id, all or those with an outcome."""
    query = tables.ITEMS_OF_OUTCOME if outcome else tables.ITEMS
    given = {"edit": edit.id, "after": after or FIRST, "limit": limit, "outcome": outcome.name if outcome else ""}
    return [_item(row) for row in await work.rows(query, **given)]


def edited(lead: Lead, edit: LeadBulkEdit, values: leads_pb2.Lead, work: Work) -> Lead:
    """The lead as the edit makes it; `values` are the edit's as a message. InvalidFields for what it may not be."""
    made = copy(lead)
    whole = [path for path in edit.fields if not path.startswith("labels.")]
    if whole:
        work.update(made, values, whole, "lead", tidy(work))
    made.labels = labelled(made, edit.lead, edit.fields)
    return made


async def _preview(operation: LeadOperation, work: Work) -> bool:
    edit = await _edit_of(operation, work)
    if not operation.cursor:
        edit.selected = operation.total_items = await _select(edit, work)
        operation.cursor = {"after": ""}
        return True
    values = to_message(edit.lead, leads_pb2.Lead)

    def look(lead: Lead, item: Item) -> None:
        refuse(lead, include_closed=edit.include_closed)
        before, after = difference(said_by(lead), said_by(edited(lead, edit, values, work)))
        item.outcome, item.version = Outcome.CHANGING if before or after else Outcome.UNCHANGED, lead.version

    more = await _step(operation, edit, Outcome.WAITING, look, work)
    if not more:
        edit.preview_time = work.now
    return more


async def _change(operation: LeadOperation, work: Work) -> bool:
    edit = await _edit_of(operation, work)
    values = to_message(edit.lead, leads_pb2.Lead)

    def change(lead: Lead, item: Item) -> None:
        if lead.version != item.version:
            raise StaleEtag(lead=lead.name)
        refuse(lead, include_closed=edit.include_closed)
        made = edited(lead, edit, values, work)
        item.before, item.after = difference(said_by(lead), said_by(made))
        item.outcome = Outcome.CHANGED
        _tell(lead, made, [*item.before, *item.after], work)

    return await _step(operation, edit, Outcome.CHANGING, change, work)


async def _undo(operation: LeadOperation, work: Work) -> bool:
    edit = await _edit_of(operation, work)
    definitions = work.context.custom_fields.of(Lead.collection)
    bring = tidy(work)

    def change_back(lead: Lead, item: Item) -> None:
        refuse_merged(lead)
        made = copy(lead)
        item.left_fields = give_back(made, item)
        back = [path for path in {**item.before, **item.after} if path not in item.left_fields]
        if not back:
            raise FieldsChangedSince(lead=lead.name)
        settle(made, lead.custom, definitions)
        bring(made)
        item.outcome = Outcome.UNDONE
        _tell(lead, made, back, work)

    return await _step(operation, edit, Outcome.CHANGED, change_back, work, otherwise=Outcome.LEFT)


PREVIEW = Task("preview bulk edit", PERMISSION, _preview)
CHANGE = Task("bulk edit", PERMISSION, _change)
UNDO = Task("undo bulk edit", PERMISSION, _undo)
TASKS = (PREVIEW, CHANGE, UNDO)
prune = forgetting("bulk edits", tables.PRUNE)


async def forget(person: Person, work: Work) -> int:
    """What bulk edits know of an erased person's leads; how many rows."""
    ids = [one for one in names_of(person.records, "leads") if is_uuid(one)]
    return len(await work.context.database.fetch(tables.FORGET_LEADS, [ids], work.connection))


async def _step(
    operation: LeadOperation,
    edit: LeadBulkEdit,
    outcome: Outcome,
    do: Callable[[Lead, Item], None],
    work: Work,
    otherwise: Outcome = Outcome.REFUSED,
) -> bool:
    """Does the next of the items with an outcome, whether there may be more. What is refused is `otherwise` then."""
    items = await items_behind(edit, operation.cursor.get("after", ""), PART, work, outcome)
    leads = {lead.id: lead for lead in await work.find(Lead, id=[item.lead_id for item in items])} if items else {}
    for item in items:
        lead = leads.get(item.lead_id)
        item.reason = item.message = ""
        try:
            if lead is None or not work.sees(lead):
                raise RecordNotFound(name=f"leads/{item.lead_id}")
            do(lead, item)
            operation.count(1)
        except CrmError as refused:
            item.outcome, item.reason, item.message = otherwise, refused.reason, _said(refused)
            operation.fail(f"leads/{item.lead_id}", refused)
        await work.execute(tables.WRITE, edit.id, *_row(item))
    edit.count(items)
    operation.cursor = {"after": items[-1].lead_id if items else LAST}
    return len(items) == PART


def _tell(lead: Lead, made: Lead, paths: Sequence[str], work: Work) -> None:
    """The lead is as it was made, and says so."""
    vars(lead).update(vars(made))
    names = dict.fromkeys(path.partition(".")[0] for path in paths)
    work.emit(LeadUpdated(lead=lead, fields=list(names), event_time=work.now))


async def _select(edit: LeadBulkEdit, work: Work) -> int:
    """Notes which leads the edit is about, unless they were named; how many they are."""
    database = work.context.database
    if not edit.filter and not edit.segment:
        rows = await database.fetch(tables.COUNT, [edit.id], work.connection)
        return int(rows[0]["number"])
    asked, among = await selection(edit, work)
    statement, arguments = lists.statement(work, Lead, asked, "", MOST_LEADS + 1, among)
    sql = tables.select_listed(statement, len(arguments) + 1)
    rows = await database.fetch(sql, [*arguments, edit.id], work.connection)
    if rows[0]["number"] > MOST_LEADS:
        raise BulkEditTooLarge(leads=f"more than {MOST_LEADS}")
    return int(rows[0]["number"])


async def selection(edit: LeadBulkEdit, work: Work) -> Selected:
    """What ListLeads would be asked for its leads, and among which."""
    return await selected(edit.filter, edit.segment, work, show_archived=edit.include_closed)


async def _edit_of(operation: LeadOperation, work: Work) -> LeadBulkEdit:
    name = operation.request["edit"]
    edit = await work.find_one(LeadBulkEdit, id=name)
    if edit is None:
        raise RecordNotFound(name=f"leadBulkEdits/{name}")
    return edit


def _said(refused: CrmError) -> str:
    """Why, in words: of wrong values which, and what is allowed."""
    if isinstance(refused, InvalidFields):
        return "; ".join(f"{path}: {said}" for path, said in refused.violations)
    return refused.message


def _item(row: asyncpg.Record) -> Item:
    return Item(
        lead_id=str(row["lead_id"]),
        outcome=Outcome[row["outcome"]],
        **{name: row[name] for name in ("reason", "message", "version")},
        **{name: msgspec.json.decode(row[name]) for name in ("before", "after", "left_fields")},
    )


def _row(item: Item) -> tuple[Any, ...]:
    said = (msgspec.json.encode(one).decode() for one in (item.before, item.after, item.left_fields))
    return (item.lead_id, item.outcome.name, item.reason, item.message, item.version, *said)
