"""What leads stores, and the queries that have a name."""

from chassis.database import TIME, Query, customer_columns, enum_column, listed, record_columns
from sqlalchemy import Column, Index, Integer, MetaData, Table, Text, and_, any_, bindparam, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from leads.domain import OPEN, Lead, LeadSettings, Rotation, State

METADATA = MetaData()

leads = Table(
    "leads",
    METADATA,
    *customer_columns(),
    Column("archive_time", TIME),
    Column("labels", JSONB, nullable=False),
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
    info={"collection": "leads"},
)
is_open = leads.c.state.in_([state.name for state in OPEN])
leads.c.create_time.info["filter"] = True
listed(leads, "owner", "team", "state", "channel", "journey_id", "create_time")
Index("leads_email", leads.c.email, postgresql_where=leads.c.email != "")
Index("leads_phone_digits", leads.c.phone_digits, postgresql_where=leads.c.phone_digits != "")

settings = Table(
    "lead_settings",
    METADATA,
    *record_columns(slug=True),
    Column("qualification_checklist", JSONB, nullable=False),
    Column("disqualify_reasons", JSONB, nullable=False),
)
rotations = Table("rotations", METADATA, *record_columns(slug=True), Column("last", Text, nullable=False))

RECORDS = {Lead: leads, LeadSettings: settings, Rotation: rotations}

SAME_PERSON = Query(
    select(leads.c.id, leads.c.email, leads.c.phone_digits, leads.c.journey_id, leads.c.owner, leads.c.team)
    .where(
        or_(
            # Their indexes leave out what is empty; that none is asked for has to be said.
            and_(leads.c.email != "", leads.c.email == any_(bindparam("emails", type_=ARRAY(Text)))),
            and_(leads.c.phone_digits != "", leads.c.phone_digits == any_(bindparam("phones", type_=ARRAY(Text)))),
        ),
        is_open,
        leads.c.archive_time.is_(None),
    )
    .order_by(leads.c.id)
    .limit(2000)
)
