"""Sends leads that are left in peace down a nurture path, into its cadence, and knows why they are on it."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
from chassis.errors import InvalidFields
from chassis.filtering import Bind, parse, to_sql
from chassis.values import id_of, new_id
from chassis.work import Work

from leads import cadencing, feedback_tables, nurture_tables, tables
from leads.configuration import settings_of as lead_settings_of
from leads.domain.cadence import Cadence
from leads.domain.lead import Lead
from leads.domain.nurture import Decision, NurturePath, NurtureSettings, Past, decide
from leads.domain.segment import LeadSegment
from leads.domain.state import OPEN, WakeCause

MOST_SECONDS = 5.0  # in which it is found for whom paths are


async def settings_of(work: Work) -> NurtureSettings:
    """As configured, else no paths; each says whether leads are sent down it."""
    return await judged(await work.find_one(NurtureSettings, id=NurtureSettings.ID) or NurtureSettings(), work)


async def judged(settings: NurtureSettings, work: Work) -> NurtureSettings:
    """The same, each path saying whether leads are sent down it. What is changed in it is not stored."""
    cadences, segments = await _needed(settings.paths, work)
    paths = [path.judged(cadences, segments, work.now) for path in settings.paths]
    for place, said in _not_asked(paths, segments, work):
        paths[place] = replace(paths[place], inactive=paths[place].inactive or said)
    return replace(settings, paths=paths)


async def check(settings: NurtureSettings, work: Work) -> None:
    """InvalidFields if leads could not be sent down one of its paths."""
    cadences, segments = await _needed(settings.paths, work)
    settings.check(cadences, segments, work.now)
    if wrong := _not_asked(settings.paths, segments, work):
        raise InvalidFields(*((f"nurture_settings.paths[{place}].filter", said) for place, said in wrong))
    settings.paths = [replace(path, inactive="") for path in settings.paths]


async def _needed(paths: Sequence[NurturePath], work: Work) -> tuple[dict[str, Cadence], dict[str, LeadSegment]]:
    """The cadences and segments that paths name, those that are there, by name: two queries, however many paths."""
    cadences = sorted({id_of(path.cadence) for path in paths if path.cadence})
    segments = sorted({id_of(path.segment) for path in paths if path.segment})
    return (
        {one.name: one for one in (await work.find(Cadence, id=cadences) if cadences else [])},
        {one.name: one for one in (await work.find(LeadSegment, id=segments) if segments else [])},
    )


async def nurture(
    lead: Lead,
    work: Work,
    *,
    asked: datetime | None = None,
    plan: str = "",
    path: str = "",
    reason: str = "",
    note: str = "",
) -> None:
    """Leaves a lead in peace: until the day that is asked for, else that of the plan, else that of its path.
    `path`: the one that somebody names."""
    settings, paths = await lead_settings_of(work), await settings_of(work)
    by_plan = settings.plan(plan)
    lead.require(OPEN)
    named = paths.path(path)
    (decision,) = await decisions(paths.paths, [lead.id], work, named.path if named else "")
    taken = paths.path(decision.path)
    until = asked or (taken.wake_time(work.now) if taken and not by_plan else None)
    until = settings.nurture_until(until, by_plan, work.now)
    work.emit(lead.nurture(until, by_plan, reason, note, settings.nurture_limit, work.now, decision.path))
    await cadencing.leave(lead, work)
    if taken and taken.cadence and lead.owner and not lead.archive_time:
        cadence = await work.get(Cadence, taken.cadence)
        decision = replace(decision, cadence_enrolment=(await cadencing.enrol(cadence, lead, work)).name)
    await work.execute(nurture_tables.LEAVE, lead.id, work.now)
    if paths.paths:
        causes = [cause.name for cause in taken.sleeps_through] if taken else []
        told = (msgspec.json.encode(one).decode() for one in (causes, decision))
        await work.execute(nurture_tables.ENTER, new_id(), lead.id, decision.path, work.now, *told)


async def sleeps_through(lead: Lead, cause: WakeCause, work: Work) -> bool:
    """Whether its path, as it was when the lead was sent down, lets it sleep."""
    rows = await work.rows(nurture_tables.LATEST, lead=lead.id) if lead.nurture_path else []
    return any(
        row["path"] == lead.nurture_path and cause.name in msgspec.json.decode(row["sleeps_through"]) for row in rows
    )


async def decisions(paths: Sequence[NurturePath], ids: Sequence[str], work: Work, named: str = "") -> list[Decision]:
    """Which path leads would be sent down now, in the order of `ids`: two queries, however many leads and paths."""
    if not paths:
        return [Decision(lead=f"leads/{one}", path="", decide_time=work.now) for one in ids]
    chosen, past = await _selected(paths, ids, work), await _past(ids, work)

    def each() -> list[Decision]:
        return [decide(f"leads/{one}", paths, chosen[one], past[one], work.now, named) for one in ids]

    return await asyncio.to_thread(each)  # beside the event loop: thousands take a second


async def kept(lead: Lead, work: Work) -> Decision | None:
    """What was decided when a lead that is nurtured was left in peace; None if there were no paths then."""
    for row in await work.rows(nurture_tables.LATEST, lead=lead.id):
        if row["open"]:
            return msgspec.json.decode(row["told"], type=Decision)
    return None


async def _past(ids: Sequence[str], work: Work) -> Mapping[str, dict[str, Past]]:
    past: dict[str, dict[str, Past]] = defaultdict(dict)
    for row in await work.rows(nurture_tables.PAST, leads=list(ids), now=work.now):
        past[row["lead"]][row["path"]] = Past(row["entries"], row["last_left"])
    return past


async def _selected(paths: Sequence[NurturePath], ids: Sequence[str], work: Work) -> Mapping[str, set[str]]:
    """Of leads the paths whose segment or filter selects them."""
    _, segments = await _needed(paths, work)
    arguments: list[Any] = [list(ids)]

    def bind(value: Any, cast: str) -> str:
        arguments.append(value)
        return f"${len(arguments)}::{cast}"

    asked = [
        " AND ".join([f"SELECT {place} AS place, id::text AS id FROM leads WHERE id = any($1::uuid[])", *conditions])
        for place, path in enumerate(paths)
        if not path.inactive
        for conditions in [_selects(path, segments, work, bind)]
    ]
    found: dict[str, set[str]] = defaultdict(set)
    sql = " UNION ALL ".join(asked)
    for row in await work.context.database.fetch(sql, arguments, work.connection, MOST_SECONDS) if asked else []:
        found[row["id"]].add(paths[row["place"]].path)
    return found


def _not_asked(paths: Sequence[NurturePath], segments: Mapping[str, LeadSegment], work: Work) -> list[tuple[int, str]]:
    """The places of paths for whose filter leads cannot be asked, and why."""
    found = []
    for place, path in enumerate(paths):
        try:
            _selects(path, segments, work, lambda *_: "")
        except InvalidFields as wrong:
            found.append((place, "; ".join(said for _, said in wrong.violations)))
    return found


def _selects(path: NurturePath, segments: Mapping[str, LeadSegment], work: Work, bind: Bind) -> list[str]:
    """For whom a path is, as SQL conditions on leads. Their state is what they are about to be. Nothing is hidden: the
    company asks, not whoever leaves the lead in peace. InvalidFields if leads cannot be asked so."""
    segment = segments.get(path.segment)
    conditions = parse(segment.filter if segment else path.filter)
    asked = to_sql(conditions, tables.leads, bind, own=work.context.custom_fields.of(Lead.collection))
    asked = [
        f"'NURTURING'{sql.removeprefix('state')}" if condition.field == "state" else sql
        for condition, sql in zip(conditions, asked, strict=True)
    ]
    if segment and segment.feedback:
        among = feedback_tables.gave(segment.feedback)
        bound = {name: bind(value, cast) for name, (value, cast) in among.arguments.items()}
        asked.append(f"id = any(ARRAY({among.sql.format(**bound)}))")
    return asked
