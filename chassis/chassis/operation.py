"""How far work in the background is. Standard library, values and the error tree only; see `operations`."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, ClassVar

from chassis.errors import CrmError
from chassis.values import Record

MOST_PROBLEMS = 100
KEPT = timedelta(hours=24)


class State(Enum):
    RUNNING = 1
    SUCCEEDED = 2
    FAILED = 3
    CANCELLED = 4


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One item that could not be done."""

    subject: str
    reason: str
    message: str


@dataclass(kw_only=True)
class Operation(Record):
    """Work in the background. `owner` began it, or `caller` for the owner, and by the caller's rights. `request` says
    what is to be done, `cursor` how far that is: both a task's own, as JSON.

    A service says of its own kind in which collection it is, and by which events it is told."""

    collection: ClassVar[str]

    kind: str
    owner: str
    team: str
    caller: str = ""  # empty: the owner
    state: State = State.RUNNING
    request: dict[str, Any] = field(default_factory=dict)
    cursor: dict[str, Any] = field(default_factory=dict)
    total_items: int = 0
    done_items: int = 0
    failed_items: int = 0
    problems: list[Problem] = field(default_factory=list)
    error_reason: str = ""
    error_message: str = ""
    cancel_time: datetime | None = None
    end_time: datetime | None = None
    media_type: str = ""
    part_count: int = 0
    part_bytes: int = 0  # of the last part
    byte_count: int = 0
    expire_time: datetime | None = None
    attempts: int = 0  # at the part that is next
    due_time: datetime | None = None  # when the next part is done; None: no more

    def started(self, at: datetime) -> Any:
        """The event that tells of the beginning."""
        raise NotImplementedError

    def ended(self, at: datetime) -> Any:
        """The event that tells of the end."""
        raise NotImplementedError

    def count(self, done: int) -> None:
        """So many items more were done."""
        self.done_items += done

    def fail(self, subject: str, error: CrmError) -> None:
        """One more item failed."""
        self.done_items += 1
        self.failed_items += 1
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(subject=subject, reason=error.reason, message=error.message))

    def end(self, state: State, at: datetime) -> Any:
        self.state, self.end_time, self.due_time = state, at, None
        if self.part_count:  # what is not whole is no result
            self.expire_time = at + KEPT if state is State.SUCCEEDED else at
        return self.ended(at)

    def give_up(self, error: CrmError, at: datetime) -> Any:
        self.error_reason, self.error_message = error.reason, error.message
        return self.end(State.FAILED, at)
