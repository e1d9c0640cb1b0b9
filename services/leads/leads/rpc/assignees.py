"""What people can take, and why somebody got a lead."""

from chassis.errors import RecordNotFound
from chassis.values import id_of
from chassis.work import Page, Work
from crm.leads.v1 import assignment_pb2

from leads import assigning
from leads.domain.assignment.assignee import Assignee, AssigneeUpdated
from leads.domain.lead import Lead

TRY_NOW = "UPDATE assignment_queue SET due_time = now() WHERE due_time > now()"


class Assignees:
    async def GetAssignee(self, request: assignment_pb2.GetAssigneeRequest, work: Work) -> Assignee:
        return await work.find_one(Assignee, id=id_of(request.name)) or await _unsaid(request.name, work)

    async def ListAssignees(self, request: assignment_pb2.ListAssigneesRequest, work: Work) -> Page[Assignee]:
        return await work.page(Assignee, request)

    async def UpdateAssignee(self, request: assignment_pb2.UpdateAssigneeRequest, work: Work) -> Assignee:
        given = request.assignee
        if await work.find_one(Assignee, id=id_of(given.name)) is None:
            await _unsaid(given.name, work)
        assignee = await work.get_or_add(Assignee(id=id_of(given.name)), given.etag)
        changed = work.update(assignee, given, request.update_mask.paths, "assignee")
        if changed:
            work.emit(AssigneeUpdated(assignee=assignee, fields=changed, event_time=work.now))
            await work.execute(TRY_NOW)
        return assignee

    async def ExplainAssignment(
        self, request: assignment_pb2.ExplainAssignmentRequest, work: Work
    ) -> assignment_pb2.ExplainAssignmentResponse:
        lead = await work.get(Lead, request.name)
        return assignment_pb2.ExplainAssignmentResponse(decisions=await assigning.explained(lead, work))


async def _unsaid(name: str, work: Work) -> Assignee:
    """Somebody of whom nothing was said; RecordNotFound if there is nobody by that name."""
    assignee = Assignee(id=id_of(name))
    if assignee.name != name or await work.members.named(assignee.person) is None:
        raise RecordNotFound(name=name)
    return assignee
