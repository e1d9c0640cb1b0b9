"""The policies by which leads are given out, and what one would have done."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from chassis.convert import from_message, moment
from chassis.database import Query
from chassis.errors import InvalidFields
from chassis.work import Page, Work
from crm.leads.v1 import assignment_pb2
from sqlalchemy import bindparam, select

from leads import assigning, tables
from leads.domain.assignment.decision import Decision
from leads.domain.assignment.policy import AssignmentDuty, AssignmentPolicy, AssignmentPolicyCreated
from leads.domain.lead import Lead
from leads.rpc.assignees import TRY_NOW

MOST_SIMULATED, MOST_DIFFERENCES = 20_000, 100
DAYS = 30
# Leads that were made while nothing was active wait for somebody to start a run.
SET_ASIDE = "UPDATE assignment_queue SET due_time = NULL WHERE attempts = 0"
Answer = assignment_pb2.SimulateAssignmentPolicyResponse
OF_PERIOD = Query(
    select(tables.leads)
    .where(tables.leads.c.contact_time >= bindparam("start"), tables.leads.c.contact_time < bindparam("end"))
    .order_by(tables.leads.c.contact_time, tables.leads.c.id)
    .limit(MOST_SIMULATED + 1)
)


class Policies:
    async def CreateAssignmentPolicy(
        self, request: assignment_pb2.CreateAssignmentPolicyRequest, work: Work
    ) -> AssignmentPolicy:
        policy = from_message(request.assignment_policy, AssignmentPolicy)
        policy.check(work.context.custom_fields.of(Lead.collection))
        policy.number = await work.next_number("assignment_policy_number")
        work.emit(AssignmentPolicyCreated(assignment_policy=work.add(policy), event_time=work.now))
        return policy

    async def GetAssignmentPolicy(
        self, request: assignment_pb2.GetAssignmentPolicyRequest, work: Work
    ) -> AssignmentPolicy:
        return await work.get(AssignmentPolicy, request.name)

    async def ListAssignmentPolicies(
        self, request: assignment_pb2.ListAssignmentPoliciesRequest, work: Work
    ) -> Page[AssignmentPolicy]:
        return await work.page(AssignmentPolicy, request)

    async def ActivateAssignmentPolicy(
        self, request: assignment_pb2.ActivateAssignmentPolicyRequest, work: Work
    ) -> AssignmentPolicy:
        policy = await work.get(AssignmentPolicy, request.name, request.etag)
        duty = await work.get_or_add(AssignmentDuty())  # two that activate at once: the second looks again
        work.emit(policy.activate(work.now))
        if duty.policy:
            before = await work.get(AssignmentPolicy, duty.policy)
            if before.active:  # else somebody was quicker, and the duty's version says so at the commit
                work.emit(before.deactivate(work.now))
        else:
            await work.execute(SET_ASIDE)
        await work.execute(TRY_NOW)
        duty.policy = policy.name
        return policy

    async def DeactivateAssignmentPolicy(
        self, request: assignment_pb2.DeactivateAssignmentPolicyRequest, work: Work
    ) -> AssignmentPolicy:
        policy = await work.get(AssignmentPolicy, request.name, request.etag)
        duty = await work.get_or_add(AssignmentDuty())
        work.emit(policy.deactivate(work.now))
        if duty.policy == policy.name:
            duty.policy = ""
        return policy

    async def SimulateAssignmentPolicy(
        self, request: assignment_pb2.SimulateAssignmentPolicyRequest, work: Work
    ) -> assignment_pb2.SimulateAssignmentPolicyResponse:
        policy = await work.get(AssignmentPolicy, request.name)
        end = moment(request.end_time, "end_time") if request.HasField("end_time") else work.now
        start = _start(request, end)
        mapper = work.context.mappers[Lead]
        leads: list[Lead] = [mapper.load(row) for row in await work.rows(OF_PERIOD, start=start, end=end)]  # type: ignore[misc]
        if len(leads) > MOST_SIMULATED:
            raise InvalidFields(("start_time", f"the period has more than {MOST_SIMULATED:,} leads; shorten it"))
        return _beside(leads, await assigning.simulated(policy, leads, work))


def _start(request: assignment_pb2.SimulateAssignmentPolicyRequest, end: datetime) -> datetime:
    if request.HasField("start_time"):
        return moment(request.start_time, "start_time")
    try:
        return end - timedelta(days=DAYS)
    except OverflowError as early:
        raise InvalidFields(("end_time", f"lies within {DAYS} days of the beginning of time")) from early


def _beside(leads: Sequence[Lead], decisions: Sequence[Decision]) -> assignment_pb2.SimulateAssignmentPolicyResponse:
    """What would have been, beside what is."""
    simulated = Counter(one.owner for one in decisions)
    actual = Counter(lead.owner for lead in leads)
    people = sorted((set(simulated) | set(actual)) - {""}, key=lambda name: (-simulated[name], -actual[name], name))
    pairs = list(zip(leads, decisions, strict=True))
    differ = [(lead, one) for lead, one in pairs if lead.owner != one.owner]
    return Answer(
        leads=len(leads),
        unassigned=simulated[""],
        different=len(differ),
        shares=[Answer.Share(person=name, simulated=simulated[name], actual=actual[name]) for name in people],
        rules=Counter(one.rule for one in decisions if one.rule),
        differences=[
            Answer.Difference(lead=lead.name, actual_owner=lead.owner, simulated_owner=one.owner, rule=one.rule)
            for lead, one in differ[:MOST_DIFFERENCES]
        ],
    )
