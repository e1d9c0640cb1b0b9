"""Work on many leads in the background, see `chassis.operation`."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from chassis.operation import Operation


@dataclass(kw_only=True)
class LeadOperation(Operation):
    collection: ClassVar[str] = "leadOperations"

    def started(self, at: datetime) -> "LeadOperationStarted":
        return LeadOperationStarted(operation=self, event_time=at)

    def ended(self, at: datetime) -> "LeadOperationEnded":
        return LeadOperationEnded(operation=self, event_time=at)


@dataclass(frozen=True, kw_only=True)
class LeadOperationStarted:
    operation: LeadOperation
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadOperationEnded:
    operation: LeadOperation
    event_time: datetime
