"""Deliveries: notifications on their way to people outside of the application, and what each person wants of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import ClassVar

from chassis.errors import FailedPrecondition
from chassis.values import Record

from leads.domain.notification import NotificationKind

MOST_TRIES = 10  # about three hours
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=1)
LEASE = timedelta(minutes=2)  # longer than any provider may take: then whoever was at it is gone
HOUR = timedelta(hours=1)


class Way(Enum):
    EMAIL = 1
    SMS = 2


class DeliveryState(Enum):
    WAITING = 1
    SENDING = 2
    SENT = 3
    FAILED = 4
    DROPPED = 5


class DeliveryNotFailed(FailedPrecondition):
    "Only what failed can be tried again."


@dataclass(kw_only=True)
class NotificationPreferences(Record):
    """What somebody wants to be sent; `notificationPreferences/ana` are those of `users/ana`."""

    collection: ClassVar[str] = "notificationPreferences"
    PER_HOUR: ClassVar[int] = 10

    owner: str
    team: str = ""
    email_kinds: list[NotificationKind] = field(default_factory=lambda: list(NotificationKind))
    sms_kinds: list[NotificationKind] = field(
        default_factory=lambda: [NotificationKind.RESPONSE_DUE, NotificationKind.SLA_BREACHED]
    )
    phone_number: str = ""
    language: str = ""
    only_at_work: bool = True
    most_per_hour: int = 0

    @classmethod
    def of(cls, person: str) -> "NotificationPreferences":
        """Those of somebody who said nothing yet."""
        return cls(id=person.removeprefix("users/"), owner=person)

    def wants(self, kind: NotificationKind, way: Way) -> bool:
        if way is Way.SMS:
            return bool(self.phone_number) and kind in self.sms_kinds
        return kind in self.email_kinds

    def allowed_from(self, sent: Sequence[datetime], at: datetime) -> datetime:
        """The first moment from `at` on at which one more message keeps to the limit. `sent` are the times of those
        before, in any order."""
        most = self.most_per_hour or self.PER_HOUR
        before = sorted(sent)
        return at if len(before) < most else max(at, before[-most] + HOUR)


@dataclass(frozen=True, kw_only=True)
class NotificationPreferencesUpdated:
    notification_preferences: NotificationPreferences
    fields: list[str]
    event_time: datetime


@dataclass(kw_only=True)
class NotificationDelivery(Record):
    """One notification by one way. Those of one `message` go together, and again together if that failed."""

    collection: ClassVar[str] = "notificationDeliveries"

    notification: str
    lead: str
    owner: str
    team: str = ""
    kind: NotificationKind
    way: Way
    state: DeliveryState = DeliveryState.WAITING
    message: str = ""
    tries: int = 0
    due_time: datetime | None
    try_time: datetime | None = None
    error: str = ""

    def claim(self, message: str, at: datetime) -> None:
        """Somebody begins to send it; if nothing is heard of them, another one may after the lease."""
        self.state, self.message, self.tries = DeliveryState.SENDING, message, self.tries + 1
        self.try_time, self.due_time = at, at + LEASE

    def put_off(self, until: datetime) -> None:
        self.state, self.due_time = DeliveryState.WAITING, until

    def drop(self, why: str) -> None:
        self.state, self.due_time, self.error = DeliveryState.DROPPED, None, why

    def sent(self, at: datetime) -> "NotificationDelivered":
        self.state, self.due_time, self.error = DeliveryState.SENT, None, ""
        return NotificationDelivered(notification_delivery=self, event_time=at)

    def failed(self, why: str, at: datetime, *, for_good: bool) -> "NotificationDeliveryFailed | None":
        """Tried again after a while that doubles, unless that is of no use or it was tried often enough; then the
        event that tells of it."""
        self.error = why
        if for_good or self.tries >= MOST_TRIES:
            self.state, self.due_time = DeliveryState.FAILED, None
            return NotificationDeliveryFailed(notification_delivery=self, event_time=at)
        self.put_off(at + wait_after(self.tries))
        return None

    def retry(self, at: datetime) -> "NotificationDeliveryRetried":
        if self.state is not DeliveryState.FAILED:
            raise DeliveryNotFailed(delivery=self.name, state=self.state.name)
        self.tries = 0
        self.put_off(at)
        return NotificationDeliveryRetried(notification_delivery=self, event_time=at)


@dataclass(frozen=True, kw_only=True)
class NotificationDelivered:
    notification_delivery: NotificationDelivery
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class NotificationDeliveryFailed:
    notification_delivery: NotificationDelivery
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class NotificationDeliveryRetried:
    notification_delivery: NotificationDelivery
    event_time: datetime


def wait_after(tries: int) -> timedelta:
    """How long to wait after that many tries."""
    return min(FIRST_WAIT * 2 ** min(max(tries, 1) - 1, 20), LONGEST_WAIT)


def next_message(due: Sequence[NotificationDelivery]) -> list[NotificationDelivery]:
    """Which of somebody's due deliveries go next, together: those of the message that was tried before and waits
    longest, else all that are new."""
    tried = [one for one in due if one.message]
    if not tried:
        return list(due)
    oldest = min(tried, key=lambda one: (one.due_time is not None, one.due_time, one.message))
    return [one for one in tried if one.message == oldest.message]
