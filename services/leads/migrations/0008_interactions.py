"""Interactions with leads, and when we and they were last in touch."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "interactions",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lead", sa.Text(collation="C"), nullable=False),
        sa.Column("owner", sa.Text(collation="C"), nullable=False),
        sa.Column("team", sa.Text(collation="C"), nullable=False),
        sa.Column("journey_id", sa.UUID(as_uuid=False), nullable=True),
        sa.Column("actor", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(collation="C"), nullable=False),
        sa.Column("direction", sa.Text(collation="C"), nullable=False),
        sa.Column("outcome", sa.Text(collation="C"), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("interaction_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("call_back_time", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        info={"collection": "interactions"},
    )
    op.create_index(
        "interactions_direction_id", "interactions", ["direction", sa.literal_column("id DESC")], unique=False
    )
    op.create_index("interactions_kind_id", "interactions", ["kind", sa.literal_column("id DESC")], unique=False)
    op.create_index("interactions_lead_id", "interactions", ["lead", sa.literal_column("id DESC")], unique=False)
    op.create_index("interactions_outcome_id", "interactions", ["outcome", sa.literal_column("id DESC")], unique=False)
    op.create_index("interactions_owner_id", "interactions", ["owner", sa.literal_column("id DESC")], unique=False)
    op.create_index("interactions_team_id", "interactions", ["team", sa.literal_column("id DESC")], unique=False)
    op.create_index(op.f("ix_interactions_interaction_time"), "interactions", ["interaction_time"], unique=False)
    op.create_index(op.f("ix_interactions_journey_id"), "interactions", ["journey_id"], unique=False)
    op.create_index("lead_responses_lead_id", "lead_responses", ["lead", sa.literal_column("id DESC")], unique=False)
    op.add_column("leads", sa.Column("last_outbound_time", sa.DateTime(timezone=True), nullable=True))
    op.add_column("leads", sa.Column("last_inbound_time", sa.DateTime(timezone=True), nullable=True))
    op.add_column("leads", sa.Column("call_back_time", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE leads SET last_outbound_time = last_call_time WHERE last_call_time IS NOT NULL")
