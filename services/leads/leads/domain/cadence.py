"""Cadences: a series of steps to get through to a lead, which ends as soon as there is an answer."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import ClassVar

from chassis.business_time import WorkingTime
from chassis.errors import AlreadyExists, FailedPrecondition, InvalidFields
from chassis.values import Record

from leads.domain.interaction import InteractionKind
from leads.domain.lead import Lead
from leads.domain.response import ResponseTime
from leads.domain.state import LIVE, OPEN, State


class CadenceArchivedAlready(FailedPrecondition):
    "The cadence is archived."


class CadenceNotArchived(FailedPrecondition):
    "The cadence is not archived."


class EnrolmentEnded(FailedPrecondition):
    "The lead went through its cadence already, or was taken out of it."


class InCadenceAlready(AlreadyExists):
    "The lead is in a cadence already; stop that one first."


class LeadNotToBeWorked(FailedPrecondition):
    "Only an open lead that somebody has goes through a cadence."


class CadenceForNurturing(FailedPrecondition):
    "Only a nurtured lead that somebody has goes through a cadence for nurtured leads."


@dataclass(frozen=True, kw_only=True)
class CadenceStep:
    """What is to be done, so long after the step before (or the enrolment), and what it is to bring."""

    kind: InteractionKind
    wait: ResponseTime = field(default_factory=ResponseTime)
    instruction: str = ""
    expected_outcome: str = ""


@dataclass(kw_only=True)
class Cadence(Record):
    """A series of steps."""

    collection: ClassVar[str] = "cadences"

    display_name: str
    archive_time: datetime | None = None
    steps: list[CadenceStep] = field(default_factory=list)
    for_nurturing: bool = False

    def check(self) -> None:
        if not self.steps:
            raise InvalidFields(("cadence.steps", "needs at least one"))

    def archive(self, at: datetime) -> "CadenceArchived":
        if self.archive_time:
            raise CadenceArchivedAlready(name=self.name)
        self.archive_time = at
        return CadenceArchived(cadence=self, event_time=at)

    def restore(self, at: datetime) -> "CadenceRestored":
        if not self.archive_time:
            raise CadenceNotArchived(name=self.name)
        self.archive_time = None
        return CadenceRestored(cadence=self, event_time=at)

    def enrol(self, lead: Lead, at: datetime) -> "CadenceEnrolment":
        """The lead before its first step. It keeps the steps as they are now."""
        if self.archive_time:
            raise CadenceArchivedAlready(name=self.name)
        states = {State.NURTURING} if self.for_nurturing else OPEN
        if lead.state not in states or lead.archive_time or not lead.owner:
            kind = CadenceForNurturing if self.for_nurturing else LeadNotToBeWorked
            raise kind(lead=lead.name, state=lead.state.name)
        return CadenceEnrolment(
            lead=lead.name,
            owner=lead.owner,
            team=lead.team,
            journey_id=lead.journey_id,
            cadence=self.name,
            steps=list(self.steps),
            step_time=at,
            for_nurturing=self.for_nurturing,
        )


class EnrolmentState(Enum):
    ACTIVE = 1
    COMPLETED = 2
    STOPPED = 3


class StopReason(Enum):
    REPLIED = 1
    QUALIFIED = 2
    DISQUALIFIED = 3
    CONVERTED = 4
    CLOSED = 5
    REQUESTED = 6
    MERGED = 7
    WOKEN = 8


@dataclass(kw_only=True)
class CadenceEnrolment(Record):
    """A lead on its way through a cadence. `step` counts the steps that are done."""

    collection: ClassVar[str] = "cadenceEnrolments"

    lead: str
    owner: str = ""
    team: str = ""
    journey_id: str = ""
    state: EnrolmentState = EnrolmentState.ACTIVE
    cadence: str
    steps: list[CadenceStep] = field(default_factory=list)
    step: int = 0
    step_time: datetime
    due_time: datetime | None = None
    due: bool = False
    stop_reason: str = ""
    for_nurturing: bool = False

    @property
    def active(self) -> bool:
        return self.state is EnrolmentState.ACTIVE

    @property
    def current(self) -> CadenceStep:
        return self.steps[self.step]

    def wanted_from(self, hours: WorkingTime) -> datetime:
        """When the current step is to be done, before limits and leave are asked."""
        return hours.due(self.step_time, self.current.wait.duration)

    def fall_due(self, at: datetime) -> "CadenceStepDue":
        self.due = True
        return CadenceStepDue(cadence_enrolment=self, event_time=at)

    def did(self, kind: InteractionKind, at: datetime) -> "CadenceStepDone | CadenceCompleted | None":
        """Somebody was in touch with the lead. None if that is not what this step asks for."""
        if not self.active or kind is not self.current.kind or at < self.step_time:
            return None
        self.step, self.step_time, self.due, self.due_time = self.step + 1, at, False, None
        if self.step < len(self.steps):
            return CadenceStepDone(cadence_enrolment=self, event_time=at)
        self.state = EnrolmentState.COMPLETED
        return CadenceCompleted(cadence_enrolment=self, event_time=at)

    def stop(self, reason: StopReason, at: datetime) -> "CadenceStopped":
        if not self.active:
            raise EnrolmentEnded(name=self.name, state=self.state.name)
        self.state, self.stop_reason, self.due_time, self.due = EnrolmentState.STOPPED, reason.name, None, False
        return CadenceStopped(cadence_enrolment=self, event_time=at)

    def go_along(self, lead: Lead) -> None:
        """It is another lead's: the one that goes on in place of its own, or its own again."""
        self.lead, self.owner, self.team, self.journey_id = lead.name, lead.owner, lead.team, lead.journey_id


def why_stop(lead: Lead, for_nurturing: bool = False) -> StopReason | None:
    """Why a lead as it stands goes through no cadence any more, or through none `for_nurturing`."""
    if lead.state is State.QUALIFIED:
        return StopReason.QUALIFIED
    if lead.state in (State.CONVERTING, State.CONVERTED):
        return StopReason.CONVERTED
    if lead.state is State.DISQUALIFIED:
        return StopReason.DISQUALIFIED
    if lead.archive_time or lead.state not in LIVE:
        return StopReason.CLOSED
    if for_nurturing:
        return None if lead.state is State.NURTURING else StopReason.WOKEN
    return StopReason.CLOSED if lead.state is State.NURTURING else None


@dataclass(frozen=True, kw_only=True)
class CadenceCreated:
    cadence: Cadence
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class CadenceUpdated:
    cadence: Cadence
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class CadenceArchived:
    cadence: Cadence
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class CadenceRestored:
    cadence: Cadence
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadEnrolled:
    cadence_enrolment: CadenceEnrolment
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class CadenceStepDue:
    cadence_enrolment: CadenceEnrolment
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class CadenceStepDone:
    cadence_enrolment: CadenceEnrolment
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class CadenceCompleted:
    cadence_enrolment: CadenceEnrolment
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class CadenceStopped:
    cadence_enrolment: CadenceEnrolment
    event_time: datetime
