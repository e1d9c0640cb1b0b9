"""How a lead found its place among customers, which records it finds there, and when that can be taken back."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import ClassVar, Generic, TypeVar

from chassis.errors import FailedPrecondition, InvalidFields
from chassis.values import Record, derived_id

from sales.domain.account import Account
from sales.domain.contact import Contact
from sales.domain.opportunity import Opportunity, State

R = TypeVar("R", Account, Contact, Opportunity)
MOST_NAMED = 2  # an error's value is short: see chassis.statuses


class ConversionBuiltUpon(FailedPrecondition):
    "What the conversion made was changed or used since, so it cannot be taken back."


class ConversionNotKnown(FailedPrecondition):
    "The lead was taken in by a release that did not note what it made, so that cannot be taken back."


class Mode(Enum):
    MODE_UNSPECIFIED = 0
    CREATE = 1
    LINK = 2
    AUTO = 3
    NONE = 4


class Reason(Enum):
    EXTERNAL_ID = 1
    EMAIL = 2
    PHONE = 3
    NAME = 4
    CONTACT = 5
    SIMILAR_NAME = 6  # for people to decide


@dataclass(frozen=True, kw_only=True)
class Target:
    """How one record is come by; `name` is the one to LINK."""

    mode: Mode = Mode.MODE_UNSPECIFIED
    name: str = ""


@dataclass(frozen=True)
class Candidate(Generic[R]):
    """A record that may be the lead's, and what speaks for it."""

    record: R
    reasons: tuple[Reason, ...]


def ranked(found: Iterable[tuple[R, Reason]]) -> list[Candidate[R]]:
    """One candidate per record, best first: by the strongest that speaks for it, by how much does, then the oldest."""
    reasons: dict[str, set[Reason]] = {}
    records: dict[str, R] = {}
    for record, reason in found:
        records[record.id] = record
        reasons.setdefault(record.id, set()).add(reason)
    candidates = [
        Candidate(record, tuple(sorted(reasons[key], key=lambda one: one.value))) for key, record in records.items()
    ]
    return sorted(candidates, key=lambda one: (one.reasons[0].value, -len(one.reasons), one.record.id))


@dataclass(frozen=True)
class Choice:
    """The records a conversion links; None: it makes one. `no_deal`: it neither links nor makes an opportunity."""

    account: Account | None = None
    contact: Contact | None = None
    opportunity: Opportunity | None = None
    no_deal: bool = False


def choose_account(target: Target, linked: Choice, found: Sequence[Candidate[Account]]) -> Account | None:
    """The account of what is linked, the one named, or the best match. InvalidFields if they contradict each other."""
    if linked.opportunity:
        linked.opportunity.require_open()
    implied = {one.account for one in (linked.contact, linked.opportunity) if one}
    named = {linked.account.name} if linked.account else set()
    if len(implied | named) > 1 or (implied and target.mode is Mode.CREATE):
        raise InvalidFields(("account", f"is not the one of what is linked: {', '.join(sorted(implied | named))}"))
    if linked.account:
        return linked.account
    if implied:
        known = next((one.record for one in found if one.record.name in implied), None)
        if known is None:
            raise InvalidFields(("account", f"{implied.pop()} is archived, or you may not see it"))
        return known
    sure = [one.record for one in found if one.reasons[0] is not Reason.SIMILAR_NAME]
    return sure[0] if sure and target.mode is Mode.AUTO else None


def choose_contact(
    target: Target, linked: Choice, account: Account | None, found: Sequence[Candidate[Contact]]
) -> Contact | None:
    """The one named, else the best match at the account: a contact belongs to one account."""
    if linked.contact or target.mode is not Mode.AUTO or account is None:
        return linked.contact
    return next((one.record for one in found if one.record.account == account.name), None)


def choose_opportunity(
    target: Target, linked: Choice, contact: Contact | None, found: Sequence[Candidate[Opportunity]]
) -> Opportunity | None:
    """The one named, else the open deal with the contact, if there is exactly one."""
    if linked.opportunity or target.mode is not Mode.AUTO or contact is None:
        return linked.opportunity
    with_contact = [one.record for one in found if one.record.contact == contact.name]
    return with_contact[0] if len(with_contact) == 1 else None


@dataclass(kw_only=True)
class LeadAcceptance(Record):
    """What a conversion of a lead made and what it linked. `made` and `archived` are names of records."""

    collection: ClassVar[str] = "leadAcceptances"

    lead: str
    account: str
    contact: str
    opportunity: str
    made: list[str] = field(default_factory=list)
    archived: list[str] = field(default_factory=list)
    release_time: datetime | None = None

    @staticmethod
    def key(lead: str, attempt: int) -> str:
        """What belongs to one conversion of a lead: the first is known by the lead alone."""
        return f"{lead} after {attempt}" if attempt else lead

    @classmethod
    def id_of(cls, lead: str, attempt: int) -> str:
        return derived_id(f"acceptance of {cls.key(lead, attempt)}")

    def refuse_built_upon(self, records: Mapping[str, Account | Contact | Opportunity], added: Sequence[str]) -> None:
        """ConversionBuiltUpon, naming what stands in the way: the deal that is won, records that are not as they were
        made, and what was added to them. One that somebody archived meanwhile is in nobody's way."""
        changed = {
            name: "changed" for name in self.made if records[name].version != 1 and records[name].archive_time is None
        }
        deal = records.get(self.opportunity)
        if isinstance(deal, Opportunity) and deal.state is State.WON:
            changed[deal.name] = "was won"
        in_the_way = [f"{name} {how}" for name, how in (changed | dict.fromkeys(added, "was added")).items()]
        if in_the_way:
            first, rest = in_the_way[:MOST_NAMED], len(in_the_way) - MOST_NAMED
            raise ConversionBuiltUpon(in_the_way="; ".join(first + ([f"{rest} more"] if rest > 0 else [])))
