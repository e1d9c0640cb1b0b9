"""What scores know of a lead."""

from collections.abc import Container, Iterator, Mapping
from datetime import datetime, tzinfo
from typing import Any

from leads.domain.lead import Lead

LABEL, CUSTOM = "labels.", "custom."
TAGGED = "yes"  # what a label says that says nothing: it is there
TIMES = ("contact_time", "assign_time", "last_call_time", "last_outbound_time", "last_inbound_time")


def facts(lead: Lead, zone: tzinfo) -> dict[str, Any]:
    """What rules may ask of a lead: `KNOWN`, `labels.…` and `custom.…`. Days and hours are those of `zone`."""
    return {
        **first_facts(lead, zone),
        "company": lead.company,
        "email_domain": lead.email.rpartition("@")[2],
        "team": lead.team,
        "call_count": lead.call_count,
        "recycle_count": lead.recycle_count,
        "has_replied": lead.last_inbound_time is not None,
        **{f"{CUSTOM}{slug}": value for slug, value in lead.custom.items()},
    }


def first_facts(lead: Lead, zone: tzinfo, without: Container[str] = ()) -> dict[str, Any]:
    """What is known of a lead when it comes. What working it brings is not among it: state, owner, calls, answers, its
    account, reasons, later times. Nor is what names it: a domain of one's own is a person's. `without`: slugs of the
    company's own fields that shall not be among it either."""
    at = lead.contact_time.astimezone(zone) if lead.contact_time else None
    return {
        "channel": lead.channel,
        "landing_page": lead.landing_page,
        "country": lead.country,
        "region": lead.region,
        "language": lead.language,
        "product": lead.product,
        "company_size": lead.company_size or None,
        "has_company": bool(lead.company),
        "has_email": bool(lead.email),
        "has_phone": bool(lead.phone),
        "has_note": bool(lead.note),
        "weekday": at.isoweekday() if at else None,
        "hour": at.hour if at else None,
        **{f"{LABEL}{name}": value or TAGGED for name, value in lead.labels.items()},
        **{name: value for slug in lead.custom if slug not in without for name, value in _own(slug, lead)},
    }


def _own(slug: str, lead: Lead) -> Iterator[tuple[str, Any]]:
    """A value of one of the company's own fields; of several values each is a fact of its own."""
    value = lead.custom[slug]
    if isinstance(value, list):
        yield from ((f"{CUSTOM}{slug}.{one}", True) for one in value)
    else:
        yield f"{CUSTOM}{slug}", value


def times(lead: Lead) -> Mapping[str, datetime | None]:
    """The times since which points may fade."""
    return {name: getattr(lead, name) for name in TIMES}


KNOWN = frozenset(
    {
        *("channel", "landing_page", "country", "region", "language", "product", "company_size", "weekday", "hour"),
        *("has_company", "has_email", "has_phone", "has_note", "has_replied"),
        *("company", "email_domain", "team", "call_count", "recycle_count"),
    }
)
