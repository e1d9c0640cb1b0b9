"""Which leads a filter or a saved segment stands for, as ListLeads would be asked."""

from typing import Any

from chassis.work import Work
from crm.leads.v1 import leads_pb2

from chassis import lists
from leads import feedback_tables
from leads.domain.segment import LeadSegment

Selected = tuple[leads_pb2.ListLeadsRequest, lists.Among | None]


async def selected(filter: str, segment: str, work: Work, **shown: Any) -> Selected:
    """Those of the segment if one is named, else those of the filter."""
    if segment:
        return of_segment(await work.get(LeadSegment, segment), **shown)
    return leads_pb2.ListLeadsRequest(filter=filter, **shown), None


def of_segment(segment: LeadSegment, **shown: Any) -> Selected:
    """Those whom its filter finds, among those who gave the feedback that it asks for, if any."""
    among = feedback_tables.gave(segment.feedback) if segment.feedback else None
    return leads_pb2.ListLeadsRequest(filter=segment.filter, **shown), among
