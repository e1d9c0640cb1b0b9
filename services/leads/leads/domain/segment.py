"""Segments: filters over leads that are used again and again."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from chassis.errors import FailedPrecondition
from chassis.values import Record

from leads.domain.feedback import FeedbackCondition


class LeadSegmentArchivedAlready(FailedPrecondition):
    "The segment is archived."


class LeadSegmentNotArchived(FailedPrecondition):
    "The segment is not archived."


@dataclass(kw_only=True)
class LeadSegment(Record):
    """A saved filter, and which product feedback whoever is in it gave."""

    collection: ClassVar[str] = "leadSegments"

    display_name: str
    archive_time: datetime | None = None
    description: str = ""
    filter: str = ""
    feedback: FeedbackCondition | None = None

    def archive(self, at: datetime) -> "LeadSegmentArchived":
        if self.archive_time:
            raise LeadSegmentArchivedAlready(name=self.name)
        self.archive_time = at
        return LeadSegmentArchived(lead_segment=self, event_time=at)

    def restore(self, at: datetime) -> "LeadSegmentRestored":
        if not self.archive_time:
            raise LeadSegmentNotArchived(name=self.name)
        self.archive_time = None
        return LeadSegmentRestored(lead_segment=self, event_time=at)


@dataclass(frozen=True, kw_only=True)
class LeadSegmentCreated:
    lead_segment: LeadSegment
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadSegmentUpdated:
    lead_segment: LeadSegment
    fields: list[str]
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadSegmentArchived:
    lead_segment: LeadSegment
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadSegmentRestored:
    lead_segment: LeadSegment
    event_time: datetime
