"""Calendars and absences as every service knows them: is this person at work, and when next?"""

from datetime import UTC, datetime, timedelta

import pytest
from chassis.calendars import CalendarUnknown
from chassis.values import new_id
from crm.directory.v1 import calendars_pb2, directory_pb2, events_pb2
from google.protobuf.json_format import ParseDict

WORKDAYS = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY"]
MONDAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=7)
MONDAY -= timedelta(days=MONDAY.weekday())


def at(hour, day=0):
    return MONDAY + timedelta(days=day, hours=hour)


async def calendar(service, name="", start="09:00", end="17:00", number=1, **more):
    weekly = [{"days": WORKDAYS, "start": start, "end": end}]
    versions = [{"validFrom": {"year": 2020, "month": 1, "day": 1}, "weekly": weekly}]
    known = {"name": name or f"calendars/{new_id()}", "timeZone": "UTC", "versions": versions, "etag": str(number)}
    given = ParseDict(known | more, calendars_pb2.Calendar())
    await service.react(events_pb2.CalendarUpdated(calendar=given), version=number)
    return given.name


async def team(service, parent="", calendar=""):
    name = f"teams/{new_id()}"
    given = directory_pb2.Team(name=name, display_name="T", parent=parent, calendar=calendar)
    await service.react(events_pb2.TeamCreated(team=given), version=1)
    return name


async def person(service, **more):
    given = directory_pb2.User(name=f"users/{new_id()}", display_name="Ли", state="ACTIVE", **more)
    await service.react(events_pb2.UserCreated(user=given), version=1)
    return given.name


async def away(service, owner, start, end, name="", state="RECORDED", number=1):
    name = name or f"absences/{new_id()}"
    absence = calendars_pb2.Absence(name=name, owner=owner, away_start_time=start, away_end_time=end, state=state)
    await service.react(events_pb2.AbsenceUpdated(absence=absence), version=number)
    return name


async def next_at_work(service, who, moment):
    return (await service.process.context.calendars.of(who)).next_at_work(moment)


async def at_work(service, who, moment):
    return (await service.process.context.calendars.of(who)).at_work(moment)


async def test_a_person_works_by_their_own_calendar(leads):
    who = await person(
        leads, calendar=await calendar(leads), team=await team(leads, calendar=await calendar(leads, end="10:00"))
    )
    assert await at_work(leads, who, at(16))
    assert not await at_work(leads, who, at(17))
    assert await next_at_work(leads, who, at(17)) == at(9, day=1)


async def test_without_one_of_their_own_by_that_of_the_nearest_team_above(leads):
    top = await team(leads, calendar=await calendar(leads, end="12:00"))
    middle = await team(leads, parent=top, calendar=await calendar(leads, end="11:00"))
    for below, closes in ((middle, 11), (top, 12)):
        who = await person(leads, team=await team(leads, parent=below))
        assert await at_work(leads, who, at(closes - 1))
        assert not await at_work(leads, who, at(closes))


async def test_without_any_by_the_default_one_and_else_around_the_clock(leads):
    who = await person(leads)
    assert await at_work(leads, who, at(3))
    await calendar(leads, "calendars/default")
    assert not await at_work(leads, who, at(3))
    await leads.rows("DELETE FROM calendar WHERE name = 'calendars/default'")
    leads.process.context.calendars.forget()


async def test_a_loop_of_teams_does_no_harm(leads):
    one = await team(leads)
    other = await team(leads, parent=one)
    looped = directory_pb2.Team(name=one, display_name="T", parent=other)
    await leads.react(events_pb2.TeamUpdated(team=looped), version=2)
    assert await at_work(leads, await person(leads, team=other), at(3))


async def test_who_is_away_is_not_at_work_until_back_in_working_hours(leads):
    who = await person(leads, calendar=await calendar(leads))
    await away(leads, who, at(10), at(12, day=1))
    assert await at_work(leads, who, at(9))
    assert not await at_work(leads, who, at(10))
    assert await next_at_work(leads, who, at(10)) == at(12, day=1)


async def test_an_absence_that_is_moved_or_taken_back_no_longer_counts(leads):
    who = await person(leads, calendar=await calendar(leads))
    name = await away(leads, who, at(9), at(17))
    await away(leads, who, at(9, day=1), at(17, day=1), name, number=2)
    assert await at_work(leads, who, at(10))
    assert not await at_work(leads, who, at(10, day=1))
    await away(leads, who, at(9, day=1), at(17, day=1), name, "CANCELLED", number=3)
    assert await at_work(leads, who, at(10, day=1))


async def test_a_late_event_does_not_bring_old_hours_back(leads):
    name = await calendar(leads, number=3)
    await calendar(leads, name, end="23:00", number=2)
    assert not (await leads.process.context.calendars.named(name)).is_open(at(18))


async def test_holidays_come_with_the_calendar(leads):
    off = {"year": MONDAY.year, "month": MONDAY.month, "day": MONDAY.day}
    name = await calendar(leads, holidays=[{"date": off, "displayName": "春节"}])
    assert not (await leads.process.context.calendars.named(name)).is_open(at(10))


async def test_a_calendar_that_nobody_told_of_is_unknown(leads):
    with pytest.raises(CalendarUnknown):
        await leads.process.context.calendars.named("calendars/none")
