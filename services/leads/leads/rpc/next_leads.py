"""The call that tells people what to do next."""

from typing import Any

from chassis.convert import to_message
from chassis.work import Work
from crm.leads.v1 import leads_pb2, next_leads_pb2

from leads import cadencing, follow_up_tables
from leads.domain.lead import Lead
from leads.domain.next_lead import LeadAtHand, NextLead, next_leads
from leads.domain.response import ResponseState

SHOWN, MOST_SHOWN = 10, 100


class NextLeads:
    async def ListNextLeads(
        self, request: next_leads_pb2.ListNextLeadsRequest, work: Work
    ) -> next_leads_pb2.ListNextLeadsResponse:
        owner = request.owner or work.caller.actor
        rows = await work.rows(follow_up_tables.AT_HAND, owner=owner, **work.sight())
        found = next_leads([_at_hand(row) for row in rows], await cadencing.settings_of(work), work.now)
        shown = found[: min(request.page_size or SHOWN, MOST_SHOWN)]
        ids = [one.id for one in shown]
        leads = {lead.id: lead for lead in await work.find(Lead, id=ids)} if ids else {}
        return next_leads_pb2.ListNextLeadsResponse(next_leads=[_told(one, leads[one.id]) for one in shown])


def _at_hand(row: Any) -> LeadAtHand:
    known = dict(row)
    clock = known.pop("clock")
    return LeadAtHand(**known, clock=ResponseState[clock] if clock else None)


def _told(one: NextLead, lead: Lead) -> next_leads_pb2.NextLead:
    told = to_message(one, next_leads_pb2.NextLead)
    told.lead.CopyFrom(to_message(lead, leads_pb2.Lead))
    return told
