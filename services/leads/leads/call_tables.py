"""What leads stores about call lists, and the queries that have a name."""

from chassis.database import IN_REACH, TIME, Query, enum_column, listed, record_columns
from sqlalchemy import Column, Double, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from leads.domain.call_list import CallList, CallListState, Disposition
from leads.domain.call_list_entry import REACHED, CallListEntry, EntryState
from leads.domain.state import LIVE
from leads.follow_up_tables import METADATA, about_a_lead, journey

LIVE_STATES = ", ".join(sorted(f"'{state.name}'" for state in LIVE))

lists = Table(
    "call_lists",
    METADATA,
    *record_columns(),
    enum_column("state", CallListState),
    *(Column(name, Text, nullable=False) for name in ("display_name", "script")),
    *(Column(name, JSONB, nullable=False) for name in ("callers", "hours", "pauses", "left_out", "zones")),
    Column("calendar", Text(collation="C"), nullable=False),
    *(Column(name, Integer, nullable=False) for name in ("most_attempts", "lease_minutes", "lead_count")),
    info={"collection": "callLists"},
)
listed(lists, "state")
entries = Table(
    "call_list_entries",
    METADATA,
    *record_columns(),
    *about_a_lead(),
    journey(),
    enum_column("state", EntryState),
    Column("call_list", Text(collation="C"), nullable=False, info={"filter": True}),
    Column("priority", Integer, nullable=False),
    Column("score", Double, nullable=False),
    Column("time_zone", Text(collation="C"), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_time", TIME),
    *(Column(name, Text(collation="C"), nullable=False, info={"filter": True}) for name in ("promised_by", "caller")),
    Column("lease_until", TIME),
    enum_column("disposition", Disposition),
    Column("calls", JSONB, nullable=False),
    Column("reach_time", TIME),
    info={"collection": "callListEntries"},
)
listed(entries, "owner", "team", "state", "call_list", "disposition", "caller", "promised_by", "lead")
# A lead is in a list once.
Index("call_list_entries_once", entries.c.call_list, entries.c.lead, unique=True)
# In the order in which they are given out: those to be called back, and the others.
Index(
    "call_list_entries_promised",
    entries.c.call_list,
    entries.c.due_time,
    postgresql_where=text("state = 'WAITING' AND promised_by <> ''"),
)
Index(
    "call_list_entries_next",
    entries.c.call_list,
    entries.c.priority.desc(),
    entries.c.score.desc(),
    entries.c.id,
    postgresql_where=text("state = 'WAITING' AND promised_by = ''"),
)
Index("call_list_entries_leased", entries.c.caller, postgresql_where=entries.c.lease_until.is_not(None))
RECORDS: dict[type, Table] = {CallList: lists, CallListEntry: entries}

# Whoever refuses to be called does so under every name; what a merged lead says, the one says that goes on.
REFUSES = "do_not_call AND state <> 'MERGED'"
# A lead that may be called, whatever the hour: as `call_list.why_not` says, and nobody with its number refuses.
MAY_BE_CALLED = (
    f"state IN ({LIVE_STATES}) AND archive_time IS NULL AND NOT do_not_call AND phone <> '' AND phone <> wrong_phone"
    f" AND NOT EXISTS (SELECT FROM leads other WHERE {REFUSES} AND other.phone_digits = leads.phone_digits)"
)
# An entry and its lead, within a reach.
_REACHABLE = (
    " FROM call_list_entries e JOIN LATERAL (SELECT 1 FROM leads WHERE id = substr(e.lead, 7)::uuid"
    f" AND {MAY_BE_CALLED} AND (call_back_time IS NULL OR call_back_time <= CAST(:now AS timestamptz)) AND {IN_REACH})"
    " l ON true WHERE e.call_list = CAST(:list AS text) AND e.state = 'WAITING'"
)
_FREE = " AND (e.lease_until IS NULL OR e.lease_until <= CAST(:now AS timestamptz))"
_LEASE = (
    "UPDATE call_list_entries SET caller = CAST(:caller AS text), lease_until = CAST(:until AS timestamptz),"
    " version = version + 1, update_time = CAST(:now AS timestamptz) WHERE id = (SELECT e.id"
)
_ONE = " LIMIT 1 FOR UPDATE OF e SKIP LOCKED) RETURNING id"

# What somebody has of a list already.
LEASED = Query(
    text(
        f"SELECT e.id{_REACHABLE} AND e.caller = CAST(:caller AS text)"
        " AND e.lease_until > CAST(:now AS timestamptz) ORDER BY e.id LIMIT 1"
    )
)
PROMISERS = Query(
    text(
        "SELECT DISTINCT promised_by FROM call_list_entries WHERE call_list = CAST(:list AS text)"
        " AND state = 'WAITING' AND promised_by <> '' AND due_time <= CAST(:now AS timestamptz)"
    )
)
LEASE_PROMISED = Query(
    text(
        f"{_LEASE}{_REACHABLE}{_FREE} AND e.promised_by <> '' AND e.due_time <= CAST(:now AS timestamptz)"
        " AND (e.promised_by = any(CAST(:promised AS text[])) OR e.due_time <= CAST(:overdue AS timestamptz))"
        f" ORDER BY e.due_time{_ONE}"
    )
)
LEASE = Query(
    text(
        f"{_LEASE}{_REACHABLE}{_FREE} AND e.promised_by = ''"
        " AND (e.due_time IS NULL OR e.due_time <= CAST(:now AS timestamptz))"
        " AND e.time_zone = any(CAST(:zones AS text[]))"
        f" ORDER BY e.priority DESC, e.score DESC, e.id{_ONE}"
    )
)
POSTPONE = (
    "UPDATE call_list_entries SET due_time = $2::timestamptz, lease_until = NULL, version = version + 1"
    " WHERE id = $1::uuid AND state = 'WAITING'"
)
RELEASE_OF = (
    "UPDATE call_list_entries SET lease_until = NULL, version = version + 1"
    " WHERE caller = $1::text AND lease_until IS NOT NULL"
)
HAND_OVER = (
    "UPDATE call_list_entries SET owner = $2::text, team = $3::text, version = version + 1"
    " WHERE lead = $1::text AND (owner, team) <> ($2::text, $3::text)"
)

# Of leads that are to be put in: what is known of them.
IN_LIST = Query(
    text(
        "SELECT lead FROM call_list_entries WHERE call_list = CAST(:list AS text)"
        " AND lead = any(CAST(:leads AS text[]))"
    )
)
REFUSED_NUMBERS = Query(
    text(f"SELECT DISTINCT phone_digits FROM leads WHERE {REFUSES} AND phone_digits = any(CAST(:digits AS text[]))")
)
CONTACTS_OF = Query(
    text(
        "SELECT named.lead, i.interaction_time FROM unnest(CAST(:leads AS text[])) AS named(lead)"
        " JOIN LATERAL (SELECT interaction_time FROM interactions WHERE lead = named.lead AND direction = 'OUTBOUND'"
        " ORDER BY id DESC LIMIT 100) i ON true"
    )
)
SCORES = Query(text("SELECT lead, score FROM lead_scores WHERE id = any(CAST(:ids AS uuid[]))"))

_REACHED = ", ".join(str(disposition.value) for disposition in sorted(REACHED, key=lambda one: one.value))
_MINE = f"call_list = CAST(:list AS text) AND {IN_REACH}"
PROGRESS = Query(
    text(
        "SELECT count(*) AS leads, count(*) FILTER (WHERE waits AND may) AS to_do,"
        " count(*) FILTER (WHERE waits AND may AND promised_by <> '') AS call_backs,"
        " count(*) FILTER (WHERE waits AND may AND lease_until > CAST(:now AS timestamptz)) AS leased,"
        " count(*) FILTER (WHERE calls <> '[]') AS called, count(reach_time) AS reached,"
        " count(*) FILTER (WHERE state = 'DONE') AS done, count(*) FILTER (WHERE state = 'EXHAUSTED') AS exhausted,"
        ' count(*) FILTER (WHERE waits AND NOT may) AS "out"'
        " FROM (SELECT e.state, promised_by, lease_until, calls, reach_time, e.state = 'WAITING' AS waits,"
        " l.id IS NOT NULL AS may FROM call_list_entries e"
        f" LEFT JOIN (SELECT id FROM leads WHERE {MAY_BE_CALLED}) l ON l.id = substr(e.lead, 7)::uuid WHERE {_MINE}) e"
    )
)
CALLS = Query(
    text(
        "SELECT c->>'caller' AS caller, (c->>'disposition')::integer AS disposition, count(*) AS calls,"
        f" count(*) FILTER (WHERE (c->>'disposition')::integer IN ({_REACHED})) AS reached,"
        " count(DISTINCT date_trunc('hour', (c->>'call_time')::timestamptz)) AS hours"
        f" FROM call_list_entries, jsonb_array_elements(calls) c WHERE {_MINE}"
        " GROUP BY GROUPING SETS ((c->>'caller'), ((c->>'disposition')::integer)) ORDER BY 1, 2"
    )
)
