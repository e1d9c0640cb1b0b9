"""Leads."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "lead_settings",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("qualification_checklist", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("disqualify_reasons", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "leads",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner", sa.Text(collation="C"), nullable=False),
        sa.Column("team", sa.Text(collation="C"), nullable=False),
        sa.Column("journey_id", sa.UUID(as_uuid=False), nullable=True),
        sa.Column("external_ids", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("archive_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("labels", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(collation="C"), nullable=False),
        sa.Column("company", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(collation="C"), nullable=False),
        sa.Column("phone", sa.Text(collation="C"), nullable=False),
        sa.Column("phone_digits", sa.Text(collation="C"), nullable=False),
        sa.Column("channel", sa.Text(collation="C"), nullable=False),
        sa.Column("landing_page", sa.Text(collation="C"), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("contact_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("assign_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_call_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("qualify_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("close_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("disqualify_reason", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("contact", sa.Text(), nullable=False),
        sa.Column("opportunity", sa.Text(), nullable=False),
        sa.Column("call_count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        info={"collection": "leads"},
    )
    op.create_index("leads_channel_id", "leads", ["channel", sa.literal_column("id DESC")], unique=False)
    op.create_index("leads_create_time_id", "leads", ["create_time", sa.literal_column("id DESC")], unique=False)
    op.create_index("leads_email", "leads", ["email"], unique=False, postgresql_where=sa.text("email != ''"))
    op.create_index("leads_journey_id_id", "leads", ["journey_id", sa.literal_column("id DESC")], unique=False)
    op.create_index("leads_owner_id", "leads", ["owner", sa.literal_column("id DESC")], unique=False)
    op.create_index(
        "leads_phone_digits", "leads", ["phone_digits"], unique=False, postgresql_where=sa.text("phone_digits != ''")
    )
    op.create_index("leads_state_id", "leads", ["state", sa.literal_column("id DESC")], unique=False)
    op.create_index("leads_team_id", "leads", ["team", sa.literal_column("id DESC")], unique=False)
    op.create_table(
        "rotations",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
