"""Which leads may be one: what of them is compared, what it is worth, and the keys by which they are found."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from chassis.persons import GONE

from leads.domain.match_settings import LEAD_RULES
from leads.matching.blocking import keys
from leads.matching.rules import Comparator, Level, MatchRules
from leads.matching.scoring import Verdict, explain, prepare_record


class Comparable(Protocol):
    """A lead, or as much of one as is compared."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def display_name(self) -> str: ...
    @property
    def company(self) -> str: ...
    @property
    def email(self) -> str: ...
    @property
    def phone_e164(self) -> str: ...
    @property
    def phone_digits(self) -> str: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """What is compared of a lead that shares a key with another."""

    id: str
    display_name: str
    company: str
    email: str
    phone_e164: str
    phone_digits: str

    @property
    def name(self) -> str:
        return f"leads/{self.id}"


class DuplicateVerdict(Enum):
    REVIEW = 1
    CERTAIN = 2


class Agreement(Enum):
    DIFFERENT = 1
    PARTLY = 2
    CLOSE = 3
    SAME = 4


@dataclass(frozen=True, kw_only=True)
class Evidence:
    field: str
    agreement: Agreement
    points: float


@dataclass(frozen=True, kw_only=True)
class Duplicate:
    lead: Comparable
    score: float
    verdict: DuplicateVerdict
    evidence: list[Evidence] = field(default_factory=list)
    dismissed: bool = False


def compared(lead: Comparable) -> dict[str, str]:
    phone, name = lead.phone_e164 or lead.phone_digits, lead.display_name
    return {"display_name": "" if name == GONE else name, "company": lead.company, "email": lead.email, "phone": phone}


def match_keys(lead: Comparable) -> list[str]:
    """What a lead shares with one that may be the same: a letter for the field, and the key. At most 13, since a
    name has six and a company five."""
    prepared = prepare_record(compared(lead), LEAD_RULES)
    found: list[str] = []
    for rule, value in zip(LEAD_RULES.fields, prepared, strict=True):
        if value:
            of_field = keys(rule.comparator, value)
            # Of an address the whole: what stands before the @ is `info` or `office` too often.
            of_field = of_field[:1] if rule.comparator is Comparator.EMAIL else of_field
            found += [f"{rule.field[0]}:{key}" for key in of_field if key]
    return sorted(set(found))


def duplicates(lead: Comparable, others: Iterable[Comparable], rules: MatchRules = LEAD_RULES) -> list[Duplicate]:
    """Those that a person should look at, at least; the likeliest first."""
    mine = prepare_record(compared(lead), rules)
    found = []
    for other in others:
        match = explain(mine, prepare_record(compared(other), rules), rules)
        verdict = match.verdict(rules)
        if other.id != lead.id and verdict is not Verdict.DISTINCT:
            told = DuplicateVerdict.CERTAIN if verdict is Verdict.AUTO else DuplicateVerdict.REVIEW
            evidence = [
                Evidence(field=line.field, agreement=_agreement(line.level), points=line.points)
                for line in match.evidence
            ]
            found.append(Duplicate(lead=other, score=match.score, verdict=told, evidence=evidence))
    return sorted(found, key=lambda duplicate: (-duplicate.score, duplicate.lead.id))


def _agreement(level: Level) -> Agreement:
    return Agreement[level.name]
