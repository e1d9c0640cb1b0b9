"""The holidays of calendars, looked up once here and told to every service, which then need not know any.

What is known of them changes: years pass, countries move days, and a release brings another edition. A timer per
calendar looks every day, and says so only if something changed.
"""

import asyncio
from datetime import timedelta

from chassis.business_time import YEARS_AHEAD, YEARS_BACK
from chassis.public_holidays import holiday_data_version, holidays_of
from chassis.timers import Due, Timer
from chassis.work import Work

from directory.domain.calendar import Calendar, CalendarUpdated

KIND = "calendar_holidays"
EVERY = timedelta(days=1)


async def fill_in(calendar: Calendar, work: Work) -> None:
    """Sets what its sources say about the years around now, and looks again tomorrow; UnknownHolidays if one says
    nothing."""
    if not calendar.has_sources:
        calendar.holidays, calendar.holidays_until, calendar.holiday_data_version = [], 0, ""
        await work.cancel_timer(KIND, calendar.name)
        return
    await look(calendar, work)
    await work.set_timer(KIND, calendar.name, work.now + EVERY)


async def look(calendar: Calendar, work: Work) -> bool:
    """Whether anything is known that was not."""
    known = calendar.holidays, calendar.holidays_until, calendar.holiday_data_version
    first, last = work.now.year - YEARS_BACK, work.now.year + YEARS_AHEAD
    found = await asyncio.to_thread(holidays_of, calendar.versions, first, last)  # loads for a second the first time
    calendar.holidays, calendar.holidays_until, calendar.holiday_data_version = found, last, holiday_data_version()
    return known != (calendar.holidays, calendar.holidays_until, calendar.holiday_data_version)


async def look_again(due: Due, work: Work) -> None:
    calendar = await work.get(Calendar, due.key)
    if await look(calendar, work):
        work.emit(CalendarUpdated(calendar=calendar, event_time=work.now))
    await work.set_timer(KIND, calendar.name, max(due.due_time, work.now) + EVERY)


LOOK_AGAIN = Timer(KIND, look_again)
