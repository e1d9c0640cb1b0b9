"""Merges of leads, and what went along in them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.create_table(
        "lead_merges",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lead", sa.Text(collation="C"), nullable=False),
        sa.Column("merged", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.Text(collation="C"), nullable=False),
        sa.Column("actor", sa.Text(collation="C"), nullable=False),
        sa.Column("merge_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undo_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undo_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("origins", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("result", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("lead_merges_lead_id", "lead_merges", ["lead", sa.literal_column("id DESC")], unique=False)
    op.create_table(
        "lead_merge_links",
        sa.Column("merge_id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("kind", sa.Text(collation="C"), nullable=False),
        sa.Column("record_id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("was", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("merge_id", "kind", "record_id"),
    )
    op.create_index(
        "leads_merged_into", "leads", ["merged_into"], unique=False, postgresql_where=sa.text("merged_into <> ''")
    )
    op.add_column("lead_settings", sa.Column("merge_undo_days", sa.Integer(), server_default="30", nullable=False))
