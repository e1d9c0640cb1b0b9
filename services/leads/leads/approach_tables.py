"""The queries about tries to get through to leads, and how many were answered."""

from chassis.database import Query
from sqlalchemy import text

from leads.domain.approach import ANSWER_DAYS, COUNTED_DAYS

MOST_COUNTED = 1_000_000  # interactions, the newest: some seconds of work once an hour

HOLD_DUTY = (
    "SELECT 1 FROM approach_duties WHERE id = 'duty'"
    " AND (count_time IS NULL OR count_time < now() - interval '1 hour') FOR UPDATE SKIP LOCKED"
)
FORGET = "DELETE FROM approach_rates"
COUNTED = "UPDATE approach_duties SET count_time = now() WHERE id = 'duty'"
# A try is answered if they were reached, or if what happened next with the lead is that they were in touch in time.
COUNT = (
    "INSERT INTO approach_rates (segment, kind, hour, tries, answers)"
    " SELECT segment, kind, hour, count(*)::int, (count(*) FILTER (WHERE answered))::int FROM ("
    " SELECT l.channel AS segment, i.kind, i.direction,"
    " extract(hour FROM i.interaction_time AT TIME ZONE $1::text)::int AS hour,"
    " i.outcome IN ('REACHED', 'CALL_BACK') OR coalesce(lead(i.direction) OVER next = 'INBOUND'"
    f" AND lead(i.interaction_time) OVER next <= i.interaction_time + interval '{ANSWER_DAYS} days', false) AS answered"
    " FROM (SELECT id, lead, kind, direction, outcome, interaction_time FROM interactions"
    f" WHERE interaction_time >= now() - interval '{COUNTED_DAYS} days' ORDER BY interaction_time DESC LIMIT $2::bigint"
    ") i JOIN leads l ON l.id = substr(i.lead, 7)::uuid"
    " WINDOW next AS (PARTITION BY i.lead ORDER BY i.interaction_time, i.id)"
    ") one WHERE direction = 'OUTBOUND' GROUP BY 1, 2, 3"
)
# By way and hour: those of one segment, and those of all others together.
RATES = Query(
    text(
        "SELECT kind, hour, segment = CAST(:segment AS text) AS here, sum(tries)::int AS tries,"
        " sum(answers)::int AS answers FROM approach_rates GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    )
)
COUNT_TIME = Query(text("SELECT count_time FROM approach_duties WHERE id = 'duty'"))
# What happened with one lead, the latest first.
STORY = Query(
    text(
        "SELECT kind, direction, outcome, interaction_time FROM interactions WHERE lead = CAST(:lead AS text)"
        " ORDER BY interaction_time DESC, id DESC LIMIT 200"
    )
)
