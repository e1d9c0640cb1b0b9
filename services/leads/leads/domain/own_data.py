"""Own data: what a person sees and changes of their lead by a secret link, without an account."""

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import ClassVar

from chassis.errors import FailedPrecondition, NotFound
from chassis.values import Record

from leads.domain.lead import Lead
from leads.domain.state import LeadArchivedAlready, State

DEFAULT_DAYS = 30
MOST_CHANGES = 100  # by one link: each is told by events, which are kept for good
TOKEN_BYTES = 32  # nobody tries out 256 random bits, so that a hash without salt keeps them
# Whoever became a customer is looked after as a contact; of a merged lead see docs/decisions/0025-own-data.md.
SHARED = frozenset(State) - {State.CONVERTING, State.CONVERTED, State.MERGED}


class NoSuchOwnData(NotFound):
    "This link leads nowhere: it is mistyped, or not in use any more. Ask whoever sent it to you for another one."


class OwnDataNotShared(FailedPrecondition):
    "The lead has no link that could be withdrawn."


class OwnDataChangedTooOften(FailedPrecondition):
    "So many changes were made by this link. Ask whoever sent it to you for another one."


@dataclass(frozen=True, kw_only=True)
class OwnFields:
    """What is theirs of a lead."""

    display_name: str
    company: str
    email: str
    phone: str
    country: str
    region: str
    language: str
    do_not_call: bool


FIELDS = [item.name for item in fields(OwnFields)]


@dataclass(frozen=True, kw_only=True)
class OwnData(OwnFields):
    """The same as it is shown to them. Its etag says nothing of what else happens to the lead."""

    name: str
    etag: str
    expire_time: datetime | None

    @classmethod
    def of(cls, lead: Lead, link: "OwnDataLink") -> "OwnData":
        theirs = OwnFields(**{name: getattr(lead, name) for name in FIELDS})
        etag = hashlib.sha256(json.dumps(asdict(theirs)).encode()).hexdigest()[:16]
        return cls(name=lead.name, etag=etag, expire_time=link.expire_time, **asdict(theirs))


@dataclass(kw_only=True)
class OwnDataLink(Record):
    """Of the lead with the same id: until when which secret opens it."""

    collection: ClassVar[str] = "ownDataLinks"

    lead: str
    owner: str = ""
    team: str = ""
    token_hash: str | None = None
    expire_time: datetime | None = None
    withdraw_time: datetime | None = None
    change_count: int = 0
    change_time: datetime | None = None

    @classmethod
    def of(cls, lead: Lead) -> "OwnDataLink":
        return cls(id=lead.id, lead=lead.name, owner=lead.owner, team=lead.team)

    def share(self, lead: Lead, token: str, days: int, at: datetime) -> "OwnDataShared":
        """From now on this secret opens it, and no other one."""
        lead.require(SHARED)
        if lead.archive_time:
            raise LeadArchivedAlready(lead=lead.name)
        self.token_hash, self.expire_time = hash_of(token), at + timedelta(days=days or DEFAULT_DAYS)
        self.withdraw_time, self.change_count, self.change_time = None, 0, None
        return OwnDataShared(lead=lead, expire_time=self.expire_time, event_time=at)

    def withdraw(self, lead: Lead, at: datetime) -> "OwnDataWithdrawn":
        if self.token_hash is None:
            raise OwnDataNotShared(lead=lead.name)
        self.token_hash, self.withdraw_time = None, at
        return OwnDataWithdrawn(lead=lead, event_time=at)

    def opens(self, lead: Lead, at: datetime) -> bool:
        """Whether whoever has the secret may still see the lead's data."""
        in_time = self.expire_time is not None and at < self.expire_time
        return in_time and lead.state in SHARED and lead.archive_time is None

    def changed(self, lead: Lead, fields: Sequence[str], at: datetime) -> "OwnDataUpdated":
        if self.change_count >= MOST_CHANGES:
            raise OwnDataChangedTooOften(times=self.change_count)
        self.change_count, self.change_time = self.change_count + 1, at
        return OwnDataUpdated(lead=lead, fields=list(fields), event_time=at)


def new_token() -> str:
    return secrets.token_urlsafe(TOKEN_BYTES)


def hash_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Shared:
    """A link and, this once, its secret."""

    own_data_link: OwnDataLink
    token: str


@dataclass(frozen=True, kw_only=True)
class OwnDataShared:
    lead: Lead
    expire_time: datetime
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class OwnDataWithdrawn:
    lead: Lead
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class OwnDataUpdated:
    lead: Lead
    fields: list[str]
    event_time: datetime
