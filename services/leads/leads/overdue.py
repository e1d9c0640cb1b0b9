"""Leads whose time has come, though nobody asks: nurtured ones wake on their day, neglected ones go back to their team.

The day stands in the lead's own row, so no timer is lost with a process; each replica looks, and a lead that two of
them find is changed by one.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

from chassis.database import Query
from chassis.identity import service_caller
from chassis.telemetry import log
from chassis.unattended import unattended
from chassis.values import utc_now
from chassis.work import Context, Work
from chassis.writing import LostRace

from leads import tables
from leads.domain.lead import Lead
from leads.domain.settings import LeadSettings
from leads.domain.state import State, WakeCause
from leads.owners import is_active

LOOK_SECONDS = 20.0
AT_ONCE = 200  # leads of one look; the next look follows at once while there are more


async def look(context: Context) -> None:
    """Looks for as long as the process lives."""
    while True:
        try:
            while max(await wake_due(context), await recycle_neglected(context)) == AT_ONCE:
                pass
        except Exception as away:
            log.warning("leads whose time has come wait: %s", away or type(away).__name__)
        await asyncio.sleep(LOOK_SECONDS)


async def wake_due(context: Context) -> int:
    """Wakes nurtured leads whose day came; how many."""

    async def wake(lead: Lead, work: Work) -> bool:
        due = lead.state is State.NURTURING and lead.nurture_until is not None and lead.nurture_until <= work.now
        if due:
            work.emit(lead.wake(WakeCause.DATE, "", await is_active(lead.owner, work), work.now))
        return due

    return await _each(context, wake, tables.TO_WAKE, now=utc_now())


async def recycle_neglected(context: Context) -> int:
    """Takes leads nobody works on from their owners, if the company wants that; how many."""
    settings = await Work(context, service_caller(context.service)).find_one(LeadSettings, id=LeadSettings.ID)
    if settings is None or not settings.recycle_after_days:
        return 0
    before = utc_now() - timedelta(days=settings.recycle_after_days)

    async def recycle(lead: Lead, work: Work) -> bool:
        in_hand = lead.state in (State.ASSIGNED, State.WORKING) and lead.archive_time is None
        neglected = in_hand and lead.idle_since is not None and lead.idle_since < before
        if neglected:
            work.emit(lead.recycle("", work.now))
        return neglected

    return await _each(context, recycle, tables.NEGLECTED, before=before)


async def _each(context: Context, change: Callable[[Lead, Work], Awaitable[bool]], query: Query, **given: Any) -> int:
    """Changes each lead a query finds, in a transaction of its own; how many changed."""

    async def change_one(lead_id: str, work: Work) -> bool:
        lead = await work.find_one(Lead, id=lead_id)
        return lead is not None and await change(lead, work)

    changed = 0
    for row in await context.database.fetch(query.sql, query.arguments(given | {"limit": AT_ONCE})):
        with suppress(LostRace):  # somebody else changed it at the same moment: the next look finds it, if it is due
            changed += await unattended(context, "leads overdue", partial(change_one, str(row["id"])))
    return changed
