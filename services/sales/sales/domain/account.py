"""Accounts: customers, and those that may become one."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from chassis.custom_values import Values
from chassis.values import CustomerRecord

from sales.domain.archive import bring_back, put_away


@dataclass(kw_only=True)
class Account(CustomerRecord):
    """A customer, or one that may become one. Its journey is the first it went on."""

    collection: ClassVar[str] = "accounts"

    display_name: str
    archive_time: datetime | None = None
    labels: dict[str, str] = field(default_factory=dict)
    lead: str = ""
    channel: str = ""
    website: str = ""
    phone: str = ""
    industry: str = ""
    customer_time: datetime | None = None
    custom: Values = field(default_factory=dict)

    def become_customer(self, at: datetime) -> "list[AccountBecameCustomer]":
        """The first deal won makes a customer; those that follow change nothing. Returns the events, one or none."""
        if self.customer_time:
            return []
        self.customer_time = at
        return [AccountBecameCustomer(account=self, event_time=at)]

    def archive(self, at: datetime) -> "AccountArchived":
        put_away(self, at)
        return AccountArchived(account=self, event_time=at)

    def restore(self, at: datetime) -> "AccountRestored":
        bring_back(self)
        return AccountRestored(account=self, event_time=at)


@dataclass(frozen=True, kw_only=True)
class AccountCreated:
    account: Account
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class AccountUpdated:
    account: Account
    fields: list[str]
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class AccountBecameCustomer:
    account: Account
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class AccountArchived:
    account: Account
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class AccountRestored:
    account: Account
    event_time: datetime
