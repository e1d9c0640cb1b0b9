"""Which lead to turn to next, and why."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from leads.domain.contact_limits import ContactSettings
from leads.domain.response import ResponseState


class Reason(Enum):
    """What a lead waits for, the gravest first."""

    CALL_BACK_DUE = 1
    RESPONSE_OVERDUE = 2
    RESPONSE_DUE = 3
    REPLIED = 4
    STEP_DUE = 5
    NEVER_CONTACTED = 6
    NEGLECTED = 7


WEIGHTS = {
    Reason.CALL_BACK_DUE: 1000,  # a promise
    Reason.RESPONSE_OVERDUE: 900,
    Reason.RESPONSE_DUE: 800,
    Reason.REPLIED: 700,
    Reason.STEP_DUE: 500,
    Reason.NEVER_CONTACTED: 300,
    Reason.NEGLECTED: 200,
}
EACH_OTHER = 10  # fewer than the steps between weights: a grave reason outweighs all lesser ones together
ASKED_FOR = frozenset({Reason.CALL_BACK_DUE, Reason.REPLIED})  # limits do not speak against an answer


@dataclass(frozen=True, kw_only=True)
class LeadAtHand:
    """What is known of an open lead."""

    id: str
    contact_time: datetime
    last_outbound_time: datetime | None = None
    last_inbound_time: datetime | None = None
    call_back_time: datetime | None = None
    clock: ResponseState | None = None
    clock_due: datetime | None = None
    step_due: datetime | None = None  # set if a step of its cadence is to be done now
    contacts: Sequence[datetime] = ()
    score: float = 0.0  # 0: it has none


@dataclass(frozen=True, kw_only=True)
class Why:
    """A reason, and since when (for RESPONSE_DUE: until when)."""

    reason: Reason
    reason_time: datetime


@dataclass(frozen=True, kw_only=True)
class NextLead:
    """A lead that waits, how urgent it is, how promising, and why."""

    id: str
    points: int
    reasons: list[Why]
    score: float = 0.0


def next_leads(leads: Iterable[LeadAtHand], limits: ContactSettings, now: datetime) -> list[NextLead]:
    """Those that wait for something, the most urgent first; of equal ones the most promising, then the longest wait."""
    found = [(lead, reasons) for lead in leads if (reasons := _reasons(lead, limits, now))]
    found.sort(key=lambda one: (-_points(one[1]), -one[0].score, one[1][0].reason_time, one[0].id))
    return [NextLead(id=lead.id, points=_points(why), reasons=why, score=lead.score) for lead, why in found]


def _points(reasons: Sequence[Why]) -> int:
    return WEIGHTS[reasons[0].reason] + EACH_OTHER * (len(reasons) - 1)


def _reasons(lead: LeadAtHand, limits: ContactSettings, now: datetime) -> list[Why]:
    """Why to turn to this lead now, the gravest reason first; none if it is to be left in peace."""
    reasons = sorted(_all_reasons(lead, limits, now), key=lambda why: why.reason.value)
    if lead.call_back_time and lead.call_back_time > now:
        return []
    asked = any(why.reason in ASKED_FOR for why in reasons)
    return reasons if asked or limits.allowed_from(lead.contacts, now) <= now else []


def _all_reasons(lead: LeadAtHand, limits: ContactSettings, now: datetime) -> Iterator[Why]:
    ours, theirs = lead.last_outbound_time, lead.last_inbound_time
    if lead.call_back_time and lead.call_back_time <= now:
        yield Why(reason=Reason.CALL_BACK_DUE, reason_time=lead.call_back_time)
    if lead.clock in (ResponseState.RUNNING, ResponseState.BREACHED) and lead.clock_due:
        overdue = lead.clock is ResponseState.BREACHED or lead.clock_due <= now
        yield Why(reason=Reason.RESPONSE_OVERDUE if overdue else Reason.RESPONSE_DUE, reason_time=lead.clock_due)
    if theirs and (ours is None or ours < theirs):
        yield Why(reason=Reason.REPLIED, reason_time=theirs)
    if lead.step_due:
        yield Why(reason=Reason.STEP_DUE, reason_time=lead.step_due)
    if ours is None:
        yield Why(reason=Reason.NEVER_CONTACTED, reason_time=lead.contact_time)
    neglected = limits.neglected_from(max(filter(None, (ours, theirs)), default=lead.contact_time))
    if neglected and neglected <= now:
        yield Why(reason=Reason.NEGLECTED, reason_time=neglected)
