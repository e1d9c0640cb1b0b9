"""What leads stores about merges: the merges, and which records went along with which lead."""

from chassis.database import TIME, Query, listed, record_columns
from sqlalchemy import Column, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB, UUID

from leads.domain.merge import LeadMerge
from leads.follow_up_tables import METADATA

MOST_EXPLAINED = 100

merges = Table(
    "lead_merges",
    METADATA,
    *record_columns(),
    Column("lead", Text(collation="C"), nullable=False, info={"filter": True}),
    Column("merged", JSONB, nullable=False),
    Column("state", Text(collation="C"), nullable=False),
    Column("actor", Text(collation="C"), nullable=False),
    Column("merge_time", TIME, nullable=False),
    Column("undo_until", TIME, nullable=False),
    Column("undo_time", TIME),
    Column("origins", JSONB, nullable=False),
    Column("result", JSONB, nullable=False),
    Column("before", JSONB, nullable=False),
    info={"collection": "leadMerges"},
)
listed(merges, "lead")
# What went along in a merge, and whose it was before.
links = Table(
    "lead_merge_links",
    METADATA,
    Column("merge_id", UUID(as_uuid=False), primary_key=True),
    Column("kind", Text(collation="C"), primary_key=True),
    Column("record_id", UUID(as_uuid=False), primary_key=True),
    Column("was", JSONB, nullable=False),
)
RECORDS = {LeadMerge: merges}

# Whose a record is that goes along with its lead, by table. What a person was told stays theirs.
WHOSE = ("lead", "owner", "team", "journey_id")
GO_ALONG: dict[str, tuple[str, ...]] = {"interactions": WHOSE, "captures": WHOSE, "lead_responses": WHOSE}
GO_ALONG["call_list_entries"] = WHOSE
GO_ALONG |= dict.fromkeys(("notifications", "notification_deliveries"), ("lead",))
ENROLMENTS = "cadence_enrolments"  # those that go on and those that end are told apart: see merging.py
# Tables that name a lead and stay: the lead itself and its merges; why it was given to whom; who waits for somebody.
STAY = frozenset({"leads", "lead_merges", "lead_merge_links", "assignment_decisions", "assignment_queue"})
STAY |= {"lead_scores", "score_queue"}  # a tombstone has a score of its own, and the lead that goes on is scored anew
# What was said and done about that one lead.
STAY |= {"lead_enrichments", "lead_import_rows", "duplicate_candidates", "own_data_links"}
STAY |= {"lead_keys"}  # triggers keep them beside their lead
STAY |= {"lead_bulk_edits", "lead_bulk_edit_items"}
STAY |= {"nurture_stays"}  # on which path that one lead was; the one that goes on is on its own
STAY |= {"prospects"}  # what it became, and what was known when it was found
CASTS = dict.fromkeys(WHOSE, "text") | {"journey_id": "uuid"}
KEEP_LINK = (
    "INSERT INTO lead_merge_links (merge_id, kind, record_id, was) VALUES ($1::uuid, $2::text, $3::uuid, $4::jsonb)"
    " ON CONFLICT DO NOTHING"
)
LINKS = Query(
    text(
        "SELECT record_id::text AS id, was FROM lead_merge_links"
        " WHERE merge_id = CAST(:merge AS uuid) AND kind = CAST(:kind AS text)"
    )
)
# Merges into a lead, newest first.
MERGES = Query(
    text(
        "SELECT id::text AS id FROM lead_merges WHERE lead = CAST(:lead AS text)"
        f" ORDER BY id DESC LIMIT {MOST_EXPLAINED}"
    )
)


def go_along(table: str) -> str:
    """SQL: what these leads have goes along to the one that goes on. Parameters: the merge, the leads, then whose it is
    from now on, as `GO_ALONG` says. A lead's clocks are numbered; those that come along come after its own. A lead has
    one place in a call list: its own, else the one from which most was tried."""
    columns = GO_ALONG[table]
    was = ", ".join(f"'{name}', \"{name}\"" for name in (*columns, *_numbered(table)))
    sets = [f"{name} = ${number}::{CASTS[name]}" for number, name in enumerate(columns, 3)]
    nth = ", row_number() OVER (ORDER BY lead, cycle) AS nth" if _numbered(table) else ""
    if nth:
        sets.append("cycle = (SELECT coalesce(max(cycle), 0) FROM lead_responses WHERE lead = $3::text) + coming.nth")
    return (
        f"WITH coming AS (SELECT id, jsonb_build_object({was}) AS was{nth} FROM {table} mine WHERE {_those(table)}),"
        " kept AS (INSERT INTO lead_merge_links (merge_id, kind, record_id, was)"
        f" SELECT $1::uuid, '{table}', id, was FROM coming ON CONFLICT DO NOTHING)"
        f" UPDATE {table} mine SET {', '.join(sets)}, version = version + 1, update_time = now()"
        " FROM coming WHERE mine.id = coming.id"
    )


def come_back(table: str) -> str:
    """SQL: what went along in a merge, $1, is whose it was."""
    columns = GO_ALONG[table]
    sets = [f"{name} = (kept.was->>'{name}')::{CASTS[name]}" for name in columns]
    sets += [f"{name} = (kept.was->>'{name}')::integer" for name in _numbered(table)]
    return (
        f"UPDATE {table} mine SET {', '.join(sets)}, version = version + 1, update_time = now()"
        f" FROM lead_merge_links kept WHERE kept.merge_id = $1::uuid AND kept.kind = '{table}'"
        " AND mine.id = kept.record_id"
    )


def _those(table: str) -> str:
    theirs = "mine.lead = any($2::text[])"
    if table != "call_list_entries":
        return theirs
    return (
        f"{theirs} AND NOT EXISTS (SELECT 1 FROM {table} other WHERE other.call_list = mine.call_list AND"
        " (other.lead = $3::text OR (other.lead = any($2::text[])"
        " AND (other.attempts, other.id) > (mine.attempts, mine.id))))"
    )


def _numbered(table: str) -> tuple[str, ...]:
    return ("cycle",) if table == "lead_responses" else ()
