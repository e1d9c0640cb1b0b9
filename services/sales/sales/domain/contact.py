"""Contacts: the people at a customer, and the part each plays when the company buys."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import ClassVar

from chassis.values import CustomerRecord

from sales.domain.archive import bring_back, put_away


class BuyingRole(Enum):
    BUYING_ROLE_UNSPECIFIED = 0
    ECONOMIC_BUYER = 1
    DECISION_MAKER = 2
    TECHNICAL_EVALUATOR = 3
    INFLUENCER = 4
    CHAMPION = 5
    EXECUTIVE_SPONSOR = 6
    BLOCKER = 7
    USER = 8


@dataclass(kw_only=True)
class Contact(CustomerRecord):
    """A person at an account."""

    collection: ClassVar[str] = "contacts"

    display_name: str
    account: str
    archive_time: datetime | None = None
    labels: dict[str, str] = field(default_factory=dict)
    email: str = ""
    phone: str = ""
    buying_role: BuyingRole = BuyingRole.BUYING_ROLE_UNSPECIFIED
    job_title: str = ""

    def normalise(self) -> None:
        """E-mail addresses are compared, so they are stored in one spelling."""
        self.email = self.email.strip().lower()

    def archive(self, at: datetime) -> "ContactArchived":
        put_away(self, at)
        return ContactArchived(contact=self, event_time=at)

    def restore(self, at: datetime) -> "ContactRestored":
        bring_back(self)
        return ContactRestored(contact=self, event_time=at)


@dataclass(frozen=True, kw_only=True)
class ContactCreated:
    contact: Contact
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class ContactUpdated:
    contact: Contact
    fields: list[str]
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class ContactArchived:
    contact: Contact
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class ContactRestored:
    contact: Contact
    event_time: datetime
