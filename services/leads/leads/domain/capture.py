"""Captures: what came in about somebody who may buy, and what became of it."""

from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import Enum
from typing import ClassVar

from chassis.errors import FailedPrecondition
from chassis.values import Record

LONGEST_RECEIVED, LONGEST_NOTE = 20_000, 10_000


class CaptureTaken(FailedPrecondition):
    "It was taken in already."


class Kind(Enum):
    QUICK_ENTRY = 1
    WEB_FORM = 2
    CHAT = 3
    EMAIL = 4
    REFERRAL = 5
    FEEDBACK = 6
    PROSPECT = 7


class CaptureState(Enum):
    CREATED = 1
    ADDED = 2
    REFUSED = 3


@dataclass(kw_only=True)
class LeadFields:
    """What a capture says of a lead."""

    display_name: str = ""
    company: str = ""
    email: str = ""
    phone: str = ""
    note: str = ""
    channel: str = ""
    landing_page: str = ""
    country: str = ""
    language: str = ""
    product: str = ""


FIELDS = [item.name for item in fields(LeadFields)]


@dataclass(kw_only=True)
class Capture(LeadFields, Record):
    """Something that came in, and what was read out of it. `capture_key` is how whoever sent it knows it again."""

    collection: ClassVar[str] = "captures"

    kind: Kind
    state: CaptureState = CaptureState.REFUSED
    owner: str = ""
    team: str = ""
    journey_id: str = ""
    reason: str = ""
    lead: str = ""
    capture_key: str | None = None
    page_url: str = ""
    referrer_url: str = ""
    campaign: dict[str, str] = field(default_factory=dict)
    referred_by: str = ""
    message_id: str = ""
    received: str = ""
    contact_time: datetime | None = None
    material_link: str = ""

    def fill(self, given: LeadFields) -> None:
        """What is given wins; what is empty leaves what was read."""
        for name in FIELDS:
            if value := getattr(given, name).strip():
                setattr(self, name, value)

    @property
    def called(self) -> str:
        """What to call a lead of it: by name, else by what there is."""
        return self.display_name or self.company or self.email or self.phone

    @property
    def missing(self) -> str:
        """Why no lead can be made of it; empty if one can. What somebody typed or chose himself, or a customer said, is
        worth keeping without a way to reach them; who writes through a machine can be asked for one."""
        reachable = bool(self.email or self.phone)
        if self.kind in (Kind.QUICK_ENTRY, Kind.REFERRAL, Kind.FEEDBACK, Kind.PROSPECT):
            return "" if self.called else "display_name: says neither who it is nor how to reach them"
        return "" if reachable else "phone: has neither a phone number nor an e-mail address"

    def check_open(self) -> None:
        if self.state is not CaptureState.REFUSED:
            raise CaptureTaken(capture=self.name, lead=self.lead)

    def take(self, lead: str, owner: str, team: str, journey_id: str, *, new: bool, at: datetime) -> "LeadCaptured":
        """It became this lead, or was added to it."""
        self.state, self.reason = CaptureState.CREATED if new else CaptureState.ADDED, ""
        self.lead, self.owner, self.team, self.journey_id = lead, owner, team, journey_id
        return LeadCaptured(capture=self, event_time=self.contact_time or at)

    def refuse(self, reason: str, at: datetime) -> "CaptureRefused":
        self.state, self.reason = CaptureState.REFUSED, reason
        return CaptureRefused(capture=self, event_time=at)


@dataclass(frozen=True, kw_only=True)
class LeadCaptured:
    capture: Capture
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class CaptureRefused:
    capture: Capture
    event_time: datetime
