"""What leads stores about nurture paths: the settings, and each stay of a lead on a path."""

from chassis.database import IN_REACH, TIME, Query, record_columns
from sqlalchemy import Boolean, Column, Index, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB, UUID

from leads.domain.nurture import NurtureSettings
from leads.follow_up_tables import METADATA

MOST_COUNTED, MOST_SIMULATED = 100_000, 5_000

settings = Table("nurture_settings", METADATA, *record_columns(slug=True), Column("paths", JSONB, nullable=False))
# Each time that a lead was left in peace while there were paths; `path` is empty if none was for it. `told`: why.
stays = Table(
    "nurture_stays",
    METADATA,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("lead_id", UUID(as_uuid=False), nullable=False),
    Column("path", Text(collation="C"), nullable=False),
    Column("enter_time", TIME, nullable=False),
    Column("leave_time", TIME),
    Column("woken", Boolean, nullable=False),
    Column("sleeps_through", JSONB, nullable=False),
    Column("told", JSONB, nullable=False),
)
Index("nurture_stays_lead", stays.c.lead_id, stays.c.id.desc())
Index("nurture_stays_enter_time", stays.c.enter_time)
RECORDS = {NurtureSettings: settings}

# Of a lead that is open: it woke.
LEAVE = (
    "UPDATE nurture_stays SET leave_time = $2::timestamptz, woken = true"
    " WHERE lead_id = $1::uuid AND leave_time IS NULL"
)
ENTER = (
    "INSERT INTO nurture_stays (id, lead_id, path, enter_time, woken, sleeps_through, told)"
    " VALUES ($1::uuid, $2::uuid, $3::text, $4::timestamptz, false, $5::jsonb, $6::jsonb)"
)
# A lead's latest stay ends when it is not left in peace any more, by whatever verb; and goes on if an undone merge
# brings the lead back to its path. Parameters: the lead, when, whether it was woken.
FOLLOW = (
    "UPDATE nurture_stays stay SET leave_time ="
    " CASE WHEN l.state <> 'NURTURING' THEN greatest(stay.enter_time, $2::timestamptz) END,"
    " woken = l.state <> 'NURTURING' AND $3::boolean"
    " FROM leads l WHERE l.id = substr($1::text, 7)::uuid AND stay.id ="
    " (SELECT last.id FROM nurture_stays last WHERE last.lead_id = l.id ORDER BY last.id DESC LIMIT 1)"
    " AND CASE WHEN l.state <> 'NURTURING' THEN stay.leave_time IS NULL"
    " ELSE stay.leave_time IS NOT NULL AND stay.path <> '' AND stay.path = l.nurture_path END"
)
LATEST = Query(
    text(
        "SELECT path, sleeps_through, told, leave_time IS NULL AS open FROM nurture_stays"
        " WHERE lead_id = CAST(:lead AS uuid) ORDER BY id DESC LIMIT 1"
    )
)
# How often leads were sent down which path, and when they last left. The stay that a nurtured lead is in does not
# count: it is asked where the lead would go, were it not there. One whose end was not noticed yet ends now.
PAST = Query(
    text(
        "SELECT stay.lead_id::text AS lead, stay.path, count(*) AS entries,"
        " max(coalesce(stay.leave_time, CAST(:now AS timestamptz))) AS last_left"
        " FROM nurture_stays stay JOIN leads l ON l.id = stay.lead_id"
        " WHERE stay.lead_id = any(CAST(:leads AS uuid[])) AND stay.path <> ''"
        " AND (stay.leave_time IS NOT NULL OR l.state <> 'NURTURING') GROUP BY 1, 2"
    )
)
# Of each state the newest leads, from the index of its own. Whoever asks puts them together: several of these are a
# sort that Postgres thinks much larger than it is.
NEWEST = Query(
    text(
        "SELECT one.id::text AS id, asked.name AS state, one.nurture_path AS path"
        " FROM unnest(CAST(:states AS text[])) AS asked(name)"
        " CROSS JOIN LATERAL (SELECT id, nurture_path FROM leads WHERE state = asked.name AND archive_time IS NULL"
        f" AND {IN_REACH} ORDER BY id DESC LIMIT {MOST_SIMULATED + 1}) one"
    )
)
ON_IT = Query(
    text(
        "SELECT nurture_path AS path, count(*) AS leads FROM leads WHERE nurture_path <> '' AND state = 'NURTURING'"
        f" AND archive_time IS NULL AND {IN_REACH} GROUP BY 1 ORDER BY 1 LIMIT 1000"
    )
)
# What a lead became counts if it did so after it was sent down.
BECAME = Query(
    text(
        "WITH period AS (SELECT lead_id, path, enter_time, woken FROM nurture_stays"
        " WHERE enter_time >= CAST(:start AS timestamptz) AND enter_time < CAST(:end AS timestamptz)"
        f" ORDER BY enter_time DESC LIMIT {MOST_COUNTED})"
        " SELECT path, count(DISTINCT lead_id) AS entered,"
        " count(DISTINCT lead_id) FILTER (WHERE woken) AS woken,"
        " count(DISTINCT lead_id) FILTER (WHERE qualify_time >= enter_time) AS qualified,"
        " count(DISTINCT lead_id) FILTER (WHERE state = 'CONVERTED' AND close_time >= enter_time) AS converted,"
        " count(DISTINCT lead_id) FILTER (WHERE state = 'DISQUALIFIED' AND close_time >= enter_time) AS disqualified"
        f" FROM period JOIN leads ON leads.id = lead_id WHERE {IN_REACH} GROUP BY 1 ORDER BY 1 LIMIT 1000"
    )
)
ENTERED = Query(
    text(
        "SELECT count(*) AS number FROM (SELECT 1 FROM nurture_stays WHERE enter_time >= CAST(:start AS timestamptz)"
        f" AND enter_time < CAST(:end AS timestamptz) LIMIT {MOST_COUNTED + 1}) entered"
    )
)
