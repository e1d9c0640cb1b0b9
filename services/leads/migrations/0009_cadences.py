"""Cadences, who is in one, and how often anybody is contacted."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "cadence_enrolments",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lead", sa.Text(collation="C"), nullable=False),
        sa.Column("owner", sa.Text(collation="C"), nullable=False),
        sa.Column("team", sa.Text(collation="C"), nullable=False),
        sa.Column("journey_id", sa.UUID(as_uuid=False), nullable=True),
        sa.Column("state", sa.Text(collation="C"), nullable=False),
        sa.Column("cadence", sa.Text(collation="C"), nullable=False),
        sa.Column("steps", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("step_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due", sa.Boolean(), nullable=False),
        sa.Column("stop_reason", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        info={"collection": "cadenceEnrolments"},
    )
    op.create_index(
        "cadence_enrolments_active",
        "cadence_enrolments",
        ["lead"],
        unique=True,
        postgresql_where=sa.text("state = 'ACTIVE'"),
    )
    op.create_index(
        "cadence_enrolments_cadence_id", "cadence_enrolments", ["cadence", sa.literal_column("id DESC")], unique=False
    )
    op.create_index(
        "cadence_enrolments_lead_id", "cadence_enrolments", ["lead", sa.literal_column("id DESC")], unique=False
    )
    op.create_index(
        "cadence_enrolments_owner_id", "cadence_enrolments", ["owner", sa.literal_column("id DESC")], unique=False
    )
    op.create_index(
        "cadence_enrolments_state_id", "cadence_enrolments", ["state", sa.literal_column("id DESC")], unique=False
    )
    op.create_index(
        "cadence_enrolments_team_id", "cadence_enrolments", ["team", sa.literal_column("id DESC")], unique=False
    )
    op.create_index(op.f("ix_cadence_enrolments_due_time"), "cadence_enrolments", ["due_time"], unique=False)
    op.create_index(op.f("ix_cadence_enrolments_journey_id"), "cadence_enrolments", ["journey_id"], unique=False)
    op.create_table(
        "cadences",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("archive_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("steps", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        info={"collection": "cadences"},
    )
    op.create_table(
        "contact_settings",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("most_contacts", sa.Integer(), nullable=False),
        sa.Column("per_days", sa.Integer(), nullable=False),
        sa.Column("at_least_every_days", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
