"""The local times of the files as instants. Olist writes times of America/Sao_Paulo, without saying so."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from crmctl.olist.files import Row, Wrong

ZONE = ZoneInfo("America/Sao_Paulo")
_A_SECOND = timedelta(seconds=1)


def instant(local: datetime, zone: ZoneInfo = ZONE) -> datetime:
    """The UTC instant of a local time without zone.

    A time that clocks showed twice is the first of the two. A time that they skipped, like the midnight of
    2017-10-15, is the next instant that was real: the moment they jumped.
    """
    earlier, later = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (1, 0))
    if earlier >= later:
        return later  # No gap: `fold=0` is the only reading, or the first of two.
    before = earlier.astimezone(zone).utcoffset()
    while later - earlier > _A_SECOND:
        middle = earlier + (later - earlier) // 2
        if middle.astimezone(zone).utcoffset() == before:
            earlier = middle
        else:
            later = middle
    return later.replace(microsecond=0)


def time_of(row: Row, column: str, now: datetime) -> datetime:
    """The instant a cell tells, as `2018-05-08` (midnight) or `2018-05-08 20:17:59`. Raises Wrong."""
    text = row[column]
    try:
        told = datetime.fromisoformat(text)
        # Near the ends of the calendar a zone's offset leads out of it.
        moment = told.astimezone(UTC) if told.tzinfo else instant(told)
    except (ValueError, OverflowError):
        said = f"{text[:40]!r} is not a time like 2018-05-08 20:17:59" if text else "is empty"
        raise Wrong(f"{column} {said}") from None
    if moment > now + timedelta(days=1):
        raise Wrong(f"{column} {text} lies in the future")
    return moment


def timestamp(moment: datetime) -> str:
    """An instant as JSON has it: 2018-05-08T23:17:59Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
