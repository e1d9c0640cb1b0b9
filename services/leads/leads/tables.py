"""What leads stores, and the queries that have a name."""

from typing import Any

from chassis.database import TIME, Query, customer_columns, enum_column, listed, record_columns
from sqlalchemy import (
    Column,
    Index,
    Integer,
    MetaData,
    Select,
    Table,
    Text,
    bindparam,
    func,
    literal_column,
    select,
    union_all,
)
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


def _that_have(column: Column[str], asked: str) -> Select[Any]:
    """Open leads whose `column` is one of the texts `asked`. Joined, so that each text is looked up in the index: of
    `= any(...)` Postgres makes, once it plans for arrays it does not see, a walk over all leads that compares each with
    every text."""
    texts = func.unnest(bindparam(asked, type_=ARRAY(Text))).table_valued("text", name=asked)
    found = leads.c["id", "email", "phone_digits", "journey_id", "owner", "team"]
    # Written out: a parameter would not prove that the indexes, which leave out what is empty, serve.
    open_ones = (column != literal_column("''"), is_open, leads.c.archive_time.is_(None))
    return select(*found).join_from(texts, leads, column == texts.c.text).where(*open_ones)


SAME_PERSON = Query(
    union_all(_that_have(leads.c.email, "emails"), _that_have(leads.c.phone_digits, "phones"))
    .order_by("id")
    .limit(2000)
)
