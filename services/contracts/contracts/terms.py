"""How long contracts last: days of the calendar, and the instants at which they begin and end.

Every period is counted from its anchor, never from the period before: 31 January and a month is 28 February, and two
months are 31 March.
"""

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def months_after(anchor: date, months: int) -> date:
    """The same day of a later month; the month's last day where it has no such day."""
    years, month = divmod(anchor.month - 1 + months, 12)
    year, month = anchor.year + years, month + 1
    return date(year, month, min(anchor.day, monthrange(year, month)[1]))


def last_day(first: date, months: int) -> date | None:
    """The last day of a term: the day before its anniversary. None if the term is unlimited (0 months)."""
    return months_after(first, months) - timedelta(days=1) if months else None


def civil_day(moment: datetime, zone: ZoneInfo) -> date:
    """The day on which `moment` falls in a zone."""
    return moment.astimezone(zone).date()


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The instant (UTC) at which a day begins in a zone.

    A midnight that a clock change skips is the next real instant; of two midnights the first counts, so that one
    term ends where the next one begins.
    """
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)
