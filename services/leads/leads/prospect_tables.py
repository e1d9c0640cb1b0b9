"""What leads stores about prospects: searches, what they found, and addresses nobody writes to."""

from chassis.database import IN_REACH, TIME, Query, enum_column, listed, record_columns
from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB

from leads.domain.prospect import PERSONAL, Prospect, ProspectState
from leads.domain.prospect_search import ProspectSearch
from leads.follow_up_tables import METADATA

NAMES = ("prospect_search", "source", "country", "lead")  # by which prospects are listed

searches = Table(
    "prospect_searches",
    METADATA,
    *record_columns(),
    *(Column(name, Text(collation="C"), nullable=False, info={"filter": True}) for name in ("owner", "team", "source")),
    Column("archive_time", TIME),
    Column("display_name", Text, nullable=False),
    *(Column(name, JSONB, nullable=False) for name in ("criteria", "next_page")),
    *(Column(name, Text(collation="C"), nullable=False) for name in ("channel", "operation")),
    Column("run_time", TIME),
    Column("resumable", Boolean, nullable=False),
    *(
        Column(name, Integer, nullable=False)
        for name in ("most_prospects", "found_count", "accepted_count", "dismissed_count")
    ),
    info={"collection": "prospectSearches"},
)
listed(searches, "owner", "team", "source")
prospects = Table(
    "prospects",
    METADATA,
    *record_columns(),
    *(Column(name, Text(collation="C"), nullable=False, info={"filter": True}) for name in ("owner", "team", *NAMES)),
    enum_column("state", ProspectState),
    *(Column(name, Text(collation="C"), nullable=False) for name in ("key", "source_key", "currency", "decided_by")),
    *(Column(name, TIME) for name in ("expire_time", "decide_time")),
    Column("fetch_time", TIME, nullable=False),
    *(
        Column(name, Text, nullable=False)
        for name in ("display_name", "company", "website", "region", "city", "industry", "job_title", "email", "phone")
    ),
    Column("employees", Integer, nullable=False),
    Column("revenue", BigInteger, nullable=False),
    *(Column(name, JSONB, nullable=False) for name in ("competitors", "unfit_fields")),
    Column("match", JSONB),
    Column("withheld", Boolean, nullable=False),
    info={"collection": "prospects"},
)
listed(prospects, "owner", "team", "state", *NAMES)
# What is left to be decided of a search, which may be little of much.
Index("prospects_search_state", prospects.c.prospect_search, prospects.c.state, prospects.c.id.desc())
# The same is in a search once, and what was dismissed is found by it in others.
Index("prospects_once", prospects.c.prospect_search, prospects.c.key, unique=True)
Index("prospects_key", prospects.c.key)
Index("prospects_email", func.lower(prospects.c.email), postgresql_where=prospects.c.email != "")
Index("prospects_expire_time", prospects.c.expire_time, postgresql_where=prospects.c.expire_time.is_not(None))
# Marketing's suppressions, by their names: keyed hashes.
suppressed = Table("suppressed_addresses", METADATA, Column("suppression", Text(collation="C"), primary_key=True))
RECORDS: dict[type, Table] = {ProspectSearch: searches, Prospect: prospects}

COUNT = Query(text("SELECT count(*) AS number FROM prospects WHERE prospect_search = CAST(:search AS text)"))
# Those that a search has already, and those that somebody within reach dismissed.
KNOWN = Query(
    text(
        "SELECT key FROM prospects WHERE key = any(CAST(:keys AS text[])) AND (prospect_search = CAST(:search AS text)"
        f" OR (state = 'DISMISSED' AND {IN_REACH}))"
    )
)
# For each of many prospects, by its place among them: the leads within reach that share a key with it, newest first.
SHARING_A_KEY = Query(
    text(
        "SELECT DISTINCT asked.at, found.id::text AS id, found.company, found.email, found.phone_e164,"
        " found.phone_digits FROM unnest(CAST(:ats AS integer[]), CAST(:keys AS text[])) AS asked (at, key)"
        " CROSS JOIN LATERAL (SELECT id, company, email, phone_e164, phone_digits FROM"
        " (SELECT lead_id FROM lead_keys WHERE lead_keys.key = asked.key ORDER BY lead_id DESC LIMIT 200) carrier"
        f" JOIN leads ON id = lead_id WHERE archive_time IS NULL AND state <> 'MERGED' AND {IN_REACH}"
        " ORDER BY lead_id DESC LIMIT 10) found"
    )
)
ACCOUNTS = Query(
    text(
        "SELECT key, account, owner FROM account_owners WHERE key = any(CAST(:keys AS text[])) AND owner <> ''"
        " ORDER BY key, account LIMIT 2000"
    )
)
SUPPRESSED = Query(
    text("SELECT suppression FROM suppressed_addresses WHERE suppression = any(CAST(:suppressions AS text[]))")
)
SUPPRESS = "INSERT INTO suppressed_addresses (suppression) VALUES ($1::text) ON CONFLICT DO NOTHING"
LIFT = "DELETE FROM suppressed_addresses WHERE suppression = $1::text"
SUPPRESS_ERASED = (
    "INSERT INTO suppressed_addresses (suppression) SELECT one FROM unnest($1::text[]) AS told(one)"
    " ON CONFLICT DO NOTHING RETURNING 1"
)
# Of an erased person's prospects nothing is left, and no search finds them again.
DISMISS_ERASED = (
    "UPDATE prospects SET state = 'DISMISSED', version = version + 1 WHERE id = any($1::uuid[]) AND state = 'NEW'"
    " RETURNING 1"
)
# Their time is over: what nobody decided about goes; of the rest stays what was decided, by the key.
_BLANK = ", ".join(f"{name} = ''" for name in (*PERSONAL, "source_key"))
PRUNE = (
    "WITH old AS (SELECT id FROM prospects WHERE expire_time < now() ORDER BY expire_time LIMIT 1000),"
    " gone AS (DELETE FROM prospects p USING old WHERE p.id = old.id AND p.state = 'NEW' RETURNING p.id),"
    f" kept AS (UPDATE prospects p SET {_BLANK}, expire_time = NULL, version = version + 1 FROM old"
    " WHERE p.id = old.id AND p.state <> 'NEW' RETURNING p.id)"
    " SELECT id FROM gone UNION ALL SELECT id FROM kept"
)
