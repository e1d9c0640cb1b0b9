"""Notifications: what people are told about their leads."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import ClassVar

from chassis.values import Record


class NotificationKind(Enum):
    LEAD_ASSIGNED = 1
    RESPONSE_DUE = 2
    SLA_BREACHED = 3
    CADENCE_STEP_DUE = 4
    OWN_DATA_UPDATED = 5


class NotificationState(Enum):
    UNREAD = 1
    READ = 2


@dataclass(kw_only=True)
class Notification(Record):
    """Something a person is told."""

    collection: ClassVar[str] = "notifications"

    lead: str
    owner: str
    team: str = ""
    state: NotificationState = NotificationState.UNREAD
    kind: NotificationKind
    subject: str = ""
    due_time: datetime | None = None
    read_time: datetime | None = None

    def read(self, at: datetime) -> "NotificationRead | None":
        """None if it was read before."""
        if self.state is NotificationState.READ:
            return None
        self.state, self.read_time = NotificationState.READ, at
        return NotificationRead(notification=self, event_time=at)


@dataclass(frozen=True, kw_only=True)
class NotificationSent:
    notification: Notification
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class NotificationRead:
    notification: Notification
    event_time: datetime
