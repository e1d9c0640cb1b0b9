"""Contracts: the one a won deal yields by itself is submitted for its owner, approved by the importer, put in force."""

import asyncio

from crmctl.connection import Refused
from crmctl.olist.clock import timestamp
from crmctl.olist.files import Wrong
from crmctl.olist.funnel import Deal
from crmctl.olist.known import Known, Record
from crmctl.olist.tally import Tally
from crmctl.suite import Suite, pause

_DRAFTED_WITHIN_TRIES = 120  # With pauses of up to half a second: a minute for an event to be heard.
_LONGEST_PAUSE_SECONDS = 0.5
_NOT_FOUND = 404


async def enforce(suite: Suite, deal: Deal, opportunity: Record, known: Known, tally: Tally) -> None:
    """Bring the deal's contract in force on the day it was won. Raises Wrong or Refused if the row is at fault."""
    name = f"contracts/{opportunity['name'].partition('/')[2]}"  # Derived from the opportunity by contracts.
    contract = known.contracts.get(name)
    state, at = contract["state"] if contract else "DRAFT", timestamp(deal.won_time)
    if state == "ACTIVE":
        tally.count("contracts", "unchanged")
        return
    if state == "DRAFT":
        await _submit(suite, name, at, deal.owner)
        state = "IN_APPROVAL"
    if state == "IN_APPROVAL":
        await suite.post(f"/v1/{name}:approve", {"approveTime": at})
    await suite.post(f"/v1/{name}:activate", {"activateTime": at})
    tally.count("contracts", "changed" if contract else "created")


async def _submit(suite: Suite, name: str, at: str, owner: str) -> None:
    """Submit the draft, which may still be on its way: contracts hears of the win by an event."""
    for attempt in range(1, _DRAFTED_WITHIN_TRIES + 1):
        try:
            await suite.post(f"/v1/{name}:submit", {"submitTime": at}, actor=owner)
            return
        except Refused as refused:
            if refused.status != _NOT_FOUND:
                raise
        await asyncio.sleep(min(pause(attempt), _LONGEST_PAUSE_SECONDS))
    raise Wrong(f"{name} was not drafted within a minute")
