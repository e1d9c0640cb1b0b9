"""Deals: a won lead is qualified, converted and its opportunity won, each step only if it was not done before."""

import asyncio
from typing import Any

from crmctl.olist.clock import timestamp
from crmctl.olist.files import Wrong
from crmctl.olist.funnel import Deal
from crmctl.olist.known import Known, Record
from crmctl.olist.tally import Tally
from crmctl.olist.values import external_id, money
from crmctl.suite import Suite, pause

_BEFORE_QUALIFIED = ("NEW", "ASSIGNED", "WORKING")
_CONVERTED_WITHIN_TRIES = 60
_LONGEST_PAUSE_SECONDS = 0.5


async def win(suite: Suite, deal: Deal, lead_name: str, known: Known, tally: Tally) -> Record:
    """The won opportunity of the deal. Raises Wrong or Refused if the row is at fault.

    Olist tells two dates: the first contact, when the lead was a qualified one already (its file calls them marketing
    qualified leads), and the day it was won, which is when it became a customer with a deal.
    """
    lead = known.leads.get(deal.mql_id) or await _lead(suite, deal, lead_name)
    before = lead
    if not lead["owner"]:
        lead = await suite.post(
            f"/v1/{lead['name']}:assign", {"owner": deal.lead_owner, "assignTime": lead["contactTime"]}
        )
    if lead["state"] in _BEFORE_QUALIFIED:
        body = {"qualifyTime": lead["contactTime"], "note": deal.facts}
        lead = await suite.post(f"/v1/{lead['name']}:qualify", body, actor=deal.lead_owner)
    if lead["state"] == "QUALIFIED":
        lead = await suite.post(f"/v1/{lead['name']}:convert", _conversion(deal), actor=deal.lead_owner)
    lead = await _converted(suite, lead)
    if before["state"] != "CONVERTED":
        tally.count("accounts", "created")
        tally.count("opportunities", "created")
    else:
        tally.count("accounts", "unchanged")
    return await _won(suite, deal, lead, known, tally, new=before["state"] != "CONVERTED")


async def _lead(suite: Suite, deal: Deal, name: str) -> Record:
    """A lead of which only the name is known, or only Olist's id, because its row stands in another folder."""
    if name:
        return await suite.get(f"/v1/{name}")
    key = f"olist/mql/{deal.mql_id}".replace("\\", "\\\\").replace('"', '\\"')
    found = await suite.all("/v1/leads", "leads", filter=f'external_ids:"{key}"')
    if not found:
        raise Wrong(f"there is no lead {deal.mql_id}")
    return found[0]


async def _converted(suite: Suite, lead: Record) -> Record:
    """The lead when its account, contact and opportunity are there."""
    for attempt in range(1, _CONVERTED_WITHIN_TRIES + 1):
        if lead["state"] != "CONVERTING":
            break
        await asyncio.sleep(min(pause(attempt), _LONGEST_PAUSE_SECONDS))
        lead = await suite.get(f"/v1/{lead['name']}")
    if lead["state"] != "CONVERTED":
        raise Wrong(f"{lead['name']} is {lead['state']} and not converted")
    return lead


async def _won(suite: Suite, deal: Deal, lead: Record, known: Known, tally: Tally, new: bool) -> Record:
    name = lead["opportunity"]
    opportunity = known.opportunities.get(name)
    if opportunity is None or opportunity["state"] == "OPEN":
        body: dict[str, Any] = {"winTime": timestamp(deal.won_time)}
        if deal.revenue:
            body["amount"] = money(deal.revenue)
        opportunity = await suite.post(f"/v1/{name}:win", body, actor=deal.owner)
        if not new:
            tally.count("opportunities", "changed")
    elif opportunity["state"] == "WON":
        tally.count("opportunities", "unchanged")
    else:
        raise Wrong(f"{name} is {opportunity['state']}")
    return opportunity


def _conversion(deal: Deal) -> dict[str, Any]:
    seller = f"Seller {deal.seller_id[:8]} (anonymised)"
    return {
        "opportunityOwner": deal.owner,
        "accountDisplayName": seller,
        "opportunityDisplayName": seller,
        "accountExternalIds": [external_id("seller", deal.seller_id)],
        "convertTime": timestamp(deal.won_time),
    }
