"""Takes an import back, a part at a time: what it created and nobody has touched since."""

import csv
import io
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
from chassis.errors import CrmError, FailedPrecondition, Unavailable
from chassis.operations import Task, write
from chassis.work import Work

from leads import import_tables
from leads.domain.lead import Lead
from leads.domain.operation import LeadOperation

PART = 200  # leads: a part takes about a second
FIRST = str(UUID(int=0))
COLUMNS = ("name", "reason")


class LeadTouched(FailedPrecondition):
    """Somebody did something with this lead since it was imported."""


class LeadOutOfReach(FailedPrecondition):
    """This lead is not within your reach any more."""


class HistoryNotTold(Unavailable):
    """What happened to these leads is not published yet; it is tried again."""


async def rows_behind(import_id: str, after: str, limit: int, work: Work) -> list[asyncpg.Record]:
    """Rows of the caller's import, behind a lead's id."""
    asked = {"import_id": import_id, "owner": work.caller.actor, "after": after or FIRST, "limit": limit}
    return await work.rows(import_tables.ROWS, **asked)


async def _part(operation: LeadOperation, work: Work) -> bool:
    import_id = operation.request["import_id"]
    rows = await rows_behind(import_id, operation.cursor.get("after", ""), PART, work)
    if not rows:
        return False
    touched = await _touched(rows, work)
    leads = {lead.id: lead for lead in await work.find(Lead, id=[str(row["lead_id"]) for row in rows])}
    back, left = [], []
    for lead in leads.values():
        try:
            _take_back(lead, lead.name in touched, work)
            back.append(lead.id)
            operation.count(1)
        except CrmError as refused:
            operation.fail(lead.name, refused)
            left.append((lead.name, refused.reason))
    await work.execute(import_tables.TAKEN_BACK, import_id, work.caller.actor, back)
    if left:
        operation.media_type = "text/csv; charset=utf-8"
        await write(operation, _csv(left, header=not operation.part_count), work)
    operation.cursor = {"after": str(rows[-1]["lead_id"])}
    return len(rows) == PART


REVERT = Task("revert import", "leads.import", _part)


async def _touched(rows: Sequence[Any], work: Work) -> set[str]:
    """The names of those leads that somebody did something with."""
    subjects = [f"leads/{row['lead_id']}" for row in rows]
    found = await work.rows(import_tables.SINCE, subjects=subjects, versions=[row["version"] for row in rows])
    versions = {f"leads/{row['lead_id']}": row["version"] for row in rows}
    current = {lead.name: lead.version for lead in await work.find(Lead, id=[str(row["lead_id"]) for row in rows])}
    for one in found:
        if (one["told"] or 0) < max(versions[one["subject"]], current.get(one["subject"], 0)):
            raise HistoryNotTold(lead=one["subject"])
    return {one["subject"] for one in found if one["touched"]}


def _take_back(lead: Lead, touched: bool, work: Work) -> None:
    if not work.sees(lead):
        raise LeadOutOfReach(lead=lead.name)
    if touched:
        raise LeadTouched(lead=lead.name)
    archived = lead.archive(at=work.now)
    lead.external_ids = []  # else the file could not be imported again
    work.emit(archived)


def _csv(rows: list[tuple[str, str]], *, header: bool) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([COLUMNS, *rows] if header else rows)
    return text.getvalue().encode()
