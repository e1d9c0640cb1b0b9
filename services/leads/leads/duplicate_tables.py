"""How leads that may be one are found: by keys in an index, never by looking at all. And what was found and decided."""

from chassis.database import IN_REACH, TIME, Query, record_columns
from sqlalchemy import Column, Double, Index, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB, UUID

from leads.domain.duplicate_candidate import DuplicateCandidate
from leads.domain.match_settings import MatchSettings
from leads.follow_up_tables import METADATA

settings = Table(
    "match_settings",
    METADATA,
    *record_columns(slug=True),
    Column("comparisons", JSONB, nullable=False),
    *(Column(name, Double, nullable=False) for name in ("prior", "review", "certain")),
)
candidates = Table(
    "duplicate_candidates",
    METADATA,
    *record_columns(),
    *(Column(name, Text(collation="C"), nullable=False) for name in ("lead", "other", "state")),
    Column("score", Double, nullable=False),
    Column("actor", Text(collation="C"), nullable=False),
    Column("dismiss_time", TIME),
    info={"collection": "duplicateCandidates"},
)
in_order = candidates.c.score.desc(), candidates.c.id.desc()
Index("duplicate_candidates_order", *in_order, postgresql_where=text("state = 'OPEN'"))
RECORDS = {MatchSettings: settings, DuplicateCandidate: candidates}

# Who carries a key (`match_keys` of leads), newest last: a name that many have is read from its end, and no further.
# Kept by triggers, so that whatever writes a lead keeps it.
keys = Table(
    "lead_keys",
    METADATA,
    Column("key", Text(collation="C"), primary_key=True),
    Column("lead_id", UUID(as_uuid=False), primary_key=True),
)

_LISTED = f"archive_time IS NULL AND state <> 'MERGED' AND {IN_REACH}"
# By an expression: the primary key is in the right order, and Postgres would walk along it past all other leads.
_NEWEST = f"AND {_LISTED} ORDER BY id::text DESC LIMIT 50"
_CARRIERS = "SELECT lead_id FROM lead_keys WHERE lead_keys.key = asked.key ORDER BY lead_id DESC LIMIT 1000"

# What is compared of leads within a reach that share a key, the newest 50 for each, of the last 1,000 that carry it;
# of those written by releases that kept no keys, by e-mail address and digits of the phone number.
SHARING_A_KEY = Query(
    text(
        "SELECT id::text AS id, display_name, company, email, phone_e164, phone_digits FROM leads WHERE id IN"
        " (SELECT found.id FROM unnest(CAST(:keys AS text[])) AS asked (key)"
        f" CROSS JOIN LATERAL (SELECT id FROM ({_CARRIERS}) carrier JOIN leads ON id = lead_id WHERE {_LISTED}"
        " ORDER BY lead_id DESC LIMIT 50) found"
        f" UNION (SELECT id FROM leads WHERE email = CAST(:email AS text) AND email <> '' {_NEWEST})"
        f" UNION (SELECT id FROM leads WHERE phone_digits = CAST(:digits AS text) AND phone_digits <> '' {_NEWEST})"
        " LIMIT 300)"
    )
)
# Of some leads: those that share with another what is looked for when they come in; most share nothing.
_EACH = "SELECT told.lead FROM unnest($1::text[]) AS told (lead) JOIN leads one ON one.id = substr(told.lead, 7)::uuid"
SHARE_SOMETHING = (
    f"{_EACH} CROSS JOIN LATERAL jsonb_array_elements_text(one.match_keys) AS asked (key)"
    " CROSS JOIN LATERAL (SELECT FROM lead_keys other WHERE other.key = asked.key AND other.lead_id <> one.id"
    " ORDER BY other.lead_id LIMIT 1) found WHERE asked.key NOT LIKE 'c:%'"
    f" UNION {_EACH} JOIN leads other ON other.email = one.email AND other.email <> '' AND other.id <> one.id"
    f" UNION {_EACH} JOIN leads other ON other.phone_digits = one.phone_digits AND other.phone_digits <> ''"
    " AND other.id <> one.id"
)
_SEEN = f"SELECT FROM leads WHERE id = substr({{}}, 7)::uuid AND archive_time IS NULL AND {IN_REACH}"
# Pairs nobody decided about, both of which are within a reach and in lists; the likeliest first.
OPEN_PAIRS = Query(
    text(
        "SELECT id::text AS id FROM duplicate_candidates c WHERE state = 'OPEN'"
        f" AND EXISTS ({_SEEN.format('c.lead')}) AND EXISTS ({_SEEN.format('c.other')})"
        " ORDER BY c.score DESC, c.id DESC LIMIT CAST(:size AS bigint)"
    )
)
