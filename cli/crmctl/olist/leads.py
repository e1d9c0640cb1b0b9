"""First contacts and leads, in batches. The suite knows both by Olist's id and takes none of them twice."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from crmctl.connection import Refused
from crmctl.olist import faults
from crmctl.olist.clock import timestamp
from crmctl.olist.funnel import Deal, Lead
from crmctl.olist.rejected import Rejected
from crmctl.olist.tally import Outcome, Tally
from crmctl.olist.values import external_id
from crmctl.suite import Suite

BATCH = 1000  # The most the suite takes at once.
_OUTCOMES: dict[str, Outcome] = {"CREATED": "created", "UPDATED": "changed", "UNCHANGED": "unchanged"}
_MALFORMED = 400

Advance = Callable[[int], None]
T = TypeVar("T")


async def touch(suite: Suite, leads: list[Lead], rejected: Rejected, tally: Tally, advance: Advance) -> dict[str, str]:
    """Record each lead's first contact; the journey that it began, by mql id."""
    journeys: dict[str, str] = {}

    async def send(batch: list[Lead]) -> None:
        answer = await suite.post("/v1/touches:batchCreate", {"touches": [_touch(lead) for lead in batch]}, once=False)
        for lead, made in zip(batch, answer["touches"], strict=True):
            journeys[lead.mql_id] = made["journeyId"]
        created = answer["createdCount"]
        tally.count("touches", "created", created)
        tally.count("touches", "unchanged", len(batch) - created)
        advance(len(batch))

    await asyncio.gather(*(_sent(batch, send, rejected) for batch in _batches(leads)))
    return journeys


async def bring(
    suite: Suite, leads: list[Lead], deals: list[Deal], journeys: dict[str, str], rejected: Rejected, tally: Tally,
    advance: Advance,
) -> dict[str, str]:  # fmt: skip
    """Import the leads, those that were won with their owner; the lead's name by mql id."""
    owners = {deal.mql_id: deal.lead_owner for deal in deals}
    names: dict[str, str] = {}

    async def send(batch: list[Lead]) -> None:
        rows = [_lead(lead, journeys[lead.mql_id], owners.get(lead.mql_id, "")) for lead in batch]
        answer = await suite.post("/v1/leads:import", {"leads": rows}, once=False)
        for lead, result in zip(batch, answer["results"], strict=True):
            outcome = _OUTCOMES.get(result["outcome"])
            if outcome:
                names[lead.mql_id] = result["lead"]
                tally.count("leads", outcome)
            else:
                rejected.add(lead.row, result["reason"] or f"{result['outcome']}: {result['lead']}")
        advance(len(batch))

    known = [lead for lead in leads if lead.mql_id in journeys]
    await asyncio.gather(*(_sent(batch, send, rejected) for batch in _batches(known)))
    return names


async def _sent(batch: list[Lead], send: Callable[[list[Lead]], Awaitable[None]], rejected: Rejected) -> None:
    """Send a batch. One that is malformed is halved until the row at fault stands alone."""
    try:
        await send(batch)
    except Refused as refused:
        if refused.status != _MALFORMED:
            raise
        if len(batch) == 1:
            rejected.add(batch[0].row, faults.reason(refused))
            return
        for half in (batch[: len(batch) // 2], batch[len(batch) // 2 :]):
            await _sent(half, send, rejected)


def _batches(rows: list[T]) -> list[list[T]]:
    return [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]


def _touch(lead: Lead) -> dict[str, Any]:
    return {
        "externalIds": [external_id("mql", lead.mql_id)],
        "channel": lead.channel_name,
        "landingPage": lead.landing_page_name,
        "touchTime": timestamp(lead.contact_time),
    }


def _lead(lead: Lead, journey_id: str, owner: str) -> dict[str, Any]:
    return {
        "externalIds": [external_id("mql", lead.mql_id)],
        "displayName": f"Seller lead {lead.mql_id[:8]} (anonymised)",
        "journeyId": journey_id,
        "channel": lead.channel_name,
        "landingPage": lead.landing_page_name,
        "contactTime": timestamp(lead.contact_time),
        "owner": owner,
    }
