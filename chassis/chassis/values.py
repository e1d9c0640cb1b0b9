"""The values that records of every service are made of. Standard library and the error tree only."""

import os
import re
import threading
import time
import unicodedata
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import ClassVar

from chassis.errors import InvalidFields


@dataclass(frozen=True, kw_only=True)
class Money:
    """An amount in a currency: a decimal with at most four places and an ISO 4217 code."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, kw_only=True)
class ExternalId:
    """The key by which another system knows a record."""

    system: str
    kind: str = ""
    id: str


@dataclass(kw_only=True)
class Record:
    """What every stored record has. `version` 0 means: not stored yet."""

    collection: ClassVar[str]

    id: str = field(default_factory=lambda: new_id())
    version: int = 0
    create_time: datetime | None = None
    update_time: datetime | None = None

    @property
    def name(self) -> str:
        return f"{self.collection}/{self.id}"

    @property
    def only_by_name(self) -> bool:
        """Whether an export or erasure takes this record for its person only if it is named, or its address is said
        to be theirs alone: the same name and address are not enough."""
        return False


@dataclass(kw_only=True)
class CustomerRecord(Record):
    """What every record about a customer has besides: somebody responsible, and the journey it belongs to."""

    owner: str = ""
    team: str = ""
    journey_id: str = ""
    external_ids: list[ExternalId] = field(default_factory=list)


# Tests let the clock of one process go wrong, as clocks of machines do. Nothing else sets this.
_OFFSET_NS = int(float(os.environ.get("CLOCK_OFFSET_SECONDS", "0")) * 1_000_000_000)
_clock = threading.Lock()
_last = 0


def new_id() -> str:
    """A UUIDv7 (RFC 9562): sorts by time of making; ids of one process grow strictly."""
    global _last
    with _clock:
        now = (time.time_ns() + _OFFSET_NS) * 4096 // 1_000_000  # milliseconds with 12 bits of fraction
        _last = max(now, _last + 1)
        ticks = _last
    value = (ticks >> 12) << 80 | 0x7 << 76 | (ticks & 0xFFF) << 64
    value |= 0b10 << 62 | int.from_bytes(os.urandom(8)) >> 2
    return str(uuid.UUID(int=value))


def derived_id(name: str) -> str:
    """The one id that belongs to `name` (a resource name or another key): the same each time.

    A UUIDv7 within the name lends its time, so that what is derived from a record sorts as the record does.
    """
    hashed = uuid.uuid5(uuid.NAMESPACE_URL, f"crm:{name}").int
    parent = re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", name)
    if parent is None:
        return str(uuid.UUID(int=hashed))
    moment = uuid.UUID(parent[0]).int >> 64 << 64  # time and version; the rest is hashed
    return str(uuid.UUID(int=moment | 0b10 << 62 | hashed & (1 << 62) - 1))


def is_uuid(text: str) -> bool:
    return bool(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", text))


def id_of(name: str) -> str:
    """`leads/x` → `x`."""
    return name.rpartition("/")[2]


def slug(text: str) -> str:
    """A slug made from a display name: ASCII letters, digits and hyphens, at most 63; a new id if none is left."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9_]+", "-", plain).strip("-")[:63] or new_id()


def business_time(given: datetime | None, now: datetime, field_path: str) -> datetime:
    """When something happened in business: as the caller says, else now. At most a day ahead of now.

    Never checked against another business time: real data holds wins before first contacts.
    """
    if given is None:
        return now
    if given > now + timedelta(days=1):
        raise InvalidFields((field_path, "lies more than a day in the future"))
    return given


def utc_now() -> datetime:
    return datetime.fromtimestamp(unix_time(), UTC)


def unix_time() -> float:
    """Seconds since 1970, by this process's clock."""
    return (time.time_ns() + _OFFSET_NS) / 1_000_000_000
