"""Activities: what is to be done by when, and the outcome it should have."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import ClassVar

from chassis.errors import FailedPrecondition
from chassis.values import CustomerRecord

FOLLOW_UP_WITHIN = timedelta(days=1)  # of being given a lead: later, most have bought elsewhere


class ActivityClosed(FailedPrecondition):
    "The activity was already done or cancelled."


class State(Enum):
    PLANNED = 1
    DONE = 2
    CANCELLED = 3


class Kind(Enum):
    KIND_UNSPECIFIED = 0
    TASK = 1
    CALL = 2
    MEETING = 3
    EMAIL = 4
    VISIT = 5


@dataclass(frozen=True, kw_only=True)
class Merged:
    """A merge that an activity went along with: which lead it was about. `cancelled`: nobody needed it any more."""

    lead: str
    journey_id: str
    cancelled: bool = False


@dataclass(kw_only=True)
class Activity(CustomerRecord):
    """Something to do about `subject`. `follow_up`: planned by the suite itself, for a lead's new assignee."""

    collection: ClassVar[str] = "activities"

    display_name: str
    subject: str
    due_time: datetime
    expected_outcome: str
    labels: dict[str, str] = field(default_factory=dict)
    state: State = State.PLANNED
    kind: Kind = Kind.TASK
    outcome: str = ""
    close_time: datetime | None = None
    note: str = ""
    follow_up: bool = False
    lead: str = ""
    merges: list[Merged] = field(default_factory=list)

    def normalise(self) -> None:
        if self.kind is Kind.KIND_UNSPECIFIED:
            self.kind = Kind.TASK

    def complete(self, outcome: str, at: datetime) -> "ActivityCompleted":
        self.require_planned()
        self.state, self.outcome, self.close_time = State.DONE, outcome, at
        return ActivityCompleted(activity=self, event_time=at)

    def cancel(self, note: str, at: datetime) -> "ActivityCancelled":
        self.require_planned()
        self.state, self.close_time = State.CANCELLED, at
        return ActivityCancelled(activity=self, note=note, event_time=at)

    def come_along(self, subject: str, lead: str, at: datetime) -> "ActivityUpdated":
        """What was about a lead is about what the lead became; done or not."""
        self.subject, self.lead = subject, lead
        return ActivityUpdated(activity=self, fields=["subject", "lead"], event_time=at)

    def go_back(self, at: datetime) -> "ActivityUpdated":
        """The conversion was taken back: it is about the lead again."""
        self.subject, self.lead = self.lead, ""
        return ActivityUpdated(activity=self, fields=["subject", "lead"], event_time=at)

    def follow_merge(self, subject: str, journey_id: str, at: datetime, *, needless: bool) -> "ActivityUpdated":
        """It is about the lead that goes on in place of its own; done or not."""
        cancelled = needless and self.state is State.PLANNED
        self.merges = [*self.merges, Merged(lead=self.subject, journey_id=self.journey_id, cancelled=cancelled)]
        self.subject, self.journey_id = subject, journey_id
        if cancelled:
            self.state, self.close_time = State.CANCELLED, at
        return ActivityUpdated(activity=self, fields=["subject"], event_time=at)

    def undo_merge(self, at: datetime) -> "ActivityUpdated":
        """The merge was undone: it is about its own lead again."""
        *self.merges, last = self.merges
        self.subject, self.journey_id, self.lead = (
            last.lead,
            last.journey_id,
            "",
        )  # no conversion of the other's takes it
        if last.cancelled and self.state is State.CANCELLED:
            self.state, self.close_time = State.PLANNED, None
        return ActivityUpdated(activity=self, fields=["subject"], event_time=at)

    def require_planned(self) -> None:
        if self.state is not State.PLANNED:
            raise ActivityClosed(activity=self.name, state=self.state.name)


def first_call(activity_id: str, lead: str, owner: str, team: str, journey_id: str, assigned: datetime) -> Activity:
    """What the new assignee of a lead is to do."""
    return Activity(
        id=activity_id,
        display_name="First call",
        subject=lead,
        owner=owner,
        team=team,
        journey_id=journey_id,
        kind=Kind.CALL,
        due_time=assigned + FOLLOW_UP_WITHIN,
        expected_outcome="First conversation held",
        follow_up=True,
    )


@dataclass(frozen=True, kw_only=True)
class ActivityPlanned:
    activity: Activity
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class ActivityUpdated:
    activity: Activity
    fields: list[str]
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class ActivityCompleted:
    activity: Activity
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class ActivityCancelled:
    activity: Activity
    note: str
    event_time: datetime
