"""Enrichment: what outside sources know of a lead's company, beside what people typed. People win."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Any, ClassVar

from chassis.values import Record

from leads.domain.delivery import LEASE, MOST_TRIES, wait_after
from leads.domain.lead import Lead

TEXTS = {"company": 200, "region": 100, "country": 2, "language": 35}  # field → most characters
PATTERNS = {"country": re.compile("[A-Z]{2}"), "language": re.compile("[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")}
PERSON = "person"
OWN_DATA = "own_data"  # whoever the lead is about, by their link
SIZE, LABEL = "company_size", "labels."
MOST_LABELS = 50
# Addresses anybody may have tell nothing of a company.
FREE_MAIL = {"gmail.com", "outlook.com", "hotmail.com", "yahoo.com", "icloud.com", "abv.bg", "mail.bg", "sapo.pt"}
FREE_MAIL |= {"qq.com", "163.com", "126.com", "proton.me", "gmx.net"}


class EnrichmentState(Enum):
    WAITING = 1
    DONE = 2
    FAILED = 3


class Outcome(Enum):
    APPLIED = 1
    SAME = 2
    KEPT = 3
    UNFIT = 4


@dataclass(frozen=True, kw_only=True)
class EnrichedField:
    """A value as text, and where it is from."""

    field: str
    value: str
    source: str
    fetch_time: datetime


@dataclass(frozen=True, kw_only=True)
class EnrichmentProposal:
    """What a source says, what the lead says, and what comes of it."""

    found: EnrichedField
    current: str
    outcome: Outcome


@dataclass(kw_only=True)
class LeadEnrichment(Record):
    """Of the lead with the same id: which values are from which source."""

    collection: ClassVar[str] = "leadEnrichments"

    lead: str
    owner: str = ""
    team: str = ""
    state: EnrichmentState = EnrichmentState.WAITING
    fields: list[EnrichedField] = field(default_factory=list)
    tries: int = 0
    due_time: datetime | None = None
    error: str = ""

    @classmethod
    def of(cls, lead: Lead) -> "LeadEnrichment":
        return cls(id=lead.id, lead=lead.name, owner=lead.owner, team=lead.team)

    def propose(self, lead: Lead, found: Sequence[EnrichedField]) -> list[EnrichmentProposal]:
        """What comes of each value: of two sources that know the same field the first wins."""
        before = {one.field: one for one in self.fields}
        proposals, taken = [], set()
        for one in found:
            current = value_of(lead, one.field)
            if not fits(lead, one):
                outcome = Outcome.UNFIT
            elif current == one.value:
                outcome = Outcome.SAME
            elif one.field in taken or _persons(before.get(one.field), current):
                outcome = Outcome.KEPT
            else:
                outcome = Outcome.APPLIED
            if outcome in (Outcome.APPLIED, Outcome.SAME):
                taken.add(one.field)
            proposals.append(EnrichmentProposal(found=one, current=current, outcome=outcome))
        return proposals

    def note(self, proposals: Sequence[EnrichmentProposal], at: datetime) -> "LeadEnriched":
        """The sources were asked: remembers what was filled in. What a person changed since is theirs from now on."""
        before = {one.field: one for one in self.fields}
        mine = dict(before)
        for one in proposals:
            name = one.found.field
            if one.outcome is Outcome.APPLIED:
                mine[name] = one.found
            elif name in before and before[name].value != one.current:
                mine[name] = replace(before[name], source=PERSON, value=one.current, fetch_time=at)
        self.fields = list(mine.values())
        self.state, self.tries, self.due_time, self.error = EnrichmentState.DONE, 0, None, ""
        return LeadEnriched(lead_enrichment=self, event_time=at)

    def said(self, lead: Lead, names: Sequence[str], at: datetime) -> None:
        """Whoever the lead is about said so, also that there is none: no source writes over it."""
        theirs = {
            name: EnrichedField(field=name, value=value_of(lead, name), source=OWN_DATA, fetch_time=at)
            for name in names
        }
        self.fields = list(({one.field: one for one in self.fields} | theirs).values())
        if self.due_time is None and self.state is EnrichmentState.WAITING:
            self.state = EnrichmentState.DONE

    def claim(self, at: datetime) -> None:
        """Somebody begins to ask; if nothing is heard of them, another one may after the lease."""
        self.tries, self.due_time = self.tries + 1, at + LEASE

    def failed(self, errors: Mapping[str, str], at: datetime, tries: int, *, for_good: bool) -> None:
        """Asked again after a while that doubles, unless that is of no use."""
        self.tries, self.error = tries, "; ".join(f"{source}: {error}" for source, error in errors.items())
        if for_good or tries >= MOST_TRIES:
            self.state, self.due_time = EnrichmentState.FAILED, None
        else:
            self.state, self.due_time = EnrichmentState.WAITING, at + wait_after(tries)


@dataclass(frozen=True, kw_only=True)
class LeadEnriched:
    lead_enrichment: LeadEnrichment
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class EnrichmentError:
    source: str
    error: str


@dataclass(frozen=True, kw_only=True)
class Enriched:
    """What asking came to."""

    lead: Lead
    proposals: list[EnrichmentProposal]
    errors: list[EnrichmentError]


def _persons(known: EnrichedField | None, current: str) -> bool:
    """Whether a person said what stands there: sources fill in what is empty and what they filled in themselves."""
    return bool(current) if known is None else known.source in (PERSON, OWN_DATA) or known.value != current


def known(name: str) -> bool:
    """Whether a source may fill in this field: facts of a company, none of a person."""
    return name in TEXTS or name == SIZE or (name.startswith(LABEL) and 0 < len(name) - len(LABEL) <= 63)


def value_of(lead: Lead, name: str) -> str:
    """What a lead says, as text; empty if nothing."""
    if name.startswith(LABEL):
        return lead.labels.get(name.removeprefix(LABEL), "")
    value = getattr(lead, name)
    if value is True:
        return "true"
    return str(value) if value else ""


def fits(lead: Lead, one: EnrichedField) -> bool:
    """Whether it is a value for its field: of the right kind, on one line, not too long."""
    if not one.value or any(not sign.isprintable() for sign in one.value):
        return False
    if one.field == SIZE:
        return one.value.isascii() and one.value.isdigit() and 0 < int(one.value[:10]) <= 10_000_000
    if one.field in PATTERNS and not PATTERNS[one.field].fullmatch(one.value):
        return False
    if one.field.startswith(LABEL):
        key = one.field.removeprefix(LABEL)
        return len(one.value) <= 63 and (key in lead.labels or len(lead.labels) < MOST_LABELS)
    return len(one.value) <= TEXTS[one.field]


def apply(lead: Lead, proposals: Sequence[EnrichmentProposal]) -> list[str]:
    """Fills in what is to be filled in; the names of the lead's fields that changed."""
    changed: dict[str, None] = {}
    for one in proposals:
        if one.outcome is not Outcome.APPLIED:
            continue
        name, value = one.found.field, one.found.value
        if name.startswith(LABEL):
            lead.labels = lead.labels | {name.removeprefix(LABEL): value}
            changed["labels"] = None
        else:
            setattr(lead, name, int(value) if name == SIZE else value)
            changed[name] = None
    return list(changed)


def pointed(document: Any, pointer: str) -> str:
    """The value of a JSON document at a pointer (RFC 6901) as text; empty if there is no plain value."""
    value = found_at(document, pointer)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return " ".join(str(value)[:1000].split())


def found_at(document: Any, pointer: str) -> Any:
    """What stands in a JSON document at a pointer (RFC 6901); None if nothing."""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict):
            document = document.get(key)
        elif isinstance(document, list) and key.isascii() and key.isdigit() and int(key[:6]) < len(document):
            document = document[int(key[:6])]
        else:
            return None
    return document
