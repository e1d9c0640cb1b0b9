"""Leads given out together, in the background."""

from collections.abc import Sequence

from chassis.convert import to_message
from chassis.errors import InvalidFields
from chassis.work import Page, Work
from crm.leads.v1 import assignment_pb2

from leads import assigning, handing_out
from leads.domain.assignment.policy import AssignmentPolicy
from leads.domain.assignment.run import AssignmentRun, AssignmentRunStarted, Kind
from leads.domain.lead import Lead

MOST_PREVIEWED = 10_000


class Runs:
    async def RunAssignment(self, request: assignment_pb2.RunAssignmentRequest, work: Work) -> AssignmentRun:
        run = AssignmentRun(owner=work.caller.actor, team=work.caller.team, kind=Kind.ASSIGN)
        run.filter, run.policy = request.filter, request.policy
        return await _start(run, request.validate_only, work)

    async def HandOverLeads(self, request: assignment_pb2.HandOverLeadsRequest, work: Work) -> AssignmentRun:
        run = AssignmentRun(owner=work.caller.actor, team=work.caller.team, kind=Kind.HAND_OVER)
        run.filter, run.from_person = request.filter, request.from_person
        if request.to_person:
            if request.policy:
                raise InvalidFields(("policy", "says who gets them; so does to_person: say one"))
            if request.to_person == request.from_person:
                raise InvalidFields(("to_person", "has them"))
            run.to_person = (await work.responsible(request.to_person, "to_person")).name
        run.policy = request.policy
        return await _start(run, request.validate_only, work)

    async def GetAssignmentRun(self, request: assignment_pb2.GetAssignmentRunRequest, work: Work) -> AssignmentRun:
        return await work.get(AssignmentRun, request.name)

    async def ListAssignmentRuns(
        self, request: assignment_pb2.ListAssignmentRunsRequest, work: Work
    ) -> Page[AssignmentRun]:
        return await work.page(AssignmentRun, request)

    async def CancelAssignmentRun(
        self, request: assignment_pb2.CancelAssignmentRunRequest, work: Work
    ) -> AssignmentRun:
        run = await work.get(AssignmentRun, request.name, request.etag)
        if ended := run.cancel(f"{work.caller.actor} ended it", work.now):
            work.emit(ended)
        return run


async def _start(run: AssignmentRun, validate_only: bool, work: Work) -> AssignmentRun | assignment_pb2.AssignmentRun:
    await handing_out.start(run, work)
    if not validate_only:
        work.emit(AssignmentRunStarted(assignment_run=work.add(run), event_time=work.now))
        return run
    leads = await handing_out.leads_ahead(run, work, MOST_PREVIEWED)
    if leads:
        run.count(await _owners(run, leads, work), work.now)
    return _previewed(run)


async def _owners(run: AssignmentRun, leads: Sequence[Lead], work: Work) -> list[str]:
    """Who would get them."""
    if run.to_person:
        return [run.to_person] * len(leads)
    policy = await work.get(AssignmentPolicy, run.policy)
    return [one.owner for one in await assigning.preview(policy, leads, work, [run.from_person])]


def _previewed(run: AssignmentRun) -> assignment_pb2.AssignmentRun:
    """A preview has no name, and stands nowhere."""
    message = to_message(run, assignment_pb2.AssignmentRun)
    for name in ("name", "etag", "state", "end_time"):
        message.ClearField(name)
    return message
