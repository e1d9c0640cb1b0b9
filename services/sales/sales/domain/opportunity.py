"""Opportunities: deals that may be won, the stages they pass, and how they end."""

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import Enum
from typing import ClassVar

from chassis.custom_values import Values
from chassis.errors import FailedPrecondition
from chassis.values import CustomerRecord, Money

from sales.domain.archive import bring_back, put_away
from sales.domain.pipeline import Pipeline, Stage


class OpportunityClosed(FailedPrecondition):
    "The deal was already won or lost."


class AlreadyInStage(FailedPrecondition):
    "The deal is in this stage already."


class State(Enum):
    OPEN = 1
    WON = 2
    LOST = 3


@dataclass(frozen=True, kw_only=True)
class StageEntry:
    """A stay in a stage. Times are business times: a leave may lie before its enter, and is shown as it was told."""

    stage: str
    enter_time: datetime
    leave_time: datetime | None = None
    actor: str


@dataclass(kw_only=True)
class Opportunity(CustomerRecord):
    """A deal with an account. Only Win and Lose close it.

    `stage_history` has no gaps: each entry was left at the moment the next was entered. While the deal is open the
    last entry lasts; the end of the deal ends it.
    """

    collection: ClassVar[str] = "opportunities"

    display_name: str
    account: str
    archive_time: datetime | None = None
    labels: dict[str, str] = field(default_factory=dict)
    state: State = State.OPEN
    contact: str = ""
    lead: str = ""
    pipeline: str = Pipeline.DEFAULT
    stage: str = ""
    probability: float = 0.0
    amount: Money | None = None
    close_date: date | None = None
    stage_history: list[StageEntry] = field(default_factory=list)
    close_time: datetime | None = None
    lose_reason: str = ""
    channel: str = ""
    custom: Values = field(default_factory=dict)

    def open(self, stage: Stage, actor: str, at: datetime) -> "OpportunityCreated":
        self._enter(stage, actor, at)
        return OpportunityCreated(opportunity=self, event_time=at)

    def advance(self, stage: Stage, actor: str, note: str, at: datetime) -> "OpportunityAdvanced":
        """Forward or back, to any other stage of the pipeline."""
        self.require_open()
        if stage.stage == self.stage:
            raise AlreadyInStage(opportunity=self.name, stage=self.stage, state=self.state.name)
        previous = self.stage
        self._leave(at)
        self._enter(stage, actor, at)
        return OpportunityAdvanced(opportunity=self, previous_stage=previous, note=note, event_time=at)

    def win(self, amount: Money | None, account_display_name: str, note: str, at: datetime) -> "OpportunityWon":
        """For `amount`, else for the amount it has."""
        self._close(State.WON, probability=1.0, at=at)
        self.amount = amount or self.amount
        return OpportunityWon(opportunity=self, account_display_name=account_display_name, note=note, event_time=at)

    def lose(self, reason: str, note: str, at: datetime) -> "OpportunityLost":
        self._close(State.LOST, probability=0.0, at=at)
        self.lose_reason = reason
        return OpportunityLost(opportunity=self, note=note, event_time=at)

    def archive(self, at: datetime) -> "OpportunityArchived":
        put_away(self, at)
        return OpportunityArchived(opportunity=self, event_time=at)

    def restore(self, at: datetime) -> "OpportunityRestored":
        bring_back(self)
        return OpportunityRestored(opportunity=self, event_time=at)

    def require_open(self) -> None:
        if self.state is not State.OPEN:
            raise OpportunityClosed(opportunity=self.name, state=self.state.name)

    def _close(self, state: State, probability: float, at: datetime) -> None:
        self.require_open()
        self._leave(at)
        self.state, self.probability, self.close_time = state, probability, at

    def _enter(self, stage: Stage, actor: str, at: datetime) -> None:
        self.stage, self.probability = stage.stage, stage.probability
        self.stage_history = [*self.stage_history, StageEntry(stage=stage.stage, enter_time=at, actor=actor)]

    def _leave(self, at: datetime) -> None:
        self.stage_history = [*self.stage_history[:-1], replace(self.stage_history[-1], leave_time=at)]


@dataclass(frozen=True, kw_only=True)
class OpportunityCreated:
    opportunity: Opportunity
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class OpportunityUpdated:
    opportunity: Opportunity
    fields: list[str]
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class OpportunityAdvanced:
    opportunity: Opportunity
    previous_stage: str
    note: str
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class OpportunityWon:
    opportunity: Opportunity
    account_display_name: str
    note: str
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class OpportunityLost:
    opportunity: Opportunity
    note: str
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class OpportunityArchived:
    opportunity: Opportunity
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class OpportunityRestored:
    opportunity: Opportunity
    event_time: datetime
