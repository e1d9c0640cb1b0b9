"""Channels, pages, spend, touches, and what other services said about channels."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "channels",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(collation="C"), nullable=False),
        sa.Column("external_ids", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        info={"collection": "channels"},
    )
    op.create_index("channels_kind_id", "channels", ["kind", sa.literal_column("id DESC")], unique=False)
    op.create_table(
        "known_orders",
        sa.Column("order_name", sa.Text(collation="C"), nullable=False),
        sa.Column("channel", sa.Text(collation="C"), nullable=False),
        sa.Column("amount", sa.Numeric(precision=19, scale=4), nullable=False),
        sa.Column("currency", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("order_name"),
    )
    op.create_table(
        "landing_pages",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("external_ids", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        info={"collection": "landingPages"},
    )
    op.create_table(
        "lead_sources",
        sa.Column("lead", sa.Text(collation="C"), nullable=False),
        sa.Column("channel", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("lead"),
    )
    op.create_table(
        "spend_entries",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("channel", sa.Text(collation="C"), nullable=False),
        sa.Column("spend_date", sa.Date(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=19, scale=4), nullable=False),
        sa.Column("amount_currency", sa.Text(collation="C"), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("external_ids", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        info={"collection": "spendEntries"},
    )
    op.create_index(
        "spend_entries_channel_id", "spend_entries", ["channel", sa.literal_column("id DESC")], unique=False
    )
    op.create_index(
        "spend_entries_spend_date_id", "spend_entries", ["spend_date", sa.literal_column("id DESC")], unique=False
    )
    op.create_table(
        "touches",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("journey_id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("channel", sa.Text(collation="C"), nullable=False),
        sa.Column("landing_page", sa.Text(collation="C"), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("referrer", sa.Text(), nullable=False),
        sa.Column("touch_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("parameters", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("external_ids", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        info={"collection": "touches"},
    )
    op.create_index("touches_channel_id", "touches", ["channel", sa.literal_column("id DESC")], unique=False)
    op.create_index("touches_journey_id_id", "touches", ["journey_id", sa.literal_column("id DESC")], unique=False)
    op.create_index("touches_landing_page_id", "touches", ["landing_page", sa.literal_column("id DESC")], unique=False)
    op.create_index("touches_touch_time_id", "touches", ["touch_time", sa.literal_column("id DESC")], unique=False)
    op.create_table(
        "won_deals",
        sa.Column("opportunity", sa.Text(collation="C"), nullable=False),
        sa.Column("channel", sa.Text(collation="C"), nullable=False),
        sa.Column("account", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("opportunity"),
    )
