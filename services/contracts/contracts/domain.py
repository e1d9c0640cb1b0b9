"""Contracts: what was agreed with customers, and the rules by which a draft comes into force."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import Enum
from typing import ClassVar
from zoneinfo import ZoneInfo

from chassis.errors import FailedPrecondition, InvalidFields
from chassis.values import CustomerRecord, Money, Record, derived_id

from contracts.terms import civil_day, last_day, midnight

PLACEHOLDERS = frozenset({"customer", "amount", "number", "effective_date", "end_date", "company", "service_level"})
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
LONGEST_TEXT = 200_000  # characters of all sections: about 60 pages, which are set in half a second
YEARS = range(1900, 2201)  # a contract begins in one of these; its longest term is 50 years


class ContractNotDraft(FailedPrecondition):
    "Only a draft can be changed or submitted."


class ContractNotInApproval(FailedPrecondition):
    "Only what was submitted can be approved or sent back."


class ContractNotApproved(FailedPrecondition):
    "Only an approved contract can come into force."


class AuthorCannotApprove(FailedPrecondition):
    "A contract is approved by somebody other than its owner, its submitter and whoever wrote on it."


class State(Enum):
    DRAFT = 1
    IN_APPROVAL = 2
    APPROVED = 3
    ACTIVE = 4


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a contract text; `text` may hold placeholders such as `{customer}`."""

    heading: str = ""
    text: str


@dataclass(kw_only=True)
class TemplateVersion(Record):
    """A template as it was at one of its versions. Never changed once stored."""

    collection: ClassVar[str] = "contractTemplateVersions"

    template: str
    number: int
    display_name: str
    sections: list[Section]
    term_months: int
    service_level: str
    language_code: str

    @staticmethod
    def key(template: str, number: int) -> str:
        """The id of a version: `standard-3`."""
        return f"{template.removeprefix('contractTemplates/')}-{number}"


@dataclass(kw_only=True)
class ContractTemplate(Record):
    """The text contracts of one kind are drafted from; its record version is the version people speak of."""

    collection: ClassVar[str] = "contractTemplates"
    STANDARD: ClassVar[str] = "contractTemplates/standard"

    display_name: str
    sections: list[Section] = field(default_factory=list)
    term_months: int = 0
    service_level: str = ""
    language_code: str = ""

    def check(self) -> None:
        """Every placeholder can be filled, and the whole can be printed in reasonable time."""
        unknown = [
            (f"contract_template.sections[{number}].text", f"{{{name}}} is not a placeholder")
            for number, section in enumerate(self.sections)
            for name in PLACEHOLDER.findall(section.text)
            if name not in PLACEHOLDERS
        ]
        if unknown:
            raise InvalidFields(*unknown)
        if sum(len(section.text) for section in self.sections) > LONGEST_TEXT:
            raise InvalidFields(("contract_template.sections", f"have more than {LONGEST_TEXT} characters together"))

    def next_version(self) -> TemplateVersion:
        """What this template becomes with the next commit."""
        number = self.version + 1
        return TemplateVersion(
            id=TemplateVersion.key(self.name, number),
            template=self.name,
            number=number,
            display_name=self.display_name,
            sections=self.sections,
            term_months=self.term_months,
            service_level=self.service_level,
            language_code=self.language_code,
        )


@dataclass(kw_only=True)
class Account(Record):
    """A customer as sales tells it: only what a contract needs."""

    collection: ClassVar[str] = "accounts"

    display_name: str = ""
    owner: str = ""
    team: str = ""
    journey_id: str = ""


@dataclass(frozen=True, kw_only=True)
class EntitlementTerm:
    """A service from `start_time` until before `end_time`; without an end it is unlimited."""

    entitlement: str
    service_level: str
    start_time: datetime
    end_time: datetime | None = None


@dataclass(kw_only=True)
class Contract(CustomerRecord):
    """What was agreed with a customer."""

    collection: ClassVar[str] = "contracts"

    display_name: str
    labels: dict[str, str] = field(default_factory=dict)
    state: State = State.DRAFT
    number: str = ""
    account: str
    account_display_name: str = ""
    opportunity: str = ""
    template: str = ""
    template_version: int = 0
    amount: Money | None = None
    effective_date: date | None = None
    end_date: date | None = None
    term_months: int = 0
    service_level: str = ""
    content_hash: str = ""
    submitter: str = ""
    approver: str = ""
    submit_time: datetime | None = None
    approve_time: datetime | None = None
    activate_time: datetime | None = None
    reject_reason: str = ""
    authors: list[str] = field(default_factory=list)
    entitlement_terms: list[EntitlementTerm] = field(default_factory=list)

    def draft(self, template: ContractTemplate, number: int, by: str, at: datetime) -> "ContractDrafted":
        """Takes number and template; what the author left open is as the template says."""
        self.authors = [by]
        self.number = f"C-{number:06d}"
        self.template, self.template_version = template.name, template.version
        self.term_months = self.term_months or template.term_months
        self.service_level = self.service_level or template.service_level
        self.check()
        return ContractDrafted(contract=self, event_time=at)

    def check(self) -> None:
        if self.effective_date and self.effective_date.year not in YEARS:
            raise InvalidFields(("contract.effective_date", f"is not between {YEARS[0]} and {YEARS[-1]}"))

    def require_draft(self) -> None:
        if self.state is not State.DRAFT:
            raise ContractNotDraft(contract=self.name, state=self.state.name)

    def revise(self, fields: Iterable[str], by: str, at: datetime) -> "ContractUpdated":
        """Whoever writes on a draft is one of its authors from then on."""
        self.require_draft()
        self.check()
        self.authors = sorted({*self.authors, by})
        return ContractUpdated(contract=self, fields=list(fields), event_time=at)

    def submit(self, content_hash: str, by: str, at: datetime) -> "ContractSubmitted":
        """Freezes the text: `content_hash` is what gets approved."""
        self.require_draft()
        self.state, self.content_hash = State.IN_APPROVAL, content_hash
        self.submitter, self.submit_time, self.reject_reason = by, at, ""
        return ContractSubmitted(contract=self, event_time=at)

    def approve(self, by: str, note: str, at: datetime) -> "ContractApproved":
        self._require_in_approval()
        if by in (self.owner, self.submitter, *self.authors):
            raise AuthorCannotApprove(contract=self.name, actor=by)
        self.state, self.approver, self.approve_time = State.APPROVED, by, at
        return ContractApproved(contract=self, note=note, event_time=at)

    def reject(self, reason: str, at: datetime) -> "ContractRejected":
        """Back to the author; the submitted text is no longer this contract's."""
        self._require_in_approval()
        self.state, self.reject_reason = State.DRAFT, reason
        self.content_hash, self.submitter, self.submit_time = "", "", None
        return ContractRejected(contract=self, event_time=at)

    def activate(self, at: datetime, zone: ZoneInfo) -> "ContractActivated":
        """Puts the contract in force from the beginning of its first day in the company's zone."""
        if self.state is not State.APPROVED:
            raise ContractNotApproved(contract=self.name, state=self.state.name)
        self.effective_date = self.effective_date or civil_day(at, zone)
        self.check()
        self.end_date = last_day(self.effective_date, self.term_months)
        self.state, self.activate_time = State.ACTIVE, at
        self.entitlement_terms = [self._term(self.effective_date, zone)]
        return ContractActivated(contract=self, event_time=at)

    def _term(self, first: date, zone: ZoneInfo) -> EntitlementTerm:
        """The one service of this contract. Its id belongs to the contract at the version that promises it: the one
        this commit makes."""
        return EntitlementTerm(
            entitlement=f"entitlements/{derived_id(f'{self.name}@{self.version + 1}')}",
            service_level=self.service_level,
            start_time=midnight(first, zone),
            end_time=midnight(self.end_date + timedelta(days=1), zone) if self.end_date else None,
        )

    def _require_in_approval(self) -> None:
        if self.state is not State.IN_APPROVAL:
            raise ContractNotInApproval(contract=self.name, state=self.state.name)


@dataclass(frozen=True, kw_only=True)
class ContractTemplateCreated:
    contract_template: ContractTemplate
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class ContractTemplateUpdated:
    contract_template: ContractTemplate
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class ContractDrafted:
    contract: Contract
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class ContractUpdated:
    contract: Contract
    fields: list[str]
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class ContractSubmitted:
    contract: Contract
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class ContractApproved:
    contract: Contract
    note: str
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class ContractRejected:
    contract: Contract
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class ContractActivated:
    contract: Contract
    event_time: datetime
