"""What leads stores about enrichment, and the queries that have a name."""

from chassis.database import TIME, Query, enum_column, listed, record_columns
from sqlalchemy import Column, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from leads.domain.enrichment import EnrichmentState, LeadEnrichment
from leads.follow_up_tables import METADATA, about_a_lead

enrichments = Table(
    "lead_enrichments",
    METADATA,
    *record_columns(),
    *about_a_lead(),
    enum_column("state", EnrichmentState),
    Column("fields", JSONB, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("due_time", TIME),
    Column("error", Text(collation="C"), nullable=False),
    info={"collection": "leadEnrichments"},
)
listed(enrichments, "lead", "owner", "team", "state")
Index("lead_enrichments_due", enrichments.c.due_time, postgresql_where=text("due_time IS NOT NULL"))
# What sources said lately, by a digest of what they were asked.
answers = Table(
    "enrichment_answers",
    METADATA,
    Column("key", Text(collation="C"), primary_key=True),
    Column("found", JSONB, nullable=False),
    Column("fetch_time", TIME, nullable=False),
    Column("expire_time", TIME, nullable=False, index=True),
)
RECORDS: dict[type, Table] = {LeadEnrichment: enrichments}

DUE_ENRICHMENTS = Query(
    text(
        "SELECT id FROM lead_enrichments WHERE due_time IS NOT NULL AND due_time <= CAST(:now AS timestamptz)"
        " ORDER BY due_time LIMIT 1"
    )
)
ANSWER = "SELECT found::text AS found, fetch_time FROM enrichment_answers WHERE key = $1::text AND expire_time > now()"
PUT_ANSWER = (
    "INSERT INTO enrichment_answers (key, found, fetch_time, expire_time)"
    " VALUES ($1::text, $2::jsonb, $3::timestamptz, $3::timestamptz + make_interval(hours => $4::integer))"
    " ON CONFLICT (key) DO UPDATE SET found = excluded.found, fetch_time = excluded.fetch_time,"
    " expire_time = excluded.expire_time"
)
PRUNE = (
    "DELETE FROM enrichment_answers WHERE key IN"
    " (SELECT key FROM enrichment_answers WHERE expire_time < now() ORDER BY expire_time LIMIT 10000) RETURNING 1"
)
HAND_OVER = (
    "UPDATE lead_enrichments SET owner = $2::text, team = $3::text, version = version + 1"
    " WHERE lead = $1::text AND (owner, team) <> ($2::text, $3::text)"
)
