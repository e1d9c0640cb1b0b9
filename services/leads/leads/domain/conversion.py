"""Conversion: how a lead becomes an account, a contact and an opportunity, and when that is taken back."""

from dataclasses import dataclass
from datetime import datetime

from leads.domain.lead import Lead
from leads.domain.state import ConversionIsFinal, LeadNotConverted, LeadNotQualified, State


def require_qualified(lead: Lead) -> None:
    lead.require({State.QUALIFIED}, otherwise=LeadNotQualified)


def start(lead: Lead, at: datetime) -> "LeadConversionStarted":
    require_qualified(lead)
    lead.state = State.CONVERTING
    return LeadConversionStarted(lead=lead, event_time=at)


def finish(lead: Lead, names: "Names", undo_until: datetime | None, at: datetime) -> "LeadConverted":
    """`undo_until`: until when it can be taken back, None for never."""
    lead.state, lead.close_time, lead.conversion_undo_until = State.CONVERTED, at, undo_until
    lead.account, lead.contact, lead.opportunity = names.account, names.contact, names.opportunity
    return LeadConverted(lead=lead, event_time=at)


def abandon(lead: Lead, reason: str, at: datetime) -> "LeadConversionAbandoned":
    """Sales refused for good: the lead is qualified again and can be converted another way."""
    lead.state = State.QUALIFIED
    return LeadConversionAbandoned(lead=lead, reason=reason, event_time=at)


def require_undoable(lead: Lead, at: datetime) -> None:
    """Whether its conversion may be taken back now, as far as the lead itself knows."""
    if lead.state is not State.CONVERTED:
        raise LeadNotConverted(lead=lead.name, state=lead.state.name)
    until = lead.conversion_undo_until
    if until is None or until < at:
        raise ConversionIsFinal(lead=lead.name, **({"until": until.isoformat()} if until else {}))


def undo(lead: Lead, note: str, at: datetime) -> "LeadConversionUndone":
    """The lead is as before it was converted; the event tells what it had become."""
    was = {"account": lead.account, "contact": lead.contact, "opportunity": lead.opportunity}
    lead.state, lead.close_time, lead.conversion_undo_until = State.QUALIFIED, None, None
    lead.account = lead.contact = lead.opportunity = ""
    lead.undone_conversions += 1
    return LeadConversionUndone(lead=lead, note=note, event_time=at, **was)


@dataclass(frozen=True, kw_only=True)
class Names:
    """What a lead became; the opportunity is empty if there is none."""

    account: str
    contact: str
    opportunity: str = ""


@dataclass(frozen=True, kw_only=True)
class LeadConversionStarted:
    lead: Lead
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadConversionAbandoned:
    lead: Lead
    reason: str
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadConverted:
    lead: Lead
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadConversionUndone:
    lead: Lead
    account: str
    contact: str
    opportunity: str
    note: str
    event_time: datetime
