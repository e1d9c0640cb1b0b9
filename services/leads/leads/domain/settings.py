"""What the company asks of its leads."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from chassis.errors import InvalidFields
from chassis.values import Record

if TYPE_CHECKING:
    from leads.domain.lead import Lead

LONGEST_NURTURE = timedelta(days=3650)


class Requirement(Enum):
    """Something a lead must have before it may be qualified."""

    OWNER = 1
    EMAIL = 2
    PHONE = 3
    COMPANY = 4
    CALL = 5
    NOTE = 6

    def met_by(self, lead: "Lead", note: str) -> bool:
        """`note`: what is said while it is qualified."""
        return {
            Requirement.OWNER: bool(lead.owner),
            Requirement.EMAIL: bool(lead.email),
            Requirement.PHONE: bool(lead.phone),
            Requirement.COMPANY: bool(lead.company),
            Requirement.CALL: lead.call_count > 0,
            Requirement.NOTE: bool(lead.note or note),
        }[self]


@dataclass(frozen=True, kw_only=True)
class NurturePlan:
    """A way to nurture leads: for so many days."""

    plan: str
    display_name: str = ""
    days: int


@dataclass(kw_only=True)
class LeadSettings(Record):
    """What the company asks of its leads. There is one."""

    collection: ClassVar[str] = "leadSettings"
    ID: ClassVar[str] = "settings"

    id: str = ID
    qualification_checklist: list[Requirement] = field(default_factory=lambda: [Requirement.OWNER])
    disqualify_reasons: list[str] = field(default_factory=list)
    nurture_plans: list[NurturePlan] = field(default_factory=list)
    nurture_limit: int = 0
    recycle_after_days: int = 0
    conversion_undo_days: int = 30
    merge_undo_days: int = 30
    wake_bands: list[str] = field(default_factory=list)

    def plan(self, slug: str) -> NurturePlan | None:
        """The plan of that slug, None for no slug; InvalidFields if there is none."""
        if not slug:
            return None
        found = next((plan for plan in self.nurture_plans if plan.plan == slug), None)
        if found is None:
            raise InvalidFields(("plan", f"is none of {', '.join(plan.plan for plan in self.nurture_plans) or 'none'}"))
        return found

    def nurture_until(self, asked: datetime | None, plan: NurturePlan | None, now: datetime) -> datetime:
        """The day asked for, else the plan's; InvalidFields if there is neither, or if it is past or too far."""
        until = asked or (now + timedelta(days=plan.days) if plan else None)
        if until is None:
            raise InvalidFields(("nurture_until", "name a day or a plan"))
        if not now < until <= now + LONGEST_NURTURE:
            raise InvalidFields(("nurture_until", f"lies not within the next {LONGEST_NURTURE.days} days"))
        return until

    def check_reason(self, reason: str) -> None:
        if self.disqualify_reasons and reason not in self.disqualify_reasons:
            raise InvalidFields(("reason", f"is none of {', '.join(self.disqualify_reasons)}"))


@dataclass(frozen=True, kw_only=True)
class LeadSettingsUpdated:
    lead_settings: LeadSettings
    fields: list[str]
    event_time: datetime
