"""Prospects: companies that a source told of, and whom to talk to there, until somebody decides about them."""

import hashlib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, ClassVar
from urllib.parse import urlsplit

from chassis.errors import FailedPrecondition, InvalidArgument
from chassis.values import Record

from leads.domain.account_key import account_key
from leads.domain.capture import Capture, Kind
from leads.domain.duplicate import DuplicateVerdict, Evidence
from leads.domain.enrichment import found_at

TEXTS = {"company": 200, "region": 100, "city": 100, "industry": 100, "display_name": 200, "job_title": 200}
NUMBERS = {"employees": 10_000_000, "revenue": 10**15}
PATTERNS = {
    "country": re.compile("[A-Z]{2}"),
    "email": re.compile(r"(?=.{6,254}$)[^@\s]+@[^@\s]+\.[^@\s.]+"),
    "phone": re.compile(r"\+?[0-9][0-9 ()./-]{3,30}"),
    "source_key": re.compile(r"\S(.{0,198}\S)?"),
}
MOST_COMPETITORS, LONGEST_COMPETITOR, LONGEST_WEBSITE = 20, 200, 300
HOST = re.compile(r"[^\s@/:?#\[\]]+\.[^\s@/:?#\[\]]{2,}")
LONGEST_VALUE = 1000


class NoCompany(InvalidArgument):
    "The source tells of something without saying which company it is."


class ProspectTaken(FailedPrecondition):
    "A lead was made of it already."


class ProspectKnown(FailedPrecondition):
    "Its company is known here already; `even_if_known` accepts it all the same."


class ProspectState(Enum):
    NEW = 1
    ACCEPTED = 2
    DISMISSED = 3


@dataclass(frozen=True, kw_only=True)
class ProspectMatch:
    """What is known here already, and why that may be the same company."""

    lead: str = ""
    account: str = ""
    verdict: DuplicateVerdict = DuplicateVerdict.REVIEW
    evidence: list[Evidence] = field(default_factory=list)


@dataclass(kw_only=True)
class Prospect(Record):
    """What a source told. `key` is how the same is known again, also when nothing of it is left."""

    collection: ClassVar[str] = "prospects"

    prospect_search: str
    source: str
    key: str
    owner: str = ""
    team: str = ""
    state: ProspectState = ProspectState.NEW
    display_name: str = ""
    source_key: str = ""
    fetch_time: datetime | None = None
    expire_time: datetime | None = None
    company: str = ""
    website: str = ""
    country: str = ""
    region: str = ""
    city: str = ""
    industry: str = ""
    employees: int = 0
    revenue: int = 0
    currency: str = ""
    competitors: list[str] = field(default_factory=list)
    job_title: str = ""
    email: str = ""
    phone: str = ""
    withheld: bool = False
    unfit_fields: list[str] = field(default_factory=list)
    match: ProspectMatch | None = None
    lead: str = ""
    decided_by: str = ""
    decide_time: datetime | None = None

    @property
    def capture_key(self) -> str:
        """One for the same item of a source, whichever search found it: of one there is one lead."""
        return f"{self.source}/{self.key}"

    def withhold(self, *, person: bool, phone: bool) -> None:
        """Leaves out who may not be written to, or the number that may not be called."""
        if person:
            self.display_name = self.job_title = self.email = self.phone = ""
        if phone:
            self.phone = ""
        self.withheld = self.withheld or person or phone

    def require_open(self) -> None:
        if self.state is ProspectState.ACCEPTED:
            raise ProspectTaken(name=self.name, lead=self.lead)

    def accept(self, lead: str, by: str, at: datetime) -> None:
        self.require_open()
        self.state, self.lead, self.decided_by, self.decide_time = ProspectState.ACCEPTED, lead, by, at

    def dismiss(self, by: str, at: datetime) -> bool:
        """Whether it was not dismissed before."""
        self.require_open()
        if self.state is ProspectState.DISMISSED:
            return False
        self.state, self.decided_by, self.decide_time = ProspectState.DISMISSED, by, at
        return True

    def captured(self, channel: str, at: datetime) -> Capture:
        """What a lead is made of. Where it is from stands in its note."""
        place = ", ".join(part for part in (self.city, self.region) if part)
        size = f"{self.employees} employees" if self.employees else ""
        others = f"uses {', '.join(self.competitors)}" if self.competitors else ""
        told = f"{self.fetch_time:%Y-%m-%d}" if self.fetch_time else ""
        facts = [f"Source {self.source}, {told}", self.job_title, self.website, place, self.industry, size, others]
        return Capture(
            kind=Kind.PROSPECT,
            capture_key=self.capture_key,
            display_name=self.display_name,
            company=self.company,
            email=self.email,
            phone=self.phone,
            country=self.country,
            channel=channel,
            note="; ".join(fact for fact in facts if fact),
            contact_time=at,
        )


# ---- reading what a source says


def read(item: Any, pointers: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """What an item says by field, and the fields for which it says something that is none. NoCompany."""
    found: dict[str, Any] = {}
    unfit = []
    for name, pointer in pointers.items():
        told = found_at(item, pointer)
        if told is None or told in ("", []):
            continue
        value = READERS[name](name, told)
        if value:
            found[name] = value
        else:
            unfit.append(name)
    if "company" not in found:
        raise NoCompany()
    return found, unfit


def key_of(found: Mapping[str, Any], source: str) -> str:
    """How the same item is known again: by the source's key, else by company, domain and address. A digest, as it
    outlives what it is made of."""
    said = found.get("source_key") or "\n".join(
        (account_key(found["company"]), domain_of(found.get("website", "")), found.get("email", ""))
    )
    return hashlib.sha256(f"{source}\n{said}".encode()).hexdigest()[:32]


def domain_of(website: str) -> str:
    """The domain of a web site as an address at the company has it."""
    return (urlsplit(website).hostname or "").removeprefix("www.") if website else ""


def _text(name: str, told: Any) -> str:
    """On one line; empty if it is not of the right kind, or too long."""
    if isinstance(told, bool) or not isinstance(told, str | int):
        return ""
    text = " ".join(str(told)[: LONGEST_VALUE + 1].split())
    if any(not sign.isprintable() for sign in text):
        return ""
    if name in PATTERNS:
        text = {"country": str.upper, "email": str.lower}.get(name, str)(text)
        return text if PATTERNS[name].fullmatch(text) else ""
    return text if len(text) <= TEXTS[name] else ""


def _number(name: str, told: Any) -> int:
    """A whole number; 0 if it is none, or more than there can be."""
    if isinstance(told, float) and math.isfinite(told):
        told = int(told)
    if isinstance(told, str) and told.isascii() and told.strip().isdigit():
        told = int(told.strip()[:20])
    fits = isinstance(told, int) and not isinstance(told, bool) and 0 < told <= NUMBERS[name]
    return told if fits else 0


def _website(_: str, told: Any) -> str:
    """With its scheme; a bare host is one, too."""
    if not isinstance(told, str) or len(told) > LONGEST_WEBSITE:
        return ""
    text = told.strip()
    text = text if "://" in text else f"https://{text}"
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError:
        return ""
    fits = parts.scheme in ("http", "https") and HOST.fullmatch(host) and "@" not in parts.netloc and text.isprintable()
    return text if fits and not re.search(r"\s", text) else ""


def _texts(_: str, told: Any) -> list[str]:
    """A text, or a list of them."""
    found = [" ".join(one.split()) for one in (told if isinstance(told, list) else [told]) if isinstance(one, str)]
    fit = [one for one in found if 0 < len(one) <= LONGEST_COMPETITOR and one.isprintable()]
    return list(dict.fromkeys(fit))[:MOST_COMPETITORS]


READERS: Mapping[str, Callable[[str, Any], Any]] = {
    **dict.fromkeys((*TEXTS, *PATTERNS), _text),
    **dict.fromkeys(NUMBERS, _number),
    "website": _website,
    "competitors": _texts,
}
PERSONAL = ("display_name", "job_title", "email", "phone")
