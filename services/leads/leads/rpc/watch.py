"""Calls about leads as they change."""

from collections.abc import AsyncIterator

from chassis.watching import watch
from chassis.work import Work
from crm.leads.v1 import watch_pb2

from leads.domain.lead import Lead


class Watch:
    async def WatchLeads(
        self, request: watch_pb2.WatchLeadsRequest, work: Work
    ) -> AsyncIterator[watch_pb2.WatchLeadsResponse]:
        async for change in watch(work, Lead.collection, request.resume_token):
            yield watch_pb2.WatchLeadsResponse(resume_token=change.token, lead=change.record, gone=change.gone)
