"""What insights stores, and the queries that have a name.

Every row is written so that the order of events leaves no mark: an entry of the timeline once per event, a snapshot
by the newest version of its record. Which entries belong to a customer is found when they are read.
"""

from chassis.database import TIME, Query, listed, record_columns
from chassis.figures import Counted
from chassis.records import names
from sqlalchemy import BigInteger, Column, Index, Integer, Numeric, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB, UUID

from chassis import figures
from insights import lead_facts
from insights.domain import Customer

METADATA, NAME = lead_facts.METADATA, lead_facts.NAME

customers = Table(
    "customers",
    METADATA,
    *record_columns(),
    Column("epoch", UUID(as_uuid=False), nullable=False),
    Column("display_name", Text, nullable=False),
    Column("owner", NAME, nullable=False, info={"filter": True}),
    Column("team", NAME, nullable=False, info={"filter": True}),
    Column("journey_id", UUID(as_uuid=False)),
    Column("lead", NAME, nullable=False),
    Column("channel", NAME, nullable=False, info={"filter": True}),
    Column("customer_time", TIME),
    Column("archive_time", TIME),
    info={"collection": "customers"},
)
listed(customers, "owner", "team", "channel")

# The other records that are counted or followed, as their services last told of them.
records = Table(
    "records",
    METADATA,
    Column("name", NAME, primary_key=True),
    Column("collection", NAME, nullable=False),
    Column("epoch", UUID(as_uuid=False), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("owner", NAME, nullable=False, server_default=""),
    Column("team", NAME, nullable=False, server_default=""),
    Column("journey_id", UUID(as_uuid=False)),
    Column("account", NAME, nullable=False),
    Column("channel", NAME, nullable=False),
    Column("state", NAME, nullable=False),
    Column("buying_role", NAME, nullable=False),
    Column("amount", Numeric(19, 4)),
    Column("amount_currency", NAME, nullable=False),
    Column("archive_time", TIME),
    Column("merged_into", NAME, nullable=False, server_default=""),
)
Index("records_account", records.c.account, records.c.collection, postgresql_where=records.c.account != "")
Index("records_journey", records.c.journey_id, postgresql_where=records.c.account == "")
Index("records_merged_into", records.c.merged_into, postgresql_where=records.c.merged_into != "")
Index("records_collection", records.c.collection, records.c.channel)

timeline = Table(
    "timeline",
    METADATA,
    Column("event_id", UUID(as_uuid=False), primary_key=True),
    Column("service", NAME, nullable=False),
    Column("type", NAME, nullable=False),
    Column("subject", NAME, nullable=False),
    Column("journey_id", UUID(as_uuid=False)),
    Column("account", NAME, nullable=False),  # as the record says; empty: known by the journey
    Column("event_time", TIME, nullable=False),
    Column("record_time", TIME, nullable=False),
    Column("actor", NAME, nullable=False),
    Column("trace_id", NAME, nullable=False),
    Column("operation", NAME, nullable=False),
    Column("elapsed_us", BigInteger, nullable=False),
    Column("parameters", JSONB, nullable=False),
)
# Each entry is in exactly one of the two: by its account, or by its journey while it names none.
in_order = (timeline.c.event_time, timeline.c.event_id)
Index("timeline_account", timeline.c.account, *in_order, postgresql_where=timeline.c.account != "")
Index("timeline_journey", timeline.c.journey_id, *in_order, postgresql_where=timeline.c.account == "")

# How far each source was read. Several rows a source, so that events applied side by side need not wait for each other.
STRIPES = 64
freshness = Table(
    "freshness",
    METADATA,
    Column("source", NAME, primary_key=True),
    Column("stripe", Integer, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("event_time", TIME, nullable=False),
    Column("apply_time", TIME, nullable=False),
)

# What the channel report says: what each channel brought.
COUNTED = [
    Counted(
        table="records",
        kind="leads",
        key="{row}.channel",
        rows="{row}.collection = 'leads' AND {row}.merged_into = ''",  # leads that are one count once
    ),
    Counted(table="customers", kind="customers", key="{row}.channel", rows="{row}.customer_time IS NOT NULL"),
    Counted(
        table="records",
        kind="orders",
        key="{row}.channel",
        rows="{row}.collection = 'orders'",
        currency="{row}.amount_currency",
        amount="{row}.amount",
    ),
]
KINDS = [counted.kind for counted in COUNTED]
figures.tables(METADATA)

RECORDS = {Customer: customers}

MOST_JOURNEYS, MOST_CONTACTS, MOST_CHANNELS = 100, 100, 1000

# What the reader may see, by the permission to read each kind of record; `customers.sight` gives the parameters.
# `r` is a row of `records`, `t` one of the timeline, whose record it is about must be seen, or the lead that goes on in
# its place.
SEEN = (
    "(r.collection = any(CAST(:all_of AS text[]))"
    " OR r.collection = any(CAST(:own_of AS text[])) AND r.owner = any(CAST(:me AS text[]))"
    " OR r.collection = any(CAST(:team_of AS text[])) AND r.team = any(CAST(:teams AS text[]))"
    " OR r.collection = any(CAST(:subtree_of AS text[])) AND r.team = any(CAST(:subtree AS text[])))"
)
TOLD = (
    "(split_part(t.subject, '/', 1) = any(CAST(:all_of AS text[]))"
    f" OR EXISTS (SELECT FROM records r WHERE r.name = t.subject AND {SEEN})"
    " OR EXISTS (SELECT FROM records m JOIN records r ON r.name = m.merged_into"
    f"  WHERE m.name = t.subject AND m.merged_into <> '' AND {SEEN}))"
)

# A deal or a contact that was put away brings no journey along: a conversion that was taken back leaves such.
# An account's journeys, and those of leads that were merged into its lead: each of these is part of that lead's.
JOURNEYS = Query(
    text(
        "SELECT mine.account, found.journey_id, found.part_of FROM unnest(CAST(:accounts AS text[])) AS mine(account)"
        " CROSS JOIN LATERAL (WITH RECURSIVE own AS ("
        "  SELECT journey_id FROM customers WHERE id = CAST(substr(mine.account, 10) AS uuid)"
        "  UNION SELECT journey_id FROM records r"
        "   WHERE r.account = mine.account AND r.account <> ''"
        f"    AND (r.archive_time IS NULL OR r.collection NOT IN ('opportunities', 'contacts')) AND {SEEN}),"
        " merged AS (SELECT m.name, m.journey_id, r.journey_id AS part_of FROM records r"
        "   JOIN records m ON m.merged_into = r.name AND m.merged_into <> ''"
        f"  WHERE r.account = mine.account AND r.account <> '' AND r.collection = 'leads' AND {SEEN}"
        "  UNION SELECT m.name, m.journey_id, into_it.part_of FROM merged into_it"
        "   JOIN records m ON m.merged_into = into_it.name AND m.merged_into <> '')"
        " SELECT DISTINCT ON (journey_id) journey_id, part_of FROM ("
        "   SELECT journey_id, journey_id AS part_of, 0 AS far FROM own"
        "   UNION ALL SELECT journey_id, part_of, 1 FROM merged) known"
        f" WHERE journey_id IS NOT NULL ORDER BY journey_id, far, part_of LIMIT {MOST_JOURNEYS}) found"
    )
)
# `links` pairs accounts with their journeys, as JOURNEYS found them.
LINKS = "unnest(CAST(:linked AS text[]), CAST(:journeys AS uuid[])) AS link(account, journey_id)"
STAGES = Query(
    text(
        "WITH entered AS ("
        " SELECT account, journey_id, type, event_time, event_id, subject, trace_id FROM timeline t"
        "  WHERE account = any(CAST(:accounts AS text[])) AND account <> '' AND type = any(CAST(:types AS text[]))"
        f"   AND {TOLD}"
        " UNION ALL SELECT link.account, t.journey_id, t.type, t.event_time, t.event_id, t.subject, t.trace_id"
        f"  FROM {LINKS} JOIN timeline t ON t.journey_id = link.journey_id AND t.account = ''"
        f"   AND t.type = any(CAST(:types AS text[])) AND {TOLD}"
        ") SELECT DISTINCT ON (account, journey_id, type) * FROM entered e"
        " WHERE journey_id IS NOT NULL AND type <> all(CAST(:takes_back AS text[])) AND NOT EXISTS ("
        "  SELECT FROM entered back"
        "  JOIN unnest(CAST(:taken_back AS text[]), CAST(:takes_back AS text[])) AS pair(what, by)"
        "   ON back.type = pair.by AND e.type = pair.what"
        "  WHERE back.account = e.account AND back.journey_id = e.journey_id AND back.subject = e.subject"
        "   AND back.event_time >= e.event_time)"
        " ORDER BY account, journey_id, type, event_time, event_id"
    )
)
COUNTS = Query(
    text(
        "SELECT account, collection, state, amount_currency AS currency, count(*) AS number, sum(amount) AS amount"
        " FROM ("
        " SELECT account, collection, state, amount_currency, amount FROM records r"
        f"  WHERE account = any(CAST(:accounts AS text[])) AND account <> '' AND archive_time IS NULL AND {SEEN}"
        " UNION ALL SELECT link.account, r.collection, r.state, r.amount_currency, r.amount"
        f"  FROM {LINKS} JOIN records r ON r.journey_id = link.journey_id AND r.account = '' AND r.archive_time IS NULL"
        f"   AND {SEEN}"
        ") known GROUP BY 1, 2, 3, 4"
    )
)
CONTACTS = Query(
    text(
        "SELECT mine.account, person.* FROM unnest(CAST(:accounts AS text[])) AS mine(account) CROSS JOIN LATERAL"
        " (SELECT name, display_name, buying_role FROM records r WHERE r.account = mine.account"
        f"   AND r.account <> '' AND collection = 'contacts' AND archive_time IS NULL AND {SEEN}"
        f"   ORDER BY name LIMIT {MOST_CONTACTS}) person"
    )
)
LAST_EVENTS = Query(
    text(
        "SELECT account, max(event_time) AS event_time FROM ("
        " SELECT mine.account, (SELECT max(event_time) FROM timeline t"
        f"   WHERE t.account = mine.account AND t.account <> '' AND {TOLD}) AS event_time"
        "  FROM unnest(CAST(:accounts AS text[])) AS mine(account)"
        " UNION ALL SELECT link.account, (SELECT max(event_time) FROM timeline t"
        f"   WHERE t.journey_id = link.journey_id AND t.account = '' AND {TOLD}) FROM {LINKS}"
        ") last GROUP BY account"
    )
)
ENTRY = names(timeline.columns.keys())
AFTER = "(t.event_time, t.event_id) > (CAST(:after_time AS timestamptz), CAST(:after_id AS uuid))"
PAGE_OF = "ORDER BY t.event_time, t.event_id LIMIT CAST(:size AS bigint)"
TIMELINE = Query(
    text(
        f"SELECT {ENTRY} FROM ("
        f"(SELECT {ENTRY} FROM timeline t WHERE t.account = CAST(:account AS text) AND t.account <> ''"
        f"  AND {AFTER} AND {TOLD} {PAGE_OF})"
        f" UNION ALL (SELECT of_journey.* FROM unnest(CAST(:journeys AS uuid[])) AS mine(journey_id) CROSS JOIN LATERAL"
        f"  (SELECT {ENTRY} FROM timeline t WHERE t.journey_id = mine.journey_id AND t.account = ''"
        f"   AND {AFTER} AND {TOLD} {PAGE_OF})"
        f" of_journey)) t {PAGE_OF}"
    )
)
FRESHNESS = Query(
    text(
        "SELECT DISTINCT ON (source) source, position, event_time, apply_time FROM freshness"
        " ORDER BY source, event_time DESC, position DESC"
    )
)
CHANNEL_NAMES = Query(text("SELECT name, display_name FROM records WHERE collection = 'channels'"))
