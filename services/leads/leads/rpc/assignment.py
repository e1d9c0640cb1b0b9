"""Who works a lead."""

from chassis.errors import InvalidFields
from chassis.work import Work
from crm.leads.v1 import leads_pb2

from leads import assigning
from leads.domain.assignment.policy import AssignmentPolicy, LeadFacts, Rule, Strategy
from leads.domain.assignment.turns import Turn
from leads.domain.lead import Lead
from leads.domain.rotation import Rotation


class Assignment:
    async def AssignLead(self, request: leads_pb2.AssignLeadRequest, work: Work) -> Lead:
        if bool(request.owner) == bool(request.team):
            raise InvalidFields(("owner", "name either an owner or a team"))
        lead = await work.get(Lead, request.name, request.etag)
        at = work.business_time(request, "assign_time")
        if request.owner:
            owner = await work.responsible(request.owner, "owner")
        else:
            owner = await work.responsible(await _next_in_turn(request.team, work), "team")
        work.emit(lead.assign(owner.name, owner.team, at))
        return lead


async def _next_in_turn(team: str, work: Work) -> str:
    """Round robin among the people of a team who take leads now."""
    rotation = await work.get_or_add(Rotation(id=team.removeprefix("teams/")))
    turns = {team: Turn(last=rotation.last)}
    in_turn = Rule(rule=team, teams=[team], strategy=Strategy.ROUND_ROBIN)
    policy, asked = AssignmentPolicy(id=team, display_name=team, rules=[in_turn]), LeadFacts(lead="", at=work.now)
    by = await assigning.assigner(policy, [asked], work, turns)
    rotation.give(by.decide(asked).owner)
    return rotation.last
