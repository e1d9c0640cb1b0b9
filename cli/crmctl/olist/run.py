"""One run of the import, in the order in which it could have happened."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from crmctl.connection import Client, Refused
from crmctl.olist import cases, company, contracts, deals, faults, funnel, known, leads, orders, reports, shop
from crmctl.olist.files import DEALS, ITEMS, Row, Wrong, read_folder
from crmctl.olist.known import Known, Record
from crmctl.olist.rejected import Rejected
from crmctl.olist.tally import Tally, Watch
from crmctl.suite import Suite

_MOST_ROWS_AT_ONCE = 32  # A few more than calls in flight, so that there is always one to make.

T = TypeVar("T")


@dataclass
class Outcome:
    """What came of a run."""

    tally: Tally
    rejected: Rejected
    notes: list[str] = field(default_factory=list)


class Import:
    """The files of one folder on their way into one suite."""

    def __init__(self, folder: Path, suite: Suite, watch: Watch) -> None:
        self._suite, self._watch = suite, watch
        self._now = datetime.now(UTC)
        self._tables = read_folder(folder)
        self._tally, self._rejected = Tally(), Rejected(self._tables)
        self._leads = funnel.leads_of(self._tables, self._rejected, self._now)
        self._deals = funnel.deals_of(self._tables, self._rejected, self._now)
        self._won: dict[str, Record] = {}  # Opportunities by seller id.
        self._recorded: dict[str, Record] = {}  # Orders by number.

    async def run(self) -> Outcome:
        """Everything; raises Problem or Refused if the suite, not a row, is at fault."""
        await self._prepare()
        names = await self._bring_leads()
        there = await known.read(self._suite)
        await self._win(names, there)
        ours = self._orders(there)
        await asyncio.gather(self._enforce(there), self._record(ours, there))
        await self._complain(there)
        notes = [] if ITEMS in self._tables else [f"There is no {ITEMS}: no orders, no cases."]
        if self._tally.changed and not await self._reported(names, ours):
            notes.append("The reports do not show all of it yet.")
        return Outcome(self._tally, self._rejected, notes)

    async def _prepare(self) -> None:
        await company.accepted(self._suite)
        rows = len({deal.sr for deal in self._deals} | {deal.sdr for deal in self._deals})
        rows += len({lead.channel for lead in self._leads})
        rows += len({lead.landing_page for lead in self._leads if lead.landing_page})
        with self._watch.phase("company", rows) as advance:
            await asyncio.gather(
                company.people(self._suite, self._deals, self._tally, advance),
                company.channels(self._suite, self._leads, self._tally, advance),
                company.landing_pages(self._suite, self._leads, self._tally, advance),
            )

    async def _bring_leads(self) -> dict[str, str]:
        with self._watch.phase("touches", len(self._leads)) as advance:
            journeys = await leads.touch(self._suite, self._leads, self._rejected, self._tally, advance)
        with self._watch.phase("leads", len(self._leads)) as advance:
            return await leads.bring(
                self._suite, self._leads, self._deals, journeys, self._rejected, self._tally, advance
            )

    async def _win(self, names: dict[str, str], there: Known) -> None:
        refused = {lead.mql_id: lead.row for lead in self._leads if lead.row in self._rejected}

        async def one(deal: funnel.Deal) -> None:
            if deal.mql_id in refused:
                raise Wrong(f"its lead was refused: {refused[deal.mql_id].where}")
            name = names.get(deal.mql_id, "")
            self._won[deal.seller_id] = await deals.win(self._suite, deal, name, there, self._tally)

        await self._each("deals", self._deals, lambda deal: [deal.row], one)

    async def _enforce(self, there: Known) -> None:
        async def one(deal: funnel.Deal) -> None:
            await contracts.enforce(self._suite, deal, self._won[deal.seller_id], there, self._tally)

        won = [deal for deal in self._deals if deal.seller_id in self._won]
        await self._each("contracts", won, lambda deal: [deal.row], one)

    def _orders(self, there: Known) -> list[shop.Order]:
        """The orders of sellers that are in this folder's deals, or were won before it."""
        sellers = {row["seller_id"] for row in self._tables[DEALS].rows} | set(there.accounts)
        return shop.orders_of(self._tables, sellers, self._rejected, self._now)

    async def _record(self, ours: list[shop.Order], there: Known) -> None:
        async def one(order: shop.Order) -> None:
            if order.seller_id not in self._won and order.seller_id not in there.accounts:
                raise Wrong(f"order {order.number}: the deal of seller {order.seller_id} was refused")
            self._recorded[order.number] = await orders.record(self._suite, order, there, self._tally)

        await self._each("orders", ours, lambda order: order.rows, one)

    async def _complain(self, there: Known) -> None:
        recorded = there.orders | self._recorded

        async def one(complaint: shop.Complaint) -> None:
            await cases.complain(self._suite, complaint, recorded[complaint.order_id], there, self._tally)

        complaints = shop.complaints_of(self._tables, recorded, self._rejected, self._now)
        await self._each("cases", complaints, lambda complaint: [complaint.row], one)

    async def _reported(self, names: dict[str, str], ours: list[shop.Order]) -> bool:
        """Whether the reports show what this run brought; waits for them."""
        channel = {lead.mql_id: lead.channel for lead in self._leads if lead.mql_id in names}
        won_by = {
            deal.seller_id: channel[deal.mql_id]
            for deal in self._deals
            if deal.seller_id in self._won and deal.mql_id in channel
        }
        brought: defaultdict[str, reports.Brought] = defaultdict(reports.Brought)
        for name in channel.values():
            brought[name].leads += 1
        for name in won_by.values():
            brought[name].customers += 1
        for order in ours:
            if order.number in self._recorded and order.seller_id in won_by:
                brought[won_by[order.seller_id]].revenue += order.amount
        return await reports.caught_up(self._suite, brought)

    async def _each(
        self, phase: str, items: list[T], rows: Callable[[T], Iterable[Row]], do: Callable[[T], Awaitable[None]]
    ) -> None:
        """Do something for every item, many at once; one that is refused has its rows rejected."""
        waiting = iter(items)

        async def work() -> None:
            for item in waiting:
                try:
                    await do(item)
                except Wrong as wrong:
                    self._rejected.add_all(rows(item), str(wrong))
                except Refused as refused:
                    self._rejected.add_all(rows(item), faults.reason(refused))
                advance(1)

        with self._watch.phase(phase, len(items)) as advance:
            await asyncio.gather(*(work() for _ in range(_MOST_ROWS_AT_ONCE)))


async def import_folder(client: Client, folder: Path, watch: Watch) -> Outcome:
    """Import the folder into the suite of `client`."""
    async with Suite(company.as_importer(client)) as suite:
        return await Import(folder, suite, watch).run()
