"""What sales stores, and the queries that have a name."""

from typing import Any

from chassis.database import (
    TIME,
    Query,
    custom_column,
    customer_columns,
    enum_column,
    labels_column,
    listed,
    record_columns,
)
from chassis.figures import Counted
from sqlalchemy import (
    CHAR,
    Boolean,
    Column,
    Date,
    Double,
    Index,
    MetaData,
    Numeric,
    Table,
    Text,
    bindparam,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from chassis import figures
from sales.domain import activity, opportunity
from sales.domain.account import Account
from sales.domain.activity import Activity
from sales.domain.contact import Contact
from sales.domain.lead_acceptance import LeadAcceptance
from sales.domain.opportunity import Opportunity
from sales.domain.order import Order
from sales.domain.pipeline import Pipeline

METADATA = MetaData()
FILTER = {"filter": True}


def _name(column: str, *, filtered: bool = False) -> Column[Any]:
    """A slug, a resource name or another key: compared byte by byte."""
    return Column(column, Text(collation="C"), nullable=False, info=FILTER if filtered else {})


def _text(column: str) -> Column[Any]:
    return Column(column, Text, nullable=False)


def _money(column: str, *, nullable: bool = True) -> list[Column[Any]]:
    return [
        Column(column, Numeric(19, 4), nullable=nullable),
        Column(f"{column}_currency", CHAR(3), nullable=nullable),
    ]


def _json(column: str) -> Column[Any]:
    return Column(column, JSONB, nullable=False)


accounts = Table(
    "accounts",
    METADATA,
    *customer_columns(),
    Column("archive_time", TIME),
    labels_column(),
    _text("display_name"),
    _name("lead", filtered=True),
    _name("channel", filtered=True),
    _text("website"),
    _text("phone"),
    _name("industry", filtered=True),
    Column("customer_time", TIME),
    custom_column(),
    info={"collection": "accounts", "customers_see": {}},
)
accounts.c.create_time.info |= FILTER
listed(accounts, "owner", "team", "lead", "channel", "industry", "journey_id", "create_time")

contacts = Table(
    "contacts",
    METADATA,
    *customer_columns(),
    Column("archive_time", TIME),
    labels_column(),
    _text("display_name"),
    _name("account", filtered=True),
    _name("email", filtered=True),
    _name("phone", filtered=True),
    _text("buying_role"),
    _text("job_title"),
    info={"collection": "contacts"},
)
listed(contacts, "account", "owner", "team", "email", "phone", "journey_id")

pipelines = Table(
    "pipelines",
    METADATA,
    *record_columns(slug=True),
    _text("display_name"),
    _json("stages"),
    _json("lose_reasons"),
)

opportunities = Table(
    "opportunities",
    METADATA,
    *customer_columns(),
    Column("archive_time", TIME),
    labels_column(),
    _text("display_name"),
    enum_column("state", opportunity.State),
    _name("account", filtered=True),
    _name("contact"),
    _name("lead", filtered=True),
    _name("pipeline", filtered=True),
    _name("stage", filtered=True),
    Column("probability", Double, nullable=False),
    *_money("amount"),
    Column("close_date", Date),
    _json("stage_history"),
    Column("close_time", TIME),
    _text("lose_reason"),
    _name("channel", filtered=True),
    custom_column(),
    info={"collection": "opportunities"},
)
opportunities.c.create_time.info |= FILTER
listed(opportunities, "state", "stage", "account", "owner", "team", "lead", "channel", "journey_id", "create_time")
Index("opportunities_stage", opportunities.c.pipeline, opportunities.c.stage, opportunities.c.id.desc())
# Spelled out, not parameters: a prepared statement uses a partial index only for what it can prove.
is_won, is_open = text("state = 'WON'"), text("state = 'OPEN'")
Index("opportunities_open", opportunities.c.pipeline, opportunities.c.stage, postgresql_where=is_open)
Index("opportunities_won", opportunities.c.account, opportunities.c.close_time.desc(), postgresql_where=is_won)

# What a pipeline's summary says: what lies open in each stage.
OPEN_DEALS = Counted(
    table="opportunities",
    kind="open_deals",
    key="{row}.pipeline || '/' || {row}.stage",
    rows="{row}.state = 'OPEN' AND {row}.archive_time IS NULL",
    currency="coalesce({row}.amount_currency::text, '')",
    amount="{row}.amount",
    weighted="round({row}.amount * {row}.probability::numeric, 4)",
)
figures.tables(METADATA)

orders = Table(
    "orders",
    METADATA,
    *customer_columns(),
    _name("account", filtered=True),
    _name("system", filtered=True),
    _name("order_number", filtered=True),
    Column("order_time", TIME, nullable=False, info=FILTER),
    Column("order_time_estimated", Boolean, nullable=False),
    _json("lines"),
    *_money("amount", nullable=False),
    _text("erp_state"),
    _name("opportunity", filtered=True),
    _name("channel", filtered=True),
    info={"collection": "orders", "customers_see": {}},
)
listed(orders, "account", "owner", "team", "opportunity", "channel", "journey_id", "order_time")
Index("orders_order_number_system", orders.c.order_number, orders.c.system, unique=True)
listed(orders, "system")

activities = Table(
    "activities",
    METADATA,
    *customer_columns(),
    _json("labels"),
    _text("display_name"),
    enum_column("state", activity.State),
    _name("subject", filtered=True),
    enum_column("kind", activity.Kind),
    Column("due_time", TIME, nullable=False, info=FILTER),
    _text("expected_outcome"),
    _text("outcome"),
    Column("close_time", TIME),
    _text("note"),
    Column("follow_up", Boolean, nullable=False),
    Column("lead", Text(collation="C"), nullable=False, server_default=""),
    # From here on: columns that came later. An older release writes rows without them.
    Column("merges", JSONB, nullable=False, server_default="[]"),
    info={"collection": "activities"},
)
went_along = text("merges <> '[]'")
Index(
    "activities_went_along",
    text("((merges -> '-1'::integer) ->> 'lead'::text)"),
    postgresql_where=went_along,
    _table=activities,
)
listed(activities, "state", "subject", "owner", "team", "kind", "due_time", "journey_id")
Index("activities_lead", activities.c.lead)

lead_acceptances = Table(  # what each conversion of a lead made and linked
    "lead_acceptances",
    METADATA,
    *record_columns(),
    *(_name(column) for column in ("lead", "account", "contact", "opportunity")),
    _json("made"),
    _json("archived"),
    Column("release_time", TIME),
)
Index("lead_acceptances_lead", lead_acceptances.c.lead)

subjects = Table(  # records of other services that activities may be about
    "subjects",
    METADATA,
    Column("name", Text(collation="C"), primary_key=True),
    Column("journey_id", UUID(as_uuid=False)),
    Column("owner", Text(collation="C"), nullable=False),
    Column("team", Text(collation="C"), nullable=False),
    Column("account", Text(collation="C"), nullable=False, server_default=""),
    Column("merged_into", Text(collation="C"), nullable=False, server_default=""),
)
Index("subjects_account", subjects.c.account, postgresql_where=subjects.c.account != "")
# As people compare them: a phone number by its digits, a name in any case.
Index("contacts_phone_digits", text("regexp_replace(phone, '[^0-9]', '', 'g')"), _table=contacts)
Index("accounts_name_lower", text("lower(btrim(display_name) COLLATE pg_c_utf8)"), _table=accounts)

RECORDS = {
    Account: accounts,
    Contact: contacts,
    Pipeline: pipelines,
    Opportunity: opportunities,
    Order: orders,
    Activity: activities,
    LeadAcceptance: lead_acceptances,
}

LATEST_WON = Query(
    select(opportunities.c.id, opportunities.c.journey_id, opportunities.c.channel)
    .where(opportunities.c.account == bindparam("account"), is_won)
    .order_by(opportunities.c.close_time.desc(), opportunities.c.id.desc())
    .limit(1)
)
STAGES_IN_USE = Query(
    text(
        "SELECT stage FROM unnest(CAST(:stages AS text[])) AS asked(stage) WHERE EXISTS (SELECT FROM opportunities o"
        " WHERE o.pipeline = CAST(:pipeline AS text) AND o.stage = asked.stage AND o.state = 'OPEN')"
    )
)
SUBJECT = Query(select(subjects).where(subjects.c.name == bindparam("name")))
PUT_SUBJECT = (
    "INSERT INTO subjects (name, journey_id, owner, team, account, merged_into)"
    " VALUES ($1::text, $2::uuid, $3::text, $4::text, $5::text, $6::text) ON CONFLICT (name) DO UPDATE SET"
    " journey_id = excluded.journey_id, owner = excluded.owner, team = excluded.team, account = excluded.account,"
    " merged_into = excluded.merged_into"
)
SAME_PHONE = Query(
    text(
        "SELECT id FROM contacts WHERE regexp_replace(phone, '[^0-9]', '', 'g') = CAST(:digits AS text)"
        " ORDER BY id LIMIT 20"
    )
)
SAME_NAME = Query(
    text(
        "SELECT id FROM accounts WHERE lower(btrim(display_name) COLLATE pg_c_utf8)"
        " = lower(btrim(CAST(:name AS text)) COLLATE pg_c_utf8) AND archive_time IS NULL ORDER BY id LIMIT 20"
    )
)
# What was added to the records that a conversion made, besides those records and what came along with the lead.
USES = Query(
    text(
        "SELECT name FROM ("
        " SELECT 'contacts/' || id AS name FROM contacts"
        "  WHERE account = any(CAST(:made AS text[])) AND archive_time IS NULL"
        " UNION ALL SELECT 'opportunities/' || id FROM opportunities"
        "  WHERE account = any(CAST(:made AS text[])) AND archive_time IS NULL"
        " UNION ALL SELECT 'orders/' || id FROM orders WHERE account = any(CAST(:made AS text[]))"
        " UNION ALL SELECT 'activities/' || id FROM activities"
        "  WHERE subject = any(CAST(:made AS text[])) AND lead <> CAST(:lead AS text)"
        " UNION ALL SELECT name FROM subjects"
        "  WHERE account = any(CAST(:made AS text[])) AND account <> '' AND name NOT LIKE 'leads/%'"
        ") used WHERE name <> all(CAST(:made AS text[])) ORDER BY name LIMIT 10"
    )
)
# Activities that were about a lead before it was merged. At most as many as are changed at once.
WENT_ALONG = Query(
    text(
        "SELECT id::text AS id FROM activities WHERE merges <> '[]' AND merges->-1->>'lead' = CAST(:lead AS text)"
        " ORDER BY id LIMIT 1000"
    )
)
