"""The period that a report is asked for."""

from datetime import datetime, timedelta
from typing import Any

from chassis.convert import moment
from chassis.errors import InvalidFields

USUAL = timedelta(days=30)


def period(request: Any, now: datetime) -> tuple[datetime, datetime]:
    """From `start_time` to `end_time` of a request: until now unless it says so, and for the usual time before that.
    InvalidFields if it ends before it begins."""
    end = moment(request.end_time, "end_time") if request.HasField("end_time") else now
    start = moment(request.start_time, "start_time") if request.HasField("start_time") else None
    if start is None:
        start = end - USUAL if end.year > 1 else end
    if start > end:
        raise InvalidFields(("start_time", "is not after end_time"))
    return start, end
