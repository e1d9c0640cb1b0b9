"""What a contract says: the template's sections with this contract's facts filled in. Text only, no layout."""

import re
from dataclasses import dataclass
from datetime import date

from chassis.values import Money

from contracts.domain import PLACEHOLDER, Contract, Section, TemplateVersion
from contracts.terms import last_day


@dataclass(frozen=True, kw_only=True)
class Wording:
    """Everything a printed contract shows, in order. `draft` prints it with a mark that it binds nobody."""

    title: str
    number: str
    company: str
    customer: str
    language: str
    sections: list[Section]
    draft: bool


def word(contract: Contract, template: TemplateVersion, company: str, *, draft: bool = False) -> Wording:
    facts = {
        "customer": contract.account_display_name or contract.display_name,
        "amount": _money(contract.amount),
        "number": contract.number,
        "effective_date": _first_day(contract.effective_date),
        "end_date": _end(contract.effective_date, contract.term_months),
        "company": company,
        "service_level": contract.service_level or "agreed",
    }
    return Wording(
        title=contract.display_name,
        number=contract.number,
        company=company,
        customer=facts["customer"],
        language=_language(template.language_code),
        sections=[Section(heading=part.heading, text=fill(part.text, facts)) for part in template.sections],
        draft=draft,
    )


def fill(text: str, facts: dict[str, str]) -> str:
    """The text with each known placeholder replaced, once: what a fact says is never read as a placeholder again."""
    return PLACEHOLDER.sub(lambda found: facts.get(found[1], found[0]), text)


def _money(amount: Money | None) -> str:
    """`12,345.60 EUR`; more than two decimals only where they count."""
    if amount is None:
        return "the agreed price"
    cents = amount.amount.quantize(amount.amount.__class__("0.01"))
    return f"{cents if cents == amount.amount else amount.amount.normalize():,f} {amount.currency}"


def _first_day(effective: date | None) -> str:
    return effective.isoformat() if effective else "the day of its activation"


def _end(effective: date | None, months: int) -> str:
    if not months:
        return "its termination by either party"
    ends = last_day(effective, months) if effective else None
    return ends.isoformat() if ends else f"the end of a term of {months} months"


def _language(code: str) -> str:
    """The language of a BCP 47 code, as typesetting knows it: `zh-CN` is `zh`."""
    found = re.match(r"[a-z]{2,3}(?=-|$)", code.lower())
    return found[0] if found else "en"
