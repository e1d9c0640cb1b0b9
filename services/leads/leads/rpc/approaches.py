"""The call that recommends how to approach a lead."""

from chassis.convert import to_message
from chassis.work import Work
from crm.leads.v1 import approaches_pb2

from leads import approaching
from leads.domain.approach import recommend
from leads.domain.lead import Lead
from leads.domain.lead_score import is_scored
from leads.domain.state import REFUSAL, LeadArchivedAlready, LeadClosed


class Approaches:
    async def RecommendApproach(
        self, request: approaches_pb2.RecommendApproachRequest, work: Work
    ) -> approaches_pb2.Approach:
        lead = await work.get(Lead, request.name)
        if not is_scored(lead):
            closed = REFUSAL.get(lead.state, LeadArchivedAlready if lead.archive_time else LeadClosed)
            raise closed(lead=lead.name, state=lead.state.name)
        counts, count_time = await approaching.counted(lead.channel, work)
        found = recommend(counts, await approaching.situation(lead, work), count_time)
        return to_message(found, approaches_pb2.Approach)
