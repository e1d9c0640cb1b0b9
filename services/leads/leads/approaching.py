"""Counts what tries to get through to leads brought, and gathers what a recommendation rests on."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from chassis.business_time import HorizonExceeded
from chassis.telemetry import log
from chassis.unattended import unattended
from chassis.work import Context, Work

from leads import approach_tables, cadencing
from leads.domain.approach import ANSWER_DAYS, BANDS, Counted, Situation
from leads.domain.interaction import InteractionKind
from leads.domain.lead import Lead

LOOK_SECONDS = 60.0
OPERATION = "counting"
AHEAD_DAYS = 14
ANSWERED = ("REACHED", "CALL_BACK")
ELSEWHERE = "elsewhere"  # no name of a channel


async def count_tries(context: Context) -> None:
    """Counts for as long as the process lives, once an hour, one replica at a time."""
    while True:
        try:
            await unattended(context, OPERATION, count)
        except Exception as failed:
            log.warning("tries are not counted for now: %s", failed or type(failed).__name__)
        await asyncio.sleep(LOOK_SECONDS)


async def count(work: Work) -> None:
    """Counts all tries anew, if an hour is over."""
    if await work.context.database.fetch(approach_tables.HOLD_DUTY, [], work.connection):
        await work.execute(approach_tables.FORGET)
        await work.execute(approach_tables.COUNT, work.context.company_zone, approach_tables.MOST_COUNTED)
        await work.execute(approach_tables.COUNTED)


async def counted(segment: str, work: Work) -> tuple[list[Counted], datetime | None]:
    """The tries of a segment, and of all others together; when they were counted."""
    rows = await work.rows(approach_tables.RATES, segment=segment)
    counts = [
        Counted(
            kind=InteractionKind[row["kind"]],
            hour=row["hour"],
            segment=segment if row["here"] else ELSEWHERE,
            tries=row["tries"],
            answers=row["answers"],
        )
        for row in rows
    ]
    times = await work.rows(approach_tables.COUNT_TIME)
    return counts, times[0]["count_time"] if times else None


async def situation(lead: Lead, work: Work) -> Situation:
    """What is known of a lead now."""
    story = await work.rows(approach_tables.STORY, lead=lead.name)
    contacts = [row["interaction_time"] for row in story if row["direction"] == "OUTBOUND"]
    earliest = (await cadencing.settings_of(work)).allowed_from(contacts, work.now)
    next_at_work = (await work.calendars.of(lead.owner)).next_at_work if lead.owner else lambda at: at
    enrolment = await cadencing.active(lead.name, work)
    return Situation(
        lead=lead,
        now=work.now,
        earliest=earliest,
        times=[first_within(band, earliest, ZoneInfo(work.context.company_zone), next_at_work) for band in BANDS],
        own=own_answers(story),
        cadence_kind=enrolment.current.kind if enrolment else None,
        cadence_time=enrolment.due_time if enrolment else None,
    )


def own_answers(story: Sequence[Any]) -> dict[InteractionKind, tuple[int, int]]:
    """By way: how many tries a lead answered, of how many; what it began itself is both. `story`: latest first."""
    tries, answers = Counter[InteractionKind](), Counter[InteractionKind]()
    after: Any = None
    for row in story:
        kind, at = InteractionKind[row["kind"]], row["interaction_time"]
        answer = after is not None and after["direction"] == "INBOUND"
        in_time = answer and after["interaction_time"] <= at + timedelta(days=ANSWER_DAYS)
        tries[kind] += 1
        answers[kind] += row["direction"] == "INBOUND" or row["outcome"] in ANSWERED or in_time
        after = row
    return {kind: (tries[kind], answers[kind]) for kind in tries}


def first_within(
    band: tuple[int, int], earliest: datetime, zone: ZoneInfo, next_at_work: Callable[[datetime], datetime]
) -> datetime | None:
    """The first moment from `earliest` on, at most two weeks later, that is within these hours and at which somebody is
    at work; None if there is none."""
    day, last = earliest.astimezone(zone).date(), earliest + timedelta(days=AHEAD_DAYS)
    while (start := datetime.combine(day, time(band[0]), zone).astimezone(UTC)) <= last:
        end_day = day + timedelta(days=band[1] // 24)
        end = datetime.combine(end_day, time(band[1] % 24), zone).astimezone(UTC)
        at = max(start, earliest)
        if at < end:
            try:
                at = next_at_work(at).astimezone(UTC)
            except HorizonExceeded:
                return None
            if at < end:
                return at if at <= last else None
        day = max(day + timedelta(days=1), at.astimezone(zone).date())
    return None
