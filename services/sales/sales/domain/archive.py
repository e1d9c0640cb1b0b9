"""Taking records out of lists, and back. Nothing is deleted."""

from datetime import datetime
from typing import Protocol

from chassis.errors import FailedPrecondition


class AlreadyArchived(FailedPrecondition):
    "It is archived already."


class NotArchived(FailedPrecondition):
    "It is not archived."


class Archivable(Protocol):
    """A record that lists may leave out."""

    archive_time: datetime | None

    @property
    def name(self) -> str: ...


def put_away(record: Archivable, at: datetime) -> None:
    if record.archive_time:
        raise AlreadyArchived(name=record.name, archive_time=record.archive_time.isoformat())
    record.archive_time = at


def bring_back(record: Archivable) -> None:
    if not record.archive_time:
        raise NotArchived(name=record.name)
    record.archive_time = None
