"""How good the data on open leads are, counted by team."""

from functools import cache

from chassis.database import IN_REACH, Query
from sqlalchemy import text

from leads.domain.state import LIVE

DEFAULT = ("email", "phone", "company", "channel", "country")
MOST_TEAMS = 500
STALE_DAYS = 14
_LIVE = ", ".join(f"'{state.name}'" for state in sorted(LIVE, key=lambda state: state.value))
_TIMES = "work_time, last_call_time, last_outbound_time, last_inbound_time, assign_time, create_time"
# What a company may ask of a lead.
FIELDS = ("owner", "email", "phone", "company", "channel", "country", "region", "language", "product", "company_size")
# Pairs that nobody decided about, both of which are counted here.
_PAIRS = (
    "SELECT lead, other FROM duplicate_candidates WHERE state = 'OPEN'"
    " AND lead IN (SELECT name FROM mine) AND other IN (SELECT name FROM mine)"
)


@cache
def counts(fields: tuple[str, ...]) -> Query:
    """For each team within a reach: numbers of leads. `fields` are some of FIELDS."""
    lacks = {name: f"{name} = 0" if name == "company_size" else f"{name} = ''" for name in fields}
    asked = {"complete": f"NOT ({' OR '.join(lacks.values())})"}
    asked |= {f"missing_{name}": lack for name, lack in lacks.items()}
    asked |= {
        "unreachable": "email = '' AND phone = ''",
        "stale": f"state <> 'NURTURING' AND greatest({_TIMES}) < CAST(:stale_time AS timestamptz)",
        "duplicates": "name IN (SELECT lead FROM pairs UNION SELECT other FROM pairs)",
    }
    numbers = [f"(count(*) FILTER (WHERE {condition}))::int AS {name}" for name, condition in asked.items()]
    return Query(
        text(
            f"WITH mine AS MATERIALIZED (SELECT 'leads/' || id AS name, team, state, {_TIMES}, {', '.join(FIELDS)}"
            f" FROM leads WHERE state IN ({_LIVE}) AND archive_time IS NULL AND {IN_REACH}),"
            f" pairs AS ({_PAIRS})"
            f" SELECT team, count(*)::int AS leads, {', '.join(numbers)} FROM mine"
            f" GROUP BY team ORDER BY 2 DESC, 1 LIMIT {MOST_TEAMS}"
        )
    )
