"""Calendars: made, changed, shown."""

from datetime import UTC, date, datetime, time, timedelta

from chassis.business_time import WorkingTime, in_reach
from chassis.convert import civil_date, from_message, to_message
from chassis.errors import InvalidFields
from chassis.values import slug
from chassis.work import Page, Work
from crm.directory.v1 import calendars_pb2

from directory import holidays, tables
from directory.domain.calendar import Calendar, CalendarCreated, CalendarInUse, CalendarUpdated
from directory.domain.people import Team, User

MOST_DAYS = 366
Preview = calendars_pb2.PreviewCalendarResponse


class Calendars:
    async def CreateCalendar(self, request: calendars_pb2.CreateCalendarRequest, work: Work) -> Calendar:
        given = request.calendar
        calendar = from_message(given, Calendar, id=request.calendar_id or slug(given.display_name))
        calendar.check()
        await holidays.fill_in(calendar, work)
        work.emit(CalendarCreated(calendar=work.add(calendar), event_time=work.now))
        return calendar

    async def GetCalendar(self, request: calendars_pb2.GetCalendarRequest, work: Work) -> Calendar:
        return await work.get(Calendar, request.name)

    async def ListCalendars(self, request: calendars_pb2.ListCalendarsRequest, work: Work) -> Page[Calendar]:
        return await work.page(Calendar, request)

    async def UpdateCalendar(self, request: calendars_pb2.UpdateCalendarRequest, work: Work) -> Calendar:
        calendar = await work.get(Calendar, request.calendar.name, request.calendar.etag)
        if work.update(calendar, request.calendar, request.update_mask.paths, "calendar"):
            calendar.check()
            await holidays.fill_in(calendar, work)
            work.emit(CalendarUpdated(calendar=calendar, event_time=work.now))
        return calendar

    async def ArchiveCalendar(self, request: calendars_pb2.ArchiveCalendarRequest, work: Work) -> Calendar:
        calendar = await work.get(Calendar, request.name, request.etag)
        if found := await work.rows(tables.WORK_BY, calendar=calendar.name):
            raise CalendarInUse(name=calendar.name, by=found[0]["name"])
        work.emit(calendar.archive(at=work.now))
        return calendar

    async def RestoreCalendar(self, request: calendars_pb2.RestoreCalendarRequest, work: Work) -> Calendar:
        calendar = await work.get(Calendar, request.name, request.etag)
        work.emit(calendar.restore(at=work.now))
        return calendar

    async def PreviewCalendar(self, request: calendars_pb2.PreviewCalendarRequest, work: Work) -> Preview:
        calendar = await work.get(Calendar, request.name)
        hours = WorkingTime(calendar.schedule)
        first, last = _days(request, work.now.astimezone(hours.zone).date())
        start = datetime.combine(first, time(), hours.zone).astimezone(UTC)
        end = datetime.combine(last + timedelta(days=1), time(), hours.zone).astimezone(UTC)
        preview = Preview(working_seconds=hours.working(start, end))
        for begins, ends in hours.intervals(start, end):
            preview.intervals.add(start_time=begins, end_time=ends)
        shown = (day for day in calendar.holidays if first <= day.date <= last)
        preview.holidays.extend(to_message(day, calendars_pb2.Holiday) for day in shown)
        return preview


def _days(request: calendars_pb2.PreviewCalendarRequest, today: date) -> tuple[date, date]:
    """The first and the last day to be shown."""
    first = civil_date(request.start_date, "start_date") if request.HasField("start_date") else today
    last = civil_date(request.end_date, "end_date") if request.HasField("end_date") else first + timedelta(days=6)
    if not 0 <= (last - first).days < MOST_DAYS:
        raise InvalidFields(("end_date", f"is at most {MOST_DAYS - 1} days after start_date, and not before it"))
    if not (in_reach(first) and in_reach(last)):
        raise InvalidFields(("start_date", "lies in another age"))
    return first, last


async def check_calendar(of: User | Team, work: Work) -> None:
    """The calendar that somebody works by exists and is in use."""
    if of.calendar:
        found = await work.find_one(Calendar, id=of.calendar.removeprefix("calendars/"))
        if found is None or found.archive_time:
            raise InvalidFields(("calendar", f"there is no calendar {of.calendar}"))
