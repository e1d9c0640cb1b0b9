"""What the suite has of Olist already, read once, so that a run only does what is left to do."""

import asyncio
from dataclasses import dataclass
from typing import Any

from crmctl.olist.values import SYSTEM, key_in
from crmctl.suite import Suite

Record = dict[str, Any]
# Every state in which somebody has done something about a lead; new ones, the many, are not read.
_TOUCHED = ("ASSIGNED", "WORKING", "QUALIFIED", "CONVERTING", "CONVERTED", "DISQUALIFIED")


@dataclass(frozen=True)
class Known:
    """Records as the suite answers them: leads by mql id, accounts by seller id, orders by number, cases by review
    key, the others by name."""

    leads: dict[str, Record]
    accounts: dict[str, Record]
    opportunities: dict[str, Record]
    contracts: dict[str, Record]
    orders: dict[str, Record]
    cases: dict[str, Record]


async def read(suite: Suite) -> Known:
    """Read everything a run compares with."""
    in_state = (suite.all("/v1/leads", "leads", filter=f"state = {state}") for state in _TOUCHED)
    accounts, opportunities, contracts, orders, cases, *leads = await asyncio.gather(
        suite.all("/v1/accounts", "accounts"),
        suite.all("/v1/opportunities", "opportunities"),
        suite.all("/v1/contracts", "contracts"),
        suite.all("/v1/orders", "orders", filter=f"system = {SYSTEM}"),
        suite.all("/v1/cases", "cases", filter="type = complaint"),
        *in_state,
    )
    return Known(
        leads=_by_key([lead for some in leads for lead in some], "mql"),
        accounts=_by_key(accounts, "seller"),
        opportunities={record["name"]: record for record in opportunities},
        contracts={record["name"]: record for record in contracts},
        orders={record["orderNumber"]: record for record in orders},
        cases=_by_key(cases, "review"),
    )


def _by_key(records: list[Record], kind: str) -> dict[str, Record]:
    keyed = {key_in(record, kind): record for record in records}
    keyed.pop("", None)
    return keyed
