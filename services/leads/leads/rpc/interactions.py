"""Calls about being in touch with leads."""

from chassis.convert import moment
from chassis.work import Page, Work
from crm.leads.v1 import interactions_pb2

from leads import waking
from leads.domain.interaction import Direction, Interaction, InteractionKind, interact
from leads.domain.lead import Lead
from leads.domain.state import CallOutcome, WakeCause


class Interactions:
    async def LogInteraction(self, request: interactions_pb2.LogInteractionRequest, work: Work) -> Interaction:
        lead = await work.get(Lead, request.name, request.etag)
        back = moment(request.call_back_time, "call_back_time") if request.HasField("call_back_time") else None
        interaction = Interaction(
            lead=lead.name,
            kind=InteractionKind(request.kind),
            direction=Direction(request.direction or Direction.OUTBOUND.value),
            outcome=CallOutcome(request.outcome),
            note=request.note,
            interaction_time=work.business_time(request, "interaction_time"),
            call_back_time=back,
        )
        work.emit(interact(lead, work.add(interaction.of(lead, by=work.caller.actor))))
        if not interaction.outbound:
            await waking.wake(lead, WakeCause.ANSWER, interaction.interaction_time, work)
        return interaction

    async def GetInteraction(self, request: interactions_pb2.GetInteractionRequest, work: Work) -> Interaction:
        return await work.get(Interaction, request.name)

    async def ListInteractions(
        self, request: interactions_pb2.ListInteractionsRequest, work: Work
    ) -> Page[Interaction]:
        return await work.page(Interaction, request)
