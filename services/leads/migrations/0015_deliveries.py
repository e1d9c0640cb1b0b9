"""Notifications that leave the application: who wants which, and what became of each."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.create_table(
        "addressees",
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "notification_deliveries",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lead", sa.Text(collation="C"), nullable=False),
        sa.Column("owner", sa.Text(collation="C"), nullable=False),
        sa.Column("team", sa.Text(collation="C"), nullable=False),
        sa.Column("notification", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(collation="C"), nullable=False),
        sa.Column("way", sa.Text(collation="C"), nullable=False),
        sa.Column("state", sa.Text(collation="C"), nullable=False),
        sa.Column("message", sa.Text(collation="C"), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("try_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        info={"collection": "notificationDeliveries"},
    )
    op.create_index("notification_deliveries_create_time", "notification_deliveries", ["create_time"], unique=False)
    op.create_index(
        "notification_deliveries_due",
        "notification_deliveries",
        ["way", "due_time"],
        unique=False,
        postgresql_where=sa.text("due_time IS NOT NULL"),
    )
    op.create_index(
        "notification_deliveries_kind_id",
        "notification_deliveries",
        ["kind", sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "notification_deliveries_lead_id",
        "notification_deliveries",
        ["lead", sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "notification_deliveries_message",
        "notification_deliveries",
        ["message"],
        unique=False,
        postgresql_where=sa.text("message <> ''"),
    )
    op.create_index(
        "notification_deliveries_notification_id",
        "notification_deliveries",
        ["notification", sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index("notification_deliveries_once", "notification_deliveries", ["notification", "way"], unique=True)
    op.create_index(
        "notification_deliveries_owner_id",
        "notification_deliveries",
        ["owner", sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "notification_deliveries_state_id",
        "notification_deliveries",
        ["state", sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "notification_deliveries_team_id",
        "notification_deliveries",
        ["team", sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "notification_deliveries_tried",
        "notification_deliveries",
        ["owner", "way", "try_time"],
        unique=False,
        postgresql_where=sa.text("try_time IS NOT NULL"),
    )
    op.create_index(
        "notification_deliveries_waiting",
        "notification_deliveries",
        ["owner", "way", "due_time"],
        unique=False,
        postgresql_where=sa.text("due_time IS NOT NULL"),
    )
    op.create_index(
        "notification_deliveries_way_id", "notification_deliveries", ["way", sa.literal_column("id DESC")], unique=False
    )
    op.create_table(
        "notification_preferences",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner", sa.Text(collation="C"), nullable=False),
        sa.Column("team", sa.Text(collation="C"), nullable=False),
        sa.Column("email_kinds", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("sms_kinds", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("phone_number", sa.Text(collation="C"), nullable=False),
        sa.Column("language", sa.Text(collation="C"), nullable=False),
        sa.Column("only_at_work", sa.Boolean(), nullable=False),
        sa.Column("most_per_hour", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        info={"collection": "notificationPreferences"},
    )
