"""Calls about segments of leads."""

from chassis.convert import from_message
from chassis.errors import InvalidFields
from chassis.values import slug
from chassis.work import Page, Work
from crm.leads.v1 import leads_pb2, segments_pb2

from chassis import lists
from leads import ranking
from leads.domain.lead import Lead
from leads.domain.segment import LeadSegment, LeadSegmentCreated, LeadSegmentUpdated
from leads.selecting import of_segment

MOST_COUNTED = 100_000


class Segments:
    async def CreateLeadSegment(self, request: segments_pb2.CreateLeadSegmentRequest, work: Work) -> LeadSegment:
        given = request.lead_segment
        segment = from_message(given, LeadSegment, id=request.lead_segment_id or slug(given.display_name))
        await _check(segment, work)
        work.emit(LeadSegmentCreated(lead_segment=work.add(segment), event_time=work.now))
        return segment

    async def GetLeadSegment(self, request: segments_pb2.GetLeadSegmentRequest, work: Work) -> LeadSegment:
        return await work.get(LeadSegment, request.name)

    async def ListLeadSegments(self, request: segments_pb2.ListLeadSegmentsRequest, work: Work) -> Page[LeadSegment]:
        return await work.page(LeadSegment, request)

    async def UpdateLeadSegment(self, request: segments_pb2.UpdateLeadSegmentRequest, work: Work) -> LeadSegment:
        segment = await work.get(LeadSegment, request.lead_segment.name, request.lead_segment.etag)
        changed = work.update(segment, request.lead_segment, request.update_mask.paths, "lead_segment")
        if changed:
            await _check(segment, work)
            work.emit(LeadSegmentUpdated(lead_segment=segment, fields=changed, event_time=work.now))
        return segment

    async def ArchiveLeadSegment(self, request: segments_pb2.ArchiveLeadSegmentRequest, work: Work) -> LeadSegment:
        segment = await work.get(LeadSegment, request.name, request.etag)
        work.emit(segment.archive(at=work.now))
        return segment

    async def RestoreLeadSegment(self, request: segments_pb2.RestoreLeadSegmentRequest, work: Work) -> LeadSegment:
        segment = await work.get(LeadSegment, request.name, request.etag)
        work.emit(segment.restore(at=work.now))
        return segment

    async def GetLeadSegmentSize(
        self, request: segments_pb2.GetLeadSegmentSizeRequest, work: Work
    ) -> segments_pb2.LeadSegmentSize:
        segment = await work.get(LeadSegment, request.name)
        asked, among = of_segment(segment)
        counted = await lists.count(work, Lead, asked, MOST_COUNTED + 1, among)
        return segments_pb2.LeadSegmentSize(leads=min(counted, MOST_COUNTED), more=counted > MOST_COUNTED)

    async def ListSegmentLeads(
        self, request: segments_pb2.ListSegmentLeadsRequest, work: Work
    ) -> Page[Lead] | leads_pb2.ListLeadsResponse:
        segment = await work.get(LeadSegment, request.parent)
        shown = {item: getattr(request, item) for item in ("page_size", "page_token", "view", "order_by")}
        asked, among = of_segment(segment, **shown)
        return await ranking.listed(asked, work, among)


async def _check(segment: LeadSegment, work: Work) -> None:
    """InvalidFields unless leads can be listed by its filter, and its feedback can be asked for."""
    try:
        if not segment.filter.strip() and segment.feedback is None:
            raise InvalidFields(("filter", "is empty, and no feedback is asked for"))
        if segment.feedback:
            segment.feedback.check()
        asked, among = of_segment(segment)
        await lists.select(work, Lead, asked, "", 1, among)
    except InvalidFields as wrong:
        raise InvalidFields(*((f"lead_segment.{path}", said) for path, said in wrong.violations)) from wrong
