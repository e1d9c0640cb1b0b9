"""Leads that may be one: by which rules, what was found, and what people said of it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.create_table(
        "match_settings",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("comparisons", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("prior", sa.Double(), nullable=False),
        sa.Column("review", sa.Double(), nullable=False),
        sa.Column("certain", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "duplicate_candidates",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lead", sa.Text(collation="C"), nullable=False),
        sa.Column("other", sa.Text(collation="C"), nullable=False),
        sa.Column("state", sa.Text(collation="C"), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("actor", sa.Text(collation="C"), nullable=False),
        sa.Column("dismiss_time", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "duplicate_candidates_open",
        "duplicate_candidates",
        [sa.literal_column("score DESC")],
        unique=False,
        postgresql_where=sa.text("state = 'OPEN'"),
    )
