"""Clients of one service that never try again: whatever goes wrong is raised."""

import asyncio
from collections import Counter

from chassis.errors import FailedPrecondition
from crm.leads.v1 import leads_pb2
from harness import Running, until

WORKERS = 6


class Calls:
    """Clients that create, change, read, filter and import leads until told to stop; they never try again."""

    def __init__(self, leads: Running) -> None:
        self._leads, self._going = leads, True
        self.answered: Counter[str] = Counter()

    async def run(self) -> None:
        await asyncio.gather(*(self._work(number) for number in range(WORKERS)))

    def stop(self) -> None:
        self._going = False

    async def reach(self, more: int) -> None:
        wanted = self.answered.total() + more
        await until(self._count(wanted), f"{more} more calls", seconds=60)

    def _count(self, wanted: int):
        async def enough() -> bool:
            return self.answered.total() >= wanted

        return enough

    async def _work(self, number: int) -> None:
        while self._going:
            lead = await self._call("CreateLead", leads_pb2.CreateLeadRequest(lead={"display_name": f"Лид {number}"}))
            await self._call("QualifyLead", leads_pb2.QualifyLeadRequest(name=lead.name, note="called"), failing=True)
            await self._call("GetLead", leads_pb2.GetLeadRequest(name=lead.name))
            await self._call("ListLeads", leads_pb2.ListLeadsRequest(page_size=5))
            await self._call("ListLeads", leads_pb2.ListLeadsRequest(filter="state = NEW", page_size=5))
            rows = [{"display_name": f"线索 {number}"}] * 3
            await self._call("ImportLeads", leads_pb2.ImportLeadsRequest(leads=rows))

    async def _call(self, method: str, request, failing: bool = False):
        try:
            answer = await self._leads.call(f"LeadService/{method}", request)
        except FailedPrecondition:
            assert failing  # nobody owns the lead, so the checklist refuses it
            answer = None
        self.answered[method] += 1
        return answer
