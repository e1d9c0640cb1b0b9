"""What outside sources know of leads, and what they said lately."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.create_table(
        "enrichment_answers",
        sa.Column("key", sa.Text(collation="C"), nullable=False),
        sa.Column("found", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("fetch_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expire_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index(op.f("ix_enrichment_answers_expire_time"), "enrichment_answers", ["expire_time"], unique=False)
    op.create_table(
        "lead_enrichments",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lead", sa.Text(collation="C"), nullable=False),
        sa.Column("owner", sa.Text(collation="C"), nullable=False),
        sa.Column("team", sa.Text(collation="C"), nullable=False),
        sa.Column("state", sa.Text(collation="C"), nullable=False),
        sa.Column("fields", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        info={"collection": "leadEnrichments"},
    )
    op.create_index(
        "lead_enrichments_due",
        "lead_enrichments",
        ["due_time"],
        unique=False,
        postgresql_where=sa.text("due_time IS NOT NULL"),
    )
    for column in ("lead", "owner", "state", "team"):
        columns = [column, sa.literal_column("id DESC")]
        op.create_index(f"lead_enrichments_{column}_id", "lead_enrichments", columns, unique=False)
