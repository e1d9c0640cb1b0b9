"""Leads: people who may buy, and the rules that decide which deserve a salesperson's time."""

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from chassis.custom_values import Values
from chassis.errors import FailedPrecondition
from chassis.values import CustomerRecord, new_id

from leads.domain.duplicate import match_keys
from leads.domain.settings import NurturePlan, Requirement
from leads.domain.state import (
    LIVE,
    OPEN,
    REFUSAL,
    CallOutcome,
    ChecklistNotMet,
    LeadArchivedAlready,
    LeadClosed,
    LeadConverting,
    LeadNotArchived,
    LeadNotAssigned,
    LeadNotDisqualified,
    LeadNotInHand,
    LeadNotNurturing,
    NurturedTooOften,
    State,
    WakeCause,
)

# How it came in, if by a link to a material: the link, and what that says.
MATERIAL = ("material_link", "material", "shared_by")


@dataclass(kw_only=True)
class Lead(CustomerRecord):
    """A person or company that may buy."""

    collection: ClassVar[str] = "leads"

    display_name: str
    archive_time: datetime | None = None
    labels: dict[str, str] = field(default_factory=dict)
    state: State = State.NEW
    company: str = ""
    email: str = ""
    phone: str = ""
    phone_digits: str = ""
    channel: str = ""
    landing_page: str = ""
    note: str = ""
    contact_time: datetime | None = None
    assign_time: datetime | None = None
    last_call_time: datetime | None = None
    qualify_time: datetime | None = None
    close_time: datetime | None = None
    disqualify_reason: str = ""
    account: str = ""
    contact: str = ""
    opportunity: str = ""
    call_count: int = 0
    merged_into: str = ""
    mql_time: datetime | None = None
    sal_time: datetime | None = None
    sql_time: datetime | None = None
    work_time: datetime | None = None
    nurture_until: datetime | None = None
    nurture_plan: str = ""
    nurture_reason: str = ""
    nurture_count: int = 0
    rejected_by: list[str] = field(default_factory=list)
    recycle_count: int = 0
    conversion_undo_until: datetime | None = None
    undone_conversions: int = 0
    country: str = ""
    region: str = ""
    language: str = ""
    product: str = ""
    company_size: int = 0
    last_outbound_time: datetime | None = None
    last_inbound_time: datetime | None = None
    call_back_time: datetime | None = None
    do_not_call: bool = False
    wrong_phone: str = ""
    phone_e164: str = ""
    match_keys: list[str] = field(default_factory=list)
    custom: Values = field(default_factory=dict)
    material_link: str = ""
    material: str = ""
    shared_by: str = ""
    nurture_path: str = ""

    def normalise(self) -> None:
        """What can be compared is stored in one spelling; what people typed as a phone number is kept beside."""
        self.email = self.email.strip().lower()
        self.country = self.country.upper()
        self.phone_digits = re.sub(r"\D", "", self.phone_e164 or self.phone)
        if self.channel and "/" not in self.channel:
            self.channel = f"channels/{self.channel}"
        self.journey_id = self.journey_id or new_id()
        self.match_keys = match_keys(self)

    @property
    def waits(self) -> bool:
        """Whether nobody has it, and somebody should."""
        return self.state is State.NEW and not self.owner and not self.archive_time

    def assign(self, owner: str, team: str, at: datetime, policy: str = "", rule: str = "") -> "LeadAssigned":
        """A nurtured lead keeps its peace: it wakes for its new owner."""
        self.require(LIVE)
        previous = self.owner if self.assign_time else ""  # an owner named at its making had nobody before
        self.owner, self.team, self.assign_time = owner, team, at
        self.mql_time = self.mql_time or at
        self._worked(at)
        if self.state is State.NEW:
            self.state = State.ASSIGNED
        return LeadAssigned(lead=self, previous_owner=previous, policy=policy, rule=rule, event_time=at)

    def accept(self, at: datetime) -> "LeadAccepted":
        self.require({State.ASSIGNED}, otherwise=LeadNotAssigned)
        self._take_on(at)
        return LeadAccepted(lead=self, event_time=at)

    def reject(self, reason: str, note: str, at: datetime) -> "LeadRejected":
        self.require({State.ASSIGNED}, otherwise=LeadNotAssigned)
        previous = self._pass_on()
        return LeadRejected(lead=self, previous_owner=previous, reason=reason, note=note, event_time=at)

    def recycle(self, note: str, at: datetime) -> "LeadRecycled":
        self.require({State.ASSIGNED, State.WORKING}, otherwise=LeadNotInHand)
        idle_since = self.idle_since
        previous = self._pass_on()
        self.recycle_count += 1
        return LeadRecycled(lead=self, previous_owner=previous, idle_since=idle_since, note=note, event_time=at)

    def log_call(self, outcome: CallOutcome, note: str, at: datetime) -> "LeadCalled":
        self.contacted(at, outbound=True)
        self.count_call(at)
        self.called(outcome)
        return LeadCalled(lead=self, outcome=outcome, note=note, event_time=at)

    def count_call(self, at: datetime) -> None:
        self.call_count += 1
        self.last_call_time = max(at, self.last_call_time or at)

    def called(self, outcome: CallOutcome) -> None:
        """Whether the number is theirs."""
        if outcome is CallOutcome.WRONG_NUMBER:
            self.wrong_phone = self.phone
        elif outcome is CallOutcome.REACHED and self.wrong_phone == self.phone:
            self.wrong_phone = ""

    def contacted(self, at: datetime, *, outbound: bool) -> None:
        """Somebody was in touch. If we began, that is work on the lead."""
        self.require(LIVE)
        if not outbound:
            self.last_inbound_time = max(at, self.last_inbound_time or at)
            return
        self.last_outbound_time, self.call_back_time = max(at, self.last_outbound_time or at), None
        if self.state in (State.NEW, State.ASSIGNED):
            self._take_on(at)
        self._worked(at)

    def qualify(self, checklist: Sequence[Requirement], note: str, at: datetime) -> "LeadQualified":
        self.require(OPEN)
        missing = [item.name for item in checklist if not item.met_by(self, note)]
        if missing:
            raise ChecklistNotMet(lead=self.name, missing=", ".join(missing))
        self.state, self.qualify_time = State.QUALIFIED, at
        self.sql_time = self.sql_time or at
        self._worked(at)
        return LeadQualified(lead=self, note=note, event_time=at)

    def disqualify(self, reason: str, note: str, at: datetime) -> "LeadDisqualified":
        self.require(LIVE)
        self._end_nurture()
        self.state, self.disqualify_reason, self.close_time = State.DISQUALIFIED, reason, at
        return LeadDisqualified(lead=self, note=note, event_time=at)

    def reopen(self, note: str, owner_is_active: bool, at: datetime) -> "LeadReopened":
        if self.state is not State.DISQUALIFIED:
            self.require(frozenset(), otherwise=LeadNotDisqualified)
        reason, self.disqualify_reason, self.close_time = self.disqualify_reason, "", None
        previous = self._put_in_hand(owner_is_active, at)
        return LeadReopened(lead=self, previous_reason=reason, previous_owner=previous, note=note, event_time=at)

    def nurture(
        self,
        until: datetime,
        plan: NurturePlan | None,
        reason: str,
        note: str,
        limit: int,
        at: datetime,
        path: str = "",
    ) -> "LeadNurtured":
        """`limit`: how many times it may be, 0 for no limit."""
        self.require(OPEN)
        if limit and self.nurture_count >= limit:
            raise NurturedTooOften(lead=self.name, state=self.state.name, times=self.nurture_count)
        self.state, self.nurture_until, self.nurture_reason = State.NURTURING, until, reason
        self.nurture_plan, self.nurture_path = plan.plan if plan else "", path
        self.nurture_count += 1
        self._worked(at)
        return LeadNurtured(lead=self, note=note, event_time=at)

    def wake(self, cause: WakeCause, note: str, owner_is_active: bool, at: datetime) -> "LeadWoken":
        if self.state is not State.NURTURING:
            self.require(frozenset(), otherwise=LeadNotNurturing)
        self._end_nurture()
        previous = self._put_in_hand(owner_is_active, at)
        return LeadWoken(lead=self, cause=cause, previous_owner=previous, note=note, event_time=at)

    def archive(self, at: datetime) -> "LeadArchived":
        if self.archive_time:
            raise LeadArchivedAlready(lead=self.name)
        if self.state is State.CONVERTING:
            raise LeadConverting(lead=self.name, state=self.state.name)
        self.archive_time = at
        return LeadArchived(lead=self, event_time=at)

    def restore(self, at: datetime) -> "LeadRestored":
        if not self.archive_time:
            raise LeadNotArchived(lead=self.name)
        self.archive_time = None
        return LeadRestored(lead=self, event_time=at)

    @property
    def idle_since(self) -> datetime | None:
        """When somebody last did something for it. Releases before this one kept no `work_time`."""
        times = (self.work_time, self.last_call_time, self.assign_time, self.create_time)
        return max((one for one in times if one), default=None)

    def require(self, allowed: Set[State], otherwise: type[FailedPrecondition] = LeadClosed) -> None:
        """Refuses unless it is in one of these states: for what keeps it out of reach, else as `otherwise` says."""
        if self.state not in allowed:
            kind = REFUSAL.get(self.state, otherwise)
            merged = {"merged_into": self.merged_into} if self.merged_into else {}
            raise kind(lead=self.name, state=self.state.name, **merged)

    def _worked(self, at: datetime) -> None:
        self.work_time = max(at, self.work_time or at)

    def _take_on(self, at: datetime) -> None:
        self.state, self.rejected_by = State.WORKING, []
        self.sal_time = self.sal_time or at
        self._worked(at)

    def _give_back(self) -> str:
        """To the queue of its team; whose it was."""
        previous, self.owner, self.assign_time = self.owner, "", None
        self.state = State.NEW
        return previous

    def _pass_on(self) -> str:
        """To the queue of its team, for somebody else; whose it was."""
        previous = self._give_back()
        self.rejected_by = sorted({*self.rejected_by, previous} - {""})
        return previous

    def _put_in_hand(self, owner_is_active: bool, at: datetime) -> str:
        """Back to its owner, or to the queue of its team if there is none any more; whose it was."""
        self._worked(at)
        if not owner_is_active:
            return self._give_back()
        self.state = State.ASSIGNED
        return self.owner

    def _end_nurture(self) -> None:
        self.nurture_until, self.nurture_plan, self.nurture_path, self.nurture_reason = None, "", "", ""


@dataclass(frozen=True, kw_only=True)
class LeadCreated:
    lead: Lead
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadUpdated:
    lead: Lead
    fields: list[str]
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadArchived:
    lead: Lead
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadRestored:
    lead: Lead
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadAssigned:
    lead: Lead
    previous_owner: str
    policy: str
    rule: str
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadCalled:
    lead: Lead
    outcome: CallOutcome
    note: str
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadQualified:
    lead: Lead
    note: str
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadDisqualified:
    lead: Lead
    note: str
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadAccepted:
    lead: Lead
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadRejected:
    lead: Lead
    previous_owner: str
    reason: str
    note: str
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadRecycled:
    lead: Lead
    previous_owner: str
    idle_since: datetime | None
    note: str
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadNurtured:
    lead: Lead
    note: str
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadWoken:
    lead: Lead
    cause: WakeCause
    previous_owner: str
    note: str
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadReopened:
    lead: Lead
    previous_reason: str
    previous_owner: str
    note: str
    event_time: datetime
