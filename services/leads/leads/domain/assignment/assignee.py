"""What somebody can take."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from chassis.values import Record


@dataclass(kw_only=True)
class Assignee(Record):
    """`assignees/ana` is what `users/ana` can take. A capacity of 0 is no limit."""

    collection: ClassVar[str] = "assignees"

    daily_capacity: int = 0
    monthly_capacity: int = 0
    paused: bool = False

    @property
    def person(self) -> str:
        return f"users/{self.id}"


@dataclass(frozen=True, kw_only=True)
class AssigneeUpdated:
    assignee: Assignee
    fields: list[str]
    event_time: datetime
