"""The timeline, the latest snapshots, and how fresh each source is."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "customers",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("epoch", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(collation="C"), nullable=False),
        sa.Column("team", sa.Text(collation="C"), nullable=False),
        sa.Column("journey_id", sa.UUID(as_uuid=False), nullable=True),
        sa.Column("lead", sa.Text(collation="C"), nullable=False),
        sa.Column("channel", sa.Text(collation="C"), nullable=False),
        sa.Column("customer_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("archive_time", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        info={"collection": "customers"},
    )
    op.create_index("customers_channel_id", "customers", ["channel", sa.literal_column("id DESC")], unique=False)
    op.create_index("customers_owner_id", "customers", ["owner", sa.literal_column("id DESC")], unique=False)
    op.create_index("customers_team_id", "customers", ["team", sa.literal_column("id DESC")], unique=False)
    op.create_table(
        "freshness",
        sa.Column("source", sa.Text(collation="C"), nullable=False),
        sa.Column("stripe", sa.Integer(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("event_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("apply_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("source", "stripe"),
    )
    op.create_table(
        "records",
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("collection", sa.Text(collation="C"), nullable=False),
        sa.Column("epoch", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("journey_id", sa.UUID(as_uuid=False), nullable=True),
        sa.Column("account", sa.Text(collation="C"), nullable=False),
        sa.Column("channel", sa.Text(collation="C"), nullable=False),
        sa.Column("state", sa.Text(collation="C"), nullable=False),
        sa.Column("buying_role", sa.Text(collation="C"), nullable=False),
        sa.Column("amount", sa.Numeric(precision=19, scale=4), nullable=True),
        sa.Column("amount_currency", sa.Text(collation="C"), nullable=False),
        sa.Column("archive_time", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_index(
        "records_account", "records", ["account", "collection"], unique=False, postgresql_where=sa.text("account != ''")
    )
    op.create_index("records_collection", "records", ["collection", "channel"], unique=False)
    op.create_index(
        "records_journey", "records", ["journey_id"], unique=False, postgresql_where=sa.text("account = ''")
    )
    op.create_table(
        "timeline",
        sa.Column("event_id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("service", sa.Text(collation="C"), nullable=False),
        sa.Column("type", sa.Text(collation="C"), nullable=False),
        sa.Column("subject", sa.Text(collation="C"), nullable=False),
        sa.Column("journey_id", sa.UUID(as_uuid=False), nullable=True),
        sa.Column("account", sa.Text(collation="C"), nullable=False),
        sa.Column("event_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("record_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(collation="C"), nullable=False),
        sa.Column("trace_id", sa.Text(collation="C"), nullable=False),
        sa.Column("operation", sa.Text(collation="C"), nullable=False),
        sa.Column("elapsed_us", sa.BigInteger(), nullable=False),
        sa.Column("parameters", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("event_id"),
    )
    op.create_index(
        "timeline_account",
        "timeline",
        ["account", "event_time", "event_id"],
        unique=False,
        postgresql_where=sa.text("account != ''"),
    )
    op.create_index(
        "timeline_journey",
        "timeline",
        ["journey_id", "event_time", "event_id"],
        unique=False,
        postgresql_where=sa.text("account = ''"),
    )
