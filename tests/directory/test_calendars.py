"""Calendars and absences over gRPC on a real database, and what other services then know."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from chassis.errors import (
    Aborted,
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    InvalidFields,
    NotFound,
    PermissionDenied,
)
from chassis.values import new_id
from crm.directory.v1 import calendars_pb2 as pb
from crm.directory.v1 import directory_pb2, events_pb2
from directory_calls import erasing_suite
from google.protobuf.json_format import ParseDict
from harness import until

BY = "users/root"
WORKDAYS = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY"]
SOFIA = ZoneInfo("Europe/Sofia")


def day(year, month, number):
    return {"year": year, "month": month, "day": number}


def version(*spans, **more):
    weekly = [{"days": WORKDAYS, "start": start, "end": end} for start, end in spans or [("09:00", "18:00")]]
    return {"validFrom": day(2020, 1, 1), "weekly": weekly} | more


async def call(directory, method, by=BY, **fields):
    request = getattr(pb, f"{method}Request")()
    return await directory.call(f"CalendarService/{method}", ParseDict(fields, request), by=by)


async def new_calendar(directory, calendar_id="", *versions, **fields):
    given = {"displayName": "София", "timeZone": "Europe/Sofia", "versions": list(versions) or [version()]} | fields
    return await call(directory, "CreateCalendar", calendar=given, calendarId=calendar_id or new_id())


def spans(preview):
    return [
        (one.start_time.ToDatetime(UTC).astimezone(SOFIA), one.end_time.ToDatetime(UTC).astimezone(SOFIA))
        for one in preview.intervals
    ]


async def test_a_calendar_is_kept_as_it_was_given(directory):
    split = version(("08:00", "12:00"), ("13:30", "18:00"))
    split["exceptions"] = [
        {"date": day(2026, 6, 1), "hours": [{"start": "10:00", "end": "12:00"}], "note": "Инвентура"}
    ]
    made = await new_calendar(directory, "split", split)
    assert (made.name, made.time_zone) == ("calendars/split", "Europe/Sofia")
    assert [hours.end for hours in made.versions[0].weekly] == ["12:00", "18:00"]
    assert await call(directory, "GetCalendar", name=made.name) == made
    assert made.name in [one.name for one in (await call(directory, "ListCalendars")).calendars]
    assert await directory.events(made.name) == ["CalendarCreated"]


async def test_a_taken_slug_is_refused_for_a_calendar(directory):
    await new_calendar(directory, "once")
    with pytest.raises(AlreadyExists):
        await new_calendar(directory, "once")


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "Europe", "/etc/localtime", "Ж"])
async def test_a_zone_that_is_none_is_refused(directory, zone):
    with pytest.raises(InvalidFields):
        await new_calendar(directory, timeZone=zone)


@pytest.mark.parametrize(
    "wrong",
    [
        {"weekly": [{"days": WORKDAYS, "start": "25:00", "end": "18:00"}]},
        {"weekly": [{"days": [], "start": "09:00", "end": "18:00"}]},
        {"weekly": [{"days": ["MONDAY", "MONDAY"], "start": "09:00", "end": "18:00"}]},
        {"exceptions": [{"date": day(2026, 6, 1)}, {"date": day(2026, 6, 1)}]},
        {"exceptions": [{"date": day(2026, 2, 30)}]},
        {"holidaySources": [{"country": "XX"}]},
        {"holidaySources": [{"country": "BR", "subdivision": "QQ"}]},
    ],
)
async def test_a_version_that_contradicts_itself_is_refused(directory, wrong):
    with pytest.raises(InvalidArgument):
        await new_calendar(directory, "", version() | wrong)


async def test_two_versions_from_one_day_are_refused(directory):
    with pytest.raises(InvalidFields):
        await new_calendar(directory, "", version(), version())


async def test_holidays_are_looked_up_once_and_told_with_the_calendar(directory):
    made = await new_calendar(directory, "", version(holidaySources=[{"country": "BG"}]))
    names = {date(one.date.year, one.date.month, one.date.day): one.display_name for one in made.holidays}
    year = datetime.now(UTC).year
    assert names[date(year, 3, 3)].startswith("Ден на Освобождението")
    assert made.holidays_until == year + 3
    assert made.holiday_data_version
    without = await change(directory, made, versions=[version()])
    assert (list(without.holidays), without.holidays_until, without.holiday_data_version) == ([], 0, "")


async def change(directory, calendar, **fields):
    return await call(directory, "UpdateCalendar", calendar={"name": calendar.name, **fields})


async def test_a_change_replaces_versions_and_is_told_once(directory):
    made = await new_calendar(directory)
    changed = await change(directory, made, versions=[version(("10:00", "16:00"))])
    assert changed.versions[0].weekly[0].start == "10:00"
    assert (await change(directory, made, versions=[version(("10:00", "16:00"))])).etag == changed.etag
    assert await directory.events(made.name) == ["CalendarCreated", "CalendarUpdated"]
    with pytest.raises(Aborted):
        await change(directory, made, etag=made.etag, displayName="Late")


async def test_what_is_known_of_holidays_is_looked_up_again_when_it_is_due(directory):
    """A year later, or with the edition of another release: the timer of the calendar tells what changed."""
    made = await new_calendar(directory, "", version(holidaySources=[{"country": "PT"}]))
    old = "UPDATE calendars SET holidays = '[]', holiday_data_version = 'old' WHERE id = $1"
    await directory.rows(old, made.name.split("/")[1])
    now = "UPDATE timer SET next_time = now() WHERE kind = 'calendar_holidays' AND key = $1"
    await directory.rows(now, made.name)

    async def told():
        return await directory.events(made.name) == ["CalendarCreated", "CalendarUpdated"]

    await until(told, "the holidays are told again")
    assert list((await call(directory, "GetCalendar", name=made.name)).holidays) == list(made.holidays)
    rows = await directory.rows(
        "SELECT due_time > now() + interval '23 hours' AS later FROM timer WHERE key = $1", made.name
    )
    assert [row["later"] for row in rows] == [True]


async def test_an_archived_calendar_is_listed_no_more_until_it_is_restored(directory):
    made = await new_calendar(directory)
    await call(directory, "ArchiveCalendar", name=made.name)
    with pytest.raises(FailedPrecondition):
        await call(directory, "ArchiveCalendar", name=made.name)
    assert made.name not in [one.name for one in (await call(directory, "ListCalendars")).calendars]
    await call(directory, "RestoreCalendar", name=made.name)
    with pytest.raises(FailedPrecondition):
        await call(directory, "RestoreCalendar", name=made.name)
    assert made.name in [one.name for one in (await call(directory, "ListCalendars")).calendars]


async def test_a_calendar_that_somebody_works_by_is_not_archived(directory):
    made = await new_calendar(directory)
    user = directory_pb2.User(display_name="Ана", calendar=made.name)
    request = directory_pb2.CreateUserRequest(user=user, user_id=new_id())
    added = await directory.call("DirectoryService/CreateUser", request, by=BY)
    with pytest.raises(FailedPrecondition, match="CALENDAR_IN_USE"):
        await call(directory, "ArchiveCalendar", name=made.name)
    update = directory_pb2.UpdateUserRequest(
        user=directory_pb2.User(name=added.name), update_mask={"paths": ["calendar"]}
    )
    await directory.call("DirectoryService/UpdateUser", update, by=BY)
    await call(directory, "ArchiveCalendar", name=made.name)


@pytest.mark.parametrize("kind", ["User", "Team"])
async def test_nobody_works_by_a_calendar_that_is_not_there(directory, kind):
    record = {"displayName": new_id(), "calendar": "calendars/none"}
    request = ParseDict({kind.lower(): record}, getattr(directory_pb2, f"Create{kind}Request")())
    with pytest.raises(InvalidFields, match="there is no calendar"):
        await directory.call(f"DirectoryService/Create{kind}", request, by=BY)


async def test_a_preview_shows_the_working_time_of_some_days(directory):
    made = await new_calendar(directory, "", version(("08:00", "12:00"), ("13:30", "18:00")))
    shown = await call(directory, "PreviewCalendar", name=made.name, startDate=day(2026, 6, 5), endDate=day(2026, 6, 8))
    friday, monday = (datetime(2026, 6, number, tzinfo=SOFIA) for number in (5, 8))
    assert spans(shown) == [
        (start + timedelta(hours=a), start + timedelta(hours=b))
        for start in (friday, monday)
        for a, b in ((8, 12), (13.5, 18))
    ]
    assert shown.working_seconds == 2 * 8.5 * 3600


async def test_a_preview_names_the_holidays_among_its_days(directory):
    made = await new_calendar(directory, "", version(holidaySources=[{"country": "CN"}]), timeZone="Asia/Shanghai")
    shown = await call(
        directory, "PreviewCalendar", name=made.name, startDate=day(2026, 2, 14), endDate=day(2026, 2, 17)
    )
    days = [(one.date.day, one.working) for one in shown.holidays]
    assert days == [(14, True), (16, False), (17, False)]  # the 15th is a Sunday anyway
    assert shown.working_seconds == 9 * 3600  # the Saturday on which work is made up for


@pytest.mark.parametrize("last", [day(2026, 5, 31), day(2027, 6, 2), day(9999, 12, 31)])
async def test_a_preview_of_no_days_or_of_years_is_refused(directory, last):
    made = await new_calendar(directory)
    with pytest.raises(InvalidFields):
        await call(directory, "PreviewCalendar", name=made.name, startDate=day(2026, 6, 1), endDate=last)


async def test_a_preview_beyond_what_can_be_counted_is_refused(directory):
    made = await new_calendar(directory)
    for number in (1, 1899, 2501, 9999):
        with pytest.raises(InvalidFields):
            await call(directory, "PreviewCalendar", name=made.name, startDate=day(number, 1, 1))


# ---- absences

LEAVE = {"startDate": day(2026, 6, 1), "endDate": day(2026, 6, 5)}


async def test_whole_days_away_begin_and_end_at_midnight_where_the_person_works(directory):
    calendar = await new_calendar(directory)
    sofian = directory_pb2.User(name="users/sofian", display_name="Б", calendar=calendar.name, state="ACTIVE")
    await directory.react(events_pb2.UserCreated(user=sofian), version=1)

    await directory.react(events_pb2.CalendarCreated(calendar=calendar), version=1)
    made = await call(directory, "CreateAbsence", absence={"owner": "users/sofian", **LEAVE})
    assert made.away_start_time.ToDatetime(UTC) == datetime(2026, 6, 1, tzinfo=SOFIA)
    assert made.away_end_time.ToDatetime(UTC) == datetime(2026, 6, 6, tzinfo=SOFIA)


async def test_an_absence_is_changed_and_taken_back_once(directory):
    made = await call(directory, "CreateAbsence", by="users/ana", absence=LEAVE)
    assert (made.owner, made.team, made.state) == ("users/ana", "teams/north", pb.Absence.RECORDED)
    longer = {"name": made.name, "endDate": day(2026, 6, 12)}
    changed = await call(directory, "UpdateAbsence", by="users/ana", absence=longer)
    assert changed.away_end_time.ToDatetime(UTC) == datetime(2026, 6, 13, tzinfo=UTC)
    cancelled = await call(directory, "CancelAbsence", by="users/ana", name=made.name)
    assert cancelled.state == pb.Absence.CANCELLED
    for method, fields in (("CancelAbsence", {"name": made.name}), ("UpdateAbsence", {"absence": longer})):
        with pytest.raises(FailedPrecondition, match="ABSENCE_CANCELLED"):
            await call(directory, method, by="users/ana", **fields)
    assert await directory.events(made.name) == ["AbsenceRecorded", "AbsenceUpdated", "AbsenceCancelled"]
    assert await call(directory, "GetAbsence", name=made.name) == cancelled


@pytest.mark.parametrize(
    "when",
    [
        {},
        {"startDate": day(2026, 6, 1)},
        {"startDate": day(2026, 6, 5), "endDate": day(2026, 6, 1)},
        {"startDate": day(2026, 6, 1), "endDate": day(2036, 6, 1)},
        {"startDate": day(2026, 6, 1), "endDate": day(9999, 12, 31)},
        {"startDate": day(1, 1, 1), "endDate": day(1, 1, 2)},
        {"startDate": day(9999, 12, 30), "endDate": day(9999, 12, 31)},
        {"startTime": "2026-06-01T10:00:00Z"},
        {"startTime": "2026-06-01T10:00:00Z", "endTime": "2026-06-01T10:00:00Z"},
        {"startTime": "2026-06-01T10:00:00Z", "endDate": day(2026, 6, 5)},
    ],
)
async def test_an_absence_that_is_none_is_refused(directory, when):
    with pytest.raises(InvalidFields):
        await call(directory, "CreateAbsence", by="users/ana", absence=when)


async def test_people_say_when_they_are_away_themselves_and_managers_for_their_teams(directory):
    with pytest.raises(InvalidFields, match="beyond your reach"):
        await call(directory, "CreateAbsence", by="users/boris", absence={"owner": "users/ana", **LEAVE})
    made = await call(directory, "CreateAbsence", by="users/mira", absence={"owner": "users/ana", **LEAVE})
    for stranger in ("users/boris", "users/dora"):
        with pytest.raises(NotFound):
            await call(directory, "CancelAbsence", by=stranger, name=made.name)
    with pytest.raises(PermissionDenied):
        await call(directory, "CreateAbsence", by="serviceAccounts/erp", absence=LEAVE)
    asked = 'owner = "users/ana" AND away_end_time > "2026-06-03T00:00:00Z"'
    found = await call(directory, "ListAbsences", by="users/boris", filter=asked)  # colleagues see that, and no reason
    assert made.name in [one.name for one in found.absences]


@pytest.fixture
async def pair(issuer):
    async for suite in erasing_suite(issuer):
        yield suite


async def test_every_service_hears_of_calendars_and_absences_by_the_stream(pair):
    directory, leads = pair["directory"], pair["leads"]
    calendar = await new_calendar(directory, "default", version(("00:00", "00:01")))
    await call(directory, "CreateAbsence", by="users/ana", absence=LEAVE)

    async def known():
        absences = await leads.rows("SELECT 1 FROM absence WHERE owner = 'users/ana'")
        return absences and await leads.rows("SELECT 1 FROM calendar WHERE name = $1", calendar.name)

    await until(known, "leads knows both")
