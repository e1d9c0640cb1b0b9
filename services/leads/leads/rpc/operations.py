"""Work on many leads in the background: begun here, done a part at a time by the tasks below."""

from chassis.exports import export_part
from chassis.operations import Task
from chassis.work import Page, Work
from crm.leads.v1 import leads_pb2, operations_pb2
from google.api import httpbody_pb2

from chassis import lists, operations
from leads import bulk_editing
from leads.calling import FILL
from leads.domain.lead import Lead
from leads.domain.operation import LeadOperation
from leads.prospecting import RUN
from leads.reverting import REVERT


async def _export(operation: LeadOperation, work: Work) -> bool:
    request = leads_pb2.ExportLeadsRequest(**operation.request)
    return await export_part(Lead, leads_pb2.Lead, request, operation, work)


EXPORT = Task("export", "leads.export", _export)
TASKS = {task.kind: task for task in (EXPORT, REVERT, FILL, RUN, *bulk_editing.TASKS)}


class Operations:
    async def StartLeadExport(self, request: operations_pb2.StartLeadExportRequest, work: Work) -> LeadOperation:
        await lists.select(work, Lead, request, "", 1)  # what is wrong with the filter is told now
        asked = {"filter": request.filter, "show_archived": request.show_archived}
        return await operations.begin(LeadOperation, EXPORT, asked, work)

    async def GetLeadOperation(self, request: operations_pb2.GetLeadOperationRequest, work: Work) -> LeadOperation:
        return await work.get(LeadOperation, request.name)

    async def ListLeadOperations(
        self, request: operations_pb2.ListLeadOperationsRequest, work: Work
    ) -> Page[LeadOperation]:
        return await work.page(LeadOperation, request)

    async def CancelLeadOperation(
        self, request: operations_pb2.CancelLeadOperationRequest, work: Work
    ) -> LeadOperation:
        return await operations.cancel(LeadOperation, request.name, work)

    async def DownloadLeadOperation(
        self, request: operations_pb2.DownloadLeadOperationRequest, work: Work
    ) -> httpbody_pb2.HttpBody:
        return await operations.download(LeadOperation, TASKS, request.name, request.part, work)
