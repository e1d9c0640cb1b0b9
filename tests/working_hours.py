"""Calendars and moments for tests of working time."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from chassis.business_time import (
    Day,
    HolidaySource,
    Schedule,
    Version,
    WeeklyHours,
)
from chassis.public_holidays import holidays_of

WEEKDAYS = list(Day)[:5]
ALWAYS = [WeeklyHours(days=list(Day), start="00:00", end="24:00")]
MINUTE = timedelta(minutes=1)


def schedule(zone="Europe/Sofia", *hours, days=WEEKDAYS, country="", **version):
    """A calendar of one version; `hours` as (start, end), each on all `days`."""
    weekly = version.pop("weekly", None) or [WeeklyHours(days=days, start=a, end=b) for a, b in hours]
    sources = [HolidaySource(country=country)] if country else []
    only = Version(valid_from=date(2020, 1, 1), weekly=weekly, holiday_sources=sources, **version)
    return Schedule(time_zone=zone, versions=[only], holidays=holidays_of([only], 2025, 2027) if country else [])


def local(zone, *when):
    return datetime(*when, tzinfo=ZoneInfo(zone))


def sofia(*when):
    return local("Europe/Sofia", *when)


def hours(number):
    return int(number * 3600)
