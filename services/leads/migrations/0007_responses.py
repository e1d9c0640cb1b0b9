"""Speed to lead: targets, and the clock of each lead."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "lead_responses",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lead", sa.Text(collation="C"), nullable=False),
        sa.Column("owner", sa.Text(collation="C"), nullable=False),
        sa.Column("team", sa.Text(collation="C"), nullable=False),
        sa.Column("journey_id", sa.UUID(as_uuid=False), nullable=True),
        sa.Column("state", sa.Text(collation="C"), nullable=False),
        sa.Column("channel", sa.Text(collation="C"), nullable=False),
        sa.Column("target", sa.Text(collation="C"), nullable=False),
        sa.Column("cycle", sa.Integer(), nullable=False),
        sa.Column("start_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("warn_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("breach_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("respond_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("waited_seconds", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("lead", "cycle"),
        info={"collection": "leadResponses"},
    )
    op.create_index(op.f("ix_lead_responses_due_time"), "lead_responses", ["due_time"], unique=False)
    op.create_index(op.f("ix_lead_responses_journey_id"), "lead_responses", ["journey_id"], unique=False)
    op.create_index(op.f("ix_lead_responses_start_time"), "lead_responses", ["start_time"], unique=False)
    op.create_index("lead_responses_owner_id", "lead_responses", ["owner", sa.literal_column("id DESC")], unique=False)
    op.create_index("lead_responses_state_id", "lead_responses", ["state", sa.literal_column("id DESC")], unique=False)
    op.create_index("lead_responses_team_id", "lead_responses", ["team", sa.literal_column("id DESC")], unique=False)
    op.create_table(
        "response_settings",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("targets", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
