"""The report on leads: one aggregation, over what is known now or what was known at a moment.

Now: a row for each lead, kept as events come in. At a moment: the same, and from the history where more was told since.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from chassis.database import IN_REACH, Query
from chassis.errors import InvalidArgument, InvalidFields
from chassis.work import Work
from sqlalchemy import text

from insights.lead_facts import AT, State, state

MOST_GROUPS = 500
MOST_DAYS = 3_700  # ten years
DEFAULT_WEEKS = 12
SECONDS = 8.0  # a history of millions of events takes some

GROUPS = {
    "LEAD_GROUPING_UNSPECIFIED": "''",
    "CHANNEL": "channel",
    "CAMPAIGN": "coalesce(campaign, '')",
    "OWNER": "owner",
    "TEAM": "team",
    "WEEK": "date_trunc('week', contact_time AT TIME ZONE :zone)::date::text",
    "MONTH": "to_char(contact_time AT TIME ZONE :zone, 'YYYY-MM')",
}
IN_TIME = ("WEEK", "MONTH")
# Each step: when it was come to, and the step before, from which a wait is counted.
STEPS = {
    "ASSIGNED": ("assign_time", ""),
    "CONTACTED": ("touch_time", ""),
    "ACCEPTED": ("accept_time", "ASSIGNED"),
    "MQL": ("mql_time", ""),
    "SAL": ("sal_time", "MQL"),
    "SQL": ("sql_time", "SAL"),
    "CONVERTED": ("convert_time", "SQL"),
}
CONVERTED, DISQUALIFIED, MERGED = map(state, (State.CONVERTED, State.DISQUALIFIED, State.MERGED))
OPEN = f"state NOT IN ('{CONVERTED}', '{DISQUALIFIED}')"


class TooManyGroups(InvalidArgument):
    """There are more groups than a report has; choose a shorter period, or another grouping."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a report is about. `start` is the first moment, `end` the one behind the last."""

    group_by: str
    first_day: date
    last_day: date
    zone: str
    as_of: datetime | None
    channel: str
    owner: str
    team: str

    @property
    def parameters(self) -> dict[str, Any]:
        zone = ZoneInfo(self.zone)
        start = datetime.combine(self.first_day, datetime.min.time(), zone)
        end = datetime.combine(self.last_day + timedelta(days=1), datetime.min.time(), zone)
        given = {"channel": self.channel, "only_owner": self.owner, "only_team": self.team}
        past = {"as_of": self.as_of} if self.as_of else {}
        by_time = {"zone": self.zone} if self.group_by in IN_TIME else {}
        return given | past | by_time | {"start": start, "end": end}


def period(first: date | None, last: date | None, today: date) -> tuple[date, date]:
    """The days of a period; by default from the Monday twelve weeks before this week's until today."""
    last = last or today
    first = first or last - timedelta(days=last.weekday(), weeks=DEFAULT_WEEKS)
    if first > last:
        raise InvalidFields(("end_date", "lies before start_date"))
    if (last - first).days > MOST_DAYS:
        raise InvalidFields(("start_date", f"is more than {MOST_DAYS} days before end_date"))
    return first, last


@dataclass(frozen=True, kw_only=True)
class Step:
    """How many leads came to a step; [median, p90] in seconds from the first contact, and from the step before."""

    step: str
    previous: str
    leads: int
    since_contact: list[float] | None
    since_previous: list[float] | None


@dataclass(frozen=True, kw_only=True)
class Group:
    key: str
    leads: int
    open: int
    untouched: int
    lost: int
    steps: list[Step]
    losses: list[tuple[str, int]]


async def report(asked: Asked, work: Work) -> list[Group]:
    """The groups; TooManyGroups if there are more than 500."""
    parameters = asked.parameters | dict(work.sight())
    past = asked.as_of is not None

    async def rows(what: str) -> list[Any]:
        query = _query(what, asked.group_by, past)
        return await work.context.database.fetch(query.sql, query.arguments(parameters), work.connection, SECONDS)

    counts = await rows("counts")
    if len(counts) > MOST_GROUPS:
        raise TooManyGroups(most=MOST_GROUPS)
    losses: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
    for row in await rows("losses"):
        losses[row["key"]].append((row["reason"], row["leads"]))
    return [_group(row, losses[row["key"]]) for row in counts]


def _group(row: Mapping[str, Any], losses: list[tuple[str, int]]) -> Group:
    steps = [
        Step(
            step=step,
            previous=previous,
            leads=row[f"{time}_leads"],
            since_contact=row[f"{time}_since"],
            since_previous=row[f"{time}_wait"] if previous else row[f"{time}_since"],
        )
        for step, (time, previous) in STEPS.items()
    ]
    numbers = {name: row[name] for name in ("leads", "open", "untouched", "lost")}
    return Group(key=row["key"], steps=steps, losses=losses, **numbers)


@cache
def _query(what: str, group_by: str, past: bool) -> Query:
    told = f"({AT})" if past else "lead_facts"
    named = ""
    if group_by == "CAMPAIGN":
        named = " LEFT JOIN lead_campaigns c ON c.lead = told.lead"
        named += " AND c.record_time <= CAST(:as_of AS timestamptz)" if past else ""
    where = (
        f" FROM {told} told{named} WHERE contact_time >= CAST(:start AS timestamptz)"
        f" AND contact_time < CAST(:end AS timestamptz) AND state <> '{MERGED}' AND {IN_REACH}"
        " AND (CAST(:channel AS text) = '' OR channel = CAST(:channel AS text))"
        " AND (CAST(:only_owner AS text) = '' OR owner = CAST(:only_owner AS text))"
        " AND (CAST(:only_team AS text) = '' OR team = CAST(:only_team AS text))"
    )
    key = GROUPS[group_by].replace(":zone", "CAST(:zone AS text)")
    if what == "losses":
        columns = f"{key} AS key, reason, count(*)::int AS leads"
        return Query(text(f"SELECT {columns}{where} AND state = '{DISQUALIFIED}' GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2"))
    order = "key" if group_by in IN_TIME else "leads DESC, key"
    columns = ", ".join([f"{key} AS key", *_COUNTS, *(one for step in STEPS for one in _times(step))])
    return Query(text(f"SELECT {columns}{where} GROUP BY 1 ORDER BY {order} LIMIT {MOST_GROUPS + 1}"))


_COUNTS = (
    "count(*)::int AS leads",
    f"(count(*) FILTER (WHERE {OPEN}))::int AS open",
    f"(count(*) FILTER (WHERE {OPEN} AND touch_time IS NULL))::int AS untouched",
    f"(count(*) FILTER (WHERE state = '{DISQUALIFIED}'))::int AS lost",
)


def _times(step: str) -> list[str]:
    time, previous = STEPS[step]
    found = [f"count({time})::int AS {time}_leads", f"{_quantiles(time, 'contact_time')} AS {time}_since"]
    if previous:
        found.append(f"{_quantiles(time, STEPS[previous][0])} AS {time}_wait")
    return found


def _quantiles(until: str, since: str) -> str:
    """Median and p90 in seconds, of those that have both; NULL if none has."""
    seconds = f"date_part('epoch', {until} - {since})"
    both = f"FILTER (WHERE {until} IS NOT NULL AND {since} IS NOT NULL)"
    return f"percentile_disc(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY {seconds}) {both}"
