"""What marketing stores, and the queries that have a name."""

from typing import Any

from chassis.database import TIME, Query, enum_column, listed, record_columns
from chassis.figures import Counted
from sqlalchemy import Column, Date, Numeric, Table, Text, func, select
from sqlalchemy.dialects.postgresql import JSONB, UUID

from chassis import figures
from marketing import material_tables
from marketing.domain import Channel, LandingPage, SpendEntry, Suppression, SuppressionReason, Touch

METADATA = material_tables.METADATA
MOST_CHANNELS = 1000


def _external_ids() -> Column[Any]:
    return Column("external_ids", JSONB, nullable=False, info={"filter": True})


def _whose() -> list[Column[Any]]:
    """Whose a record of another service is: figures are for who may see what they are made of."""
    return [Column(name, Text(collation="C"), nullable=False, server_default="") for name in ("owner", "team")]


channels = Table(
    "channels",
    METADATA,
    *record_columns(slug=True),
    Column("display_name", Text, nullable=False),
    Column("kind", Text(collation="C"), nullable=False, info={"filter": True}),
    _external_ids(),
    info={"collection": "channels"},
)
listed(channels, "kind")

landing_pages = Table(
    "landing_pages",
    METADATA,
    *record_columns(slug=True),
    Column("display_name", Text, nullable=False),
    Column("url", Text, nullable=False),
    _external_ids(),
    info={"collection": "landingPages"},
)

spend_entries = Table(
    "spend_entries",
    METADATA,
    *record_columns(),
    Column("channel", Text(collation="C"), nullable=False, info={"filter": True}),
    Column("spend_date", Date, nullable=False, info={"filter": True}),
    Column("amount", Numeric(19, 4), nullable=False),
    Column("amount_currency", Text(collation="C"), nullable=False),
    Column("note", Text, nullable=False),
    _external_ids(),
    info={"collection": "spendEntries"},
)
listed(spend_entries, "channel", "spend_date")

touches = Table(
    "touches",
    METADATA,
    *record_columns(),
    Column("journey_id", UUID(as_uuid=False), nullable=False, info={"filter": True}),
    Column("channel", Text(collation="C"), nullable=False, info={"filter": True}),
    Column("landing_page", Text(collation="C"), nullable=False, info={"filter": True}),
    Column("url", Text, nullable=False),
    Column("referrer", Text, nullable=False),
    Column("touch_time", TIME, nullable=False, info={"filter": True}),
    Column("parameters", JSONB, nullable=False),
    _external_ids(),
    info={"collection": "touches"},
)
listed(touches, "journey_id", "channel", "landing_page", "touch_time")

suppressions = Table(
    "suppressions",
    METADATA,
    *record_columns(slug=True),
    enum_column("reason", SuppressionReason),
    Column("lift_time", TIME),
    info={"collection": "suppressions"},
)
listed(suppressions, "reason")

RECORDS = {
    Channel: channels,
    LandingPage: landing_pages,
    SpendEntry: spend_entries,
    Touch: touches,
    Suppression: suppressions,
} | material_tables.RECORDS

# What other services said, a row per record of theirs, so that any order of their events leaves the same rows.
lead_sources = Table(
    "lead_sources",
    METADATA,
    Column("lead", Text(collation="C"), primary_key=True),
    Column("channel", Text(collation="C"), nullable=False),
    *_whose(),
)
known_customers = Table(
    "known_customers",
    METADATA,
    Column("account", Text(collation="C"), primary_key=True),
    Column("channel", Text(collation="C"), nullable=False),
    *_whose(),
)
# What customers were counted by before. Not written any more; the next release drops it.
won_deals = Table(
    "won_deals",
    METADATA,
    Column("opportunity", Text(collation="C"), primary_key=True),
    Column("channel", Text(collation="C"), nullable=False),
    Column("account", Text(collation="C"), nullable=False),
    *_whose(),
)
known_orders = Table(
    "known_orders",
    METADATA,
    Column("order_name", Text(collation="C"), primary_key=True),
    Column("channel", Text(collation="C"), nullable=False),
    Column("amount", Numeric(19, 4), nullable=False),
    Column("currency", Text(collation="C"), nullable=False),
    *_whose(),
)

PUT_LEAD = (
    "INSERT INTO lead_sources (lead, owner, team, channel) VALUES ($1::text, $2::text, $3::text, $4::text)"
    " ON CONFLICT (lead) DO UPDATE"
    " SET owner = excluded.owner, team = excluded.team, channel = excluded.channel"
)
FORGET_LEAD = "DELETE FROM lead_sources WHERE lead = $1::text"
PUT_CUSTOMER = (
    "INSERT INTO known_customers (account, owner, team, channel) VALUES ($1::text, $2::text, $3::text, $4::text)"
    " ON CONFLICT (account) DO UPDATE"
    " SET owner = excluded.owner, team = excluded.team, channel = excluded.channel"
)
PUT_ORDER = (
    "INSERT INTO known_orders (order_name, owner, team, channel, amount, currency)"
    " VALUES ($1::text, $2::text, $3::text, $4::text, $5::numeric, $6::text) ON CONFLICT (order_name) DO UPDATE"
    " SET owner = excluded.owner, team = excluded.team, channel = excluded.channel, amount = excluded.amount,"
    " currency = excluded.currency"
)
# What each channel brought.
COUNTED = [
    Counted(table="lead_sources", kind="leads", key="{row}.channel"),
    Counted(table="known_customers", kind="customers", key="{row}.channel"),
    Counted(table="known_orders", kind="orders", key="{row}.channel", currency="{row}.currency", amount="{row}.amount"),
]
KINDS = [counted.kind for counted in COUNTED]
figures.tables(METADATA)

SPEND_BY_CHANNEL = Query(
    select(
        spend_entries.c.channel,
        spend_entries.c.amount_currency.label("currency"),
        func.sum(spend_entries.c.amount).label("amount"),
        func.count().label("entries"),
    ).group_by(spend_entries.c.channel, spend_entries.c.amount_currency)
)
DISPLAY_NAMES = Query(select(channels.c.id, channels.c.display_name).limit(MOST_CHANNELS))
