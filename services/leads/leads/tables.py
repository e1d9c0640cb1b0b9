"""What leads stores, and the queries that have a name."""

from typing import Any

from chassis.database import (
    TIME,
    Beside,
    Query,
    custom_column,
    customer_columns,
    enum_column,
    labels_column,
    listed,
    record_columns,
)
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    Select,
    Table,
    Text,
    bindparam,
    cast,
    func,
    literal_column,
    select,
    text,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

from chassis import spine
from leads import (
    bulk_edit_tables,
    call_tables,
    delivery_tables,
    duplicate_tables,
    enrichment_tables,
    feedback_tables,
    follow_up_tables,
    import_tables,
    merge_tables,
    nurture_tables,
    own_data_tables,
    prospect_tables,
    score_tables,
)
from leads.domain.assignment.assignee import Assignee
from leads.domain.assignment.policy import AssignmentDuty, AssignmentPolicy
from leads.domain.assignment.run import AssignmentRun
from leads.domain.assignment.turns import AssignmentTurns
from leads.domain.capture import FIELDS, Capture, CaptureState, Kind
from leads.domain.lead import MATERIAL, Lead
from leads.domain.operation import LeadOperation
from leads.domain.rotation import Rotation
from leads.domain.segment import LeadSegment
from leads.domain.settings import LeadSettings
from leads.domain.state import LIVE, State

METADATA = follow_up_tables.METADATA

leads = Table(
    "leads",
    METADATA,
    *customer_columns(),
    Column("archive_time", TIME),
    labels_column(),
    Column("display_name", Text, nullable=False),
    enum_column("state", State),
    Column("company", Text, nullable=False),
    Column("email", Text(collation="C"), nullable=False, info={"filter": True}),
    Column("phone", Text(collation="C"), nullable=False),
    Column("phone_digits", Text(collation="C"), nullable=False),
    Column("channel", Text(collation="C"), nullable=False, info={"filter": True}),
    Column("landing_page", Text(collation="C"), nullable=False),
    Column("note", Text, nullable=False),
    Column("contact_time", TIME, nullable=False),
    Column("assign_time", TIME),
    Column("last_call_time", TIME),
    Column("qualify_time", TIME),
    Column("close_time", TIME),
    Column("disqualify_reason", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("contact", Text, nullable=False),
    Column("opportunity", Text, nullable=False),
    Column("call_count", Integer, nullable=False),
    # From here on: columns that came later. An older release writes rows without them.
    Column("merged_into", Text(collation="C"), nullable=False, server_default=""),
    Column("mql_time", TIME),
    Column("sal_time", TIME),
    Column("sql_time", TIME),
    Column("work_time", TIME),
    Column("nurture_until", TIME),
    Column("nurture_plan", Text(collation="C"), nullable=False, server_default=""),
    Column("nurture_reason", Text(collation="C"), nullable=False, server_default=""),
    Column("nurture_count", Integer, nullable=False, server_default="0"),
    Column("rejected_by", JSONB, nullable=False, server_default="[]"),
    Column("recycle_count", Integer, nullable=False, server_default="0"),
    Column("country", Text(collation="C"), nullable=False, server_default=""),
    Column("region", Text, nullable=False, server_default=""),
    Column("language", Text(collation="C"), nullable=False, server_default=""),
    Column("product", Text(collation="C"), nullable=False, server_default=""),
    Column("company_size", Integer, nullable=False, server_default="0"),
    Column("phone_e164", Text(collation="C"), nullable=False, server_default=""),
    Column("last_outbound_time", TIME),
    Column("last_inbound_time", TIME),
    Column("call_back_time", TIME),
    Column("match_keys", JSONB, nullable=False, server_default="[]"),
    Column("conversion_undo_until", TIME),
    Column("undone_conversions", Integer, nullable=False, server_default="0"),
    custom_column(),
    Column("do_not_call", Boolean, nullable=False, server_default="false"),
    Column("wrong_phone", Text(collation="C"), nullable=False, server_default=""),
    *(Column(name, Text(collation="C"), nullable=False, server_default="") for name in MATERIAL),
    Column(
        "nurture_path", Text(collation="C"), nullable=False, server_default="", info={"filter": True, "sparse": True}
    ),
    info={"collection": "leads"},
)
leads.info["beside"] = Beside(score_tables.scores, ("score", "band"), "live")
is_live = leads.c.state.in_([state.name for state in LIVE])
leads.c.create_time.info["filter"] = True
listed(leads, "owner", "team", "state", "channel", "journey_id", "create_time")
Index("leads_merged_into", leads.c.merged_into, postgresql_where=leads.c.merged_into != "")
# What may be the same lead is found by it: see duplicate_tables.py.
Index("leads_email", leads.c.email, postgresql_where=leads.c.email != "")
Index("leads_phone_digits", leads.c.phone_digits, postgresql_where=leads.c.phone_digits != "")
Index("leads_do_not_call", leads.c.phone_digits, postgresql_where=leads.c.do_not_call)
# What people were given lately and have open, and leads by the time of their first contact: see assigning.py.
Index("leads_owner_assign_time", leads.c.owner, leads.c.assign_time, postgresql_where=leads.c.assign_time.is_not(None))
Index("leads_contact_time", leads.c.contact_time)

# Who said something of a product is found by what they became: see feedback_tables.py.
Index("leads_contact", leads.c.contact, postgresql_where=leads.c.contact != "")
Index("leads_account", leads.c.account, postgresql_where=leads.c.account != "")

# Leads whose time has come: see overdue.py.
Index("leads_nurture_until", leads.c.nurture_until, postgresql_where=leads.c.nurture_until.is_not(None))
Index("leads_nurture_path", leads.c.nurture_path, leads.c.id.desc(), postgresql_where=text("nurture_path <> ''"))
in_hand = text("state IN ('ASSIGNED', 'WORKING') AND archive_time IS NULL")
idle_since = func.greatest(leads.c.work_time, leads.c.last_call_time, leads.c.assign_time, leads.c.create_time)
Index("leads_idle_since", idle_since, postgresql_where=in_hand)

settings = Table(
    "lead_settings",
    METADATA,
    *record_columns(slug=True),
    Column("qualification_checklist", JSONB, nullable=False),
    Column("disqualify_reasons", JSONB, nullable=False),
    Column("nurture_plans", JSONB, nullable=False, server_default="[]"),
    Column("nurture_limit", Integer, nullable=False, server_default="0"),
    Column("recycle_after_days", Integer, nullable=False, server_default="0"),
    Column("conversion_undo_days", Integer, nullable=False, server_default="30"),
    Column("merge_undo_days", Integer, nullable=False, server_default="30"),
    Column("wake_bands", JSONB, nullable=False, server_default="[]"),
)
rotations = Table("rotations", METADATA, *record_columns(slug=True), Column("last", Text, nullable=False))
policies = Table(
    "assignment_policies",
    METADATA,
    *record_columns(),
    Column("display_name", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("rules", JSONB, nullable=False),
    Column("fallback", JSONB, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("activate_time", TIME),
)
duties = Table(
    "assignment_duties", METADATA, *record_columns(slug=True), Column("policy", Text(collation="C"), nullable=False)
)
turns = Table("assignment_turns", METADATA, *record_columns(), Column("turns", JSONB, nullable=False))
assignees = Table(
    "assignees",
    METADATA,
    *record_columns(slug=True),
    Column("daily_capacity", Integer, nullable=False),
    Column("monthly_capacity", Integer, nullable=False),
    Column("paused", Boolean, nullable=False),
)
runs = Table(
    "assignment_runs",
    METADATA,
    *record_columns(),
    Column("owner", Text(collation="C"), nullable=False, info={"filter": True}),
    Column("team", Text(collation="C"), nullable=False, info={"filter": True}),
    Column("kind", Text(collation="C"), nullable=False),
    Column("state", Text(collation="C"), nullable=False),
    Column("filter", Text, nullable=False),
    *(Column(name, Text(collation="C"), nullable=False) for name in ("from_person", "to_person", "policy")),
    *(Column(name, Integer, nullable=False) for name in ("total", "done", "left")),
    Column("shares", JSONB, nullable=False),
    Column("reason", Text, nullable=False),
    Column("end_time", TIME),
    Column("cursor", Text(collation="C"), nullable=False),
    Column("everything", Boolean, nullable=False),
    Column("me", JSONB, nullable=False),
    Column("teams", JSONB, nullable=False),
    info={"collection": "assignmentRuns"},
)
listed(runs, "owner", "team")
Index("assignment_runs_running", runs.c.id, postgresql_where=text("state = 'RUNNING'"))
# What was decided about a lead. Kept for assigning.KEPT_DAYS.
decisions = Table(
    "assignment_decisions",
    METADATA,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("lead_id", UUID(as_uuid=False), nullable=False),
    Column("waits", Boolean, nullable=False),  # nobody could take it
    Column("decide_time", TIME, nullable=False),
    Column("told", JSONB, nullable=False),
)
Index("assignment_decisions_lead", decisions.c.lead_id, decisions.c.id.desc())
Index("assignment_decisions_time", decisions.c.decide_time)
# Leads that nobody has; a trigger keeps it so. `due_time`: when to try next; null: not by itself.
queue = Table(
    "assignment_queue",
    METADATA,
    Column("lead_id", UUID(as_uuid=False), primary_key=True),
    Column("due_time", TIME),
    Column("attempts", Integer, nullable=False),
)
Index("assignment_queue_due", queue.c.due_time, postgresql_where=queue.c.due_time.is_not(None))
# Who has which account, by the name people write: see assigning.py. Kept by sales' events.
account_owners = Table(
    "account_owners",
    METADATA,
    Column("account", Text(collation="C"), primary_key=True),
    Column("key", Text(collation="C"), nullable=False),
    Column("owner", Text(collation="C"), nullable=False),
)
Index("account_owners_key", account_owners.c.key)
PUT_ACCOUNT_OWNER = (
    "INSERT INTO account_owners (account, key, owner) VALUES ($1::text, $2::text, $3::text)"
    " ON CONFLICT (account) DO UPDATE SET key = excluded.key, owner = excluded.owner"
)
# Links by which people share materials. Kept by marketing's events.
material_links = Table(
    "known_material_links",
    METADATA,
    Column("material_link", Text(collation="C"), primary_key=True),
    *(Column(name, Text(collation="C"), nullable=False) for name in ("material", "owner")),
)
PUT_MATERIAL_LINK = (
    "INSERT INTO known_material_links (material_link, material, owner) VALUES ($1::text, $2::text, $3::text)"
    " ON CONFLICT (material_link) DO UPDATE SET material = excluded.material, owner = excluded.owner"
)
MATERIAL_LINK = Query(
    text("SELECT material, owner FROM known_material_links WHERE material_link = CAST(:material_link AS text)")
)
# A trigger gives a capture its lead's owner and team.
captures = Table(
    "captures",
    METADATA,
    *record_columns(),
    enum_column("kind", Kind),
    enum_column("state", CaptureState),
    Column("owner", Text(collation="C"), nullable=False, info={"filter": True}),
    Column("team", Text(collation="C"), nullable=False, info={"filter": True}),
    Column("journey_id", UUID(as_uuid=False), info={"filter": True}),
    Column("reason", Text, nullable=False),
    Column("lead", Text(collation="C"), nullable=False, info={"filter": True}),
    Column("capture_key", Text(collation="C")),
    *(Column(name, Text, nullable=False) for name in ("page_url", "referrer_url", "referred_by", "received")),
    Column("campaign", JSONB, nullable=False),
    Column("message_id", Text(collation="C"), nullable=False),
    *(Column(name, Text, nullable=False) for name in FIELDS),
    Column("contact_time", TIME, nullable=False),
    Column("material_link", Text(collation="C"), nullable=False, server_default=""),
    info={"collection": "captures"},
)
captures.c.create_time.info["filter"] = True
listed(captures, "kind", "state", "owner", "team", "journey_id", "lead", "create_time")
Index("captures_key", captures.c.kind, captures.c.capture_key, unique=True)
Index("captures_message", captures.c.message_id, postgresql_where=captures.c.message_id != "")
Index("captures_email", func.lower(captures.c.email), postgresql_where=captures.c.email != "")

segments = Table(
    "lead_segments",
    METADATA,
    *record_columns(slug=True),
    Column("archive_time", TIME),
    *(Column(name, Text, nullable=False) for name in ("display_name", "description", "filter")),
    Column("feedback", JSONB),
    info={"collection": "leadSegments"},
)

RECORDS = {Lead: leads, LeadSettings: settings, Rotation: rotations}
RECORDS |= {AssignmentPolicy: policies, AssignmentDuty: duties, AssignmentTurns: turns, Assignee: assignees}
RECORDS |= {AssignmentRun: runs, Capture: captures, LeadOperation: spine.operation, LeadSegment: segments}
RECORDS |= follow_up_tables.RECORDS | score_tables.RECORDS | merge_tables.RECORDS
RECORDS |= delivery_tables.RECORDS | duplicate_tables.RECORDS | import_tables.RECORDS
RECORDS |= enrichment_tables.RECORDS | bulk_edit_tables.RECORDS | call_tables.RECORDS
RECORDS |= own_data_tables.RECORDS | nurture_tables.RECORDS | prospect_tables.RECORDS


def _merged_that_had(column: Column[str], asked: str) -> Select[Any]:
    """Of leads that were merged the live ones that go on in their place, known by the texts of those."""
    texts = func.unnest(bindparam(asked, type_=ARRAY(Text))).table_valued("text", name=f"merged_{asked}")
    goes_on = leads.alias("goes_on")
    gone = (column != literal_column("''"), leads.c.state == literal_column("'MERGED'"))
    open_ones = (goes_on.c.state.in_([state.name for state in LIVE]), goes_on.c.archive_time.is_(None))
    found = goes_on.c.id, leads.c.email, leads.c.phone_digits, *goes_on.c["journey_id", "owner", "team"]
    on = goes_on.c.id == cast(func.substr(leads.c.merged_into, 7), UUID(as_uuid=False))
    return select(*found).join_from(texts, leads, column == texts.c.text).join(goes_on, on).where(*gone, *open_ones)


def _that_have(column: Column[str], asked: str) -> Select[Any]:
    """Live leads whose `column` is one of the texts `asked`. Joined, so that each text is looked up in the index: of
    `= any(...)` Postgres makes, once it plans for arrays it does not see, a walk over all leads that compares each with
    every text."""
    texts = func.unnest(bindparam(asked, type_=ARRAY(Text))).table_valued("text", name=asked)
    found = leads.c["id", "email", "phone_digits", "journey_id", "owner", "team"]
    # Written out: a parameter would not prove that the indexes, which leave out what is empty, serve.
    open_ones = (column != literal_column("''"), is_live, leads.c.archive_time.is_(None))
    return select(*found).join_from(texts, leads, column == texts.c.text).where(*open_ones)


SAME_PERSON = Query(
    union_all(
        _that_have(leads.c.email, "emails"),
        _that_have(leads.c.phone_digits, "phones"),
        _merged_that_had(leads.c.email, "emails"),
        _merged_that_had(leads.c.phone_digits, "phones"),
    )
    .order_by("id")
    .limit(2000)
)
TO_WAKE = Query(
    select(leads.c.id)
    .where(
        leads.c.nurture_until <= bindparam("now"), leads.c.nurture_until.is_not(None), leads.c.archive_time.is_(None)
    )
    .order_by(leads.c.nurture_until)
    .limit(bindparam("limit"))
)
NEGLECTED = Query(
    select(leads.c.id).where(idle_since < bindparam("before"), in_hand).order_by(idle_since).limit(bindparam("limit"))
)
# Of scores, those of nurtured leads.
SCORES_ASLEEP = (
    "SELECT told.name FROM unnest($1::text[]) AS told(name) JOIN leads ON leads.id = substr(told.name, 12)::uuid"
    " WHERE leads.state = 'NURTURING'"
)
# Nurtured leads of a journey, and those that go on in place of one of it.
TOUCHED = Query(
    text(
        "SELECT id FROM leads WHERE journey_id = CAST(:journey AS uuid) AND state = 'NURTURING'"
        " UNION SELECT goes_on.id FROM leads gone JOIN leads goes_on ON goes_on.id = substr(gone.merged_into, 7)::uuid"
        " WHERE gone.journey_id = CAST(:journey AS uuid) AND gone.state = 'MERGED' AND goes_on.state = 'NURTURING'"
    )
)
IMPORT_ROWS, IMPORT_SINCE = import_tables.ROWS, import_tables.SINCE
KNOWN_FEEDBACK = feedback_tables.known_feedback
