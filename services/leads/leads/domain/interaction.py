"""Interactions: calls, visits, chats and messages, from us or to us."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import ClassVar

from chassis.errors import InvalidFields
from chassis.values import Record

from leads.domain.lead import Lead
from leads.domain.state import CallOutcome


class InteractionKind(Enum):
    CALL = 1
    VISIT = 2
    CHAT = 3
    EMAIL = 4
    SMS = 5


class Direction(Enum):
    OUTBOUND = 1
    INBOUND = 2


@dataclass(kw_only=True)
class Interaction(Record):
    """One time of being in touch, or of trying to."""

    collection: ClassVar[str] = "interactions"

    lead: str
    owner: str = ""
    team: str = ""
    journey_id: str = ""
    actor: str = ""
    kind: InteractionKind
    direction: Direction = Direction.OUTBOUND
    outcome: CallOutcome = CallOutcome.OUTCOME_UNSPECIFIED
    note: str = ""
    interaction_time: datetime
    call_back_time: datetime | None = None

    @property
    def outbound(self) -> bool:
        return self.direction is Direction.OUTBOUND

    def of(self, lead: Lead, by: str) -> "Interaction":
        """As part of a lead's story: seen by whoever sees the lead now."""
        self.owner, self.team, self.journey_id, self.actor = lead.owner, lead.team, lead.journey_id, by
        return self

    def check(self) -> None:
        """They may ask to be called back whatever the outcome, but not before they asked."""
        if self.call_back_time and self.call_back_time <= self.interaction_time:
            raise InvalidFields(("call_back_time", "is not after the interaction"))


def interact(lead: Lead, interaction: Interaction) -> "LeadContacted":
    """What it means for the lead: an outbound one is work on it, and a promise to call back holds until the next."""
    interaction.check()
    lead.contacted(interaction.interaction_time, outbound=interaction.outbound)
    if interaction.kind is InteractionKind.CALL and interaction.outbound:
        lead.count_call(interaction.interaction_time)
        lead.called(interaction.outcome)
    if interaction.call_back_time:
        lead.call_back_time = interaction.call_back_time
    return LeadContacted(lead=lead, interaction=interaction, event_time=interaction.interaction_time)


@dataclass(frozen=True, kw_only=True)
class LeadContacted:
    lead: Lead
    interaction: Interaction
    event_time: datetime
