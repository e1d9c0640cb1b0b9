"""Bulk edits, and what becomes of each of their leads."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0025"
down_revision = "0024"

TIME = sa.DateTime(timezone=True)
COUNTS = ("selected", "changing", "unchanged", "refused", "changed", "undone", "left")
EDITS, ITEMS = "lead_bulk_edits", "lead_bulk_edit_items"


def upgrade() -> None:
    op.create_table(
        EDITS,
        sa.Column("id", postgresql.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        *(sa.Column(name, sa.Text(collation="C"), nullable=False) for name in ("owner", "team")),
        sa.Column("filter", sa.Text(), nullable=False),
        sa.Column("segment", sa.Text(collation="C"), nullable=False),
        sa.Column("include_closed", sa.Boolean(), nullable=False),
        *(sa.Column(name, postgresql.JSONB(), nullable=False) for name in ("lead", "fields")),
        *(
            sa.Column(name, sa.Text(collation="C"), nullable=False)
            for name in ("preview_operation", "operation", "undo_operation")
        ),
        *(sa.Column(name, TIME) for name in ("preview_time", "start_time", "undo_until")),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in COUNTS),
        sa.Column("refusals", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    for name in ("owner", "team"):
        op.create_index(f"{EDITS}_{name}_id", EDITS, [name, sa.text("id DESC")])
    op.create_table(
        ITEMS,
        sa.Column("edit_id", postgresql.UUID(as_uuid=False), nullable=False),
        sa.Column("lead_id", postgresql.UUID(as_uuid=False), nullable=False),
        sa.Column("outcome", sa.Text(collation="C"), nullable=False),
        sa.Column("reason", sa.Text(collation="C"), nullable=False, server_default=""),
        sa.Column("message", sa.Text(), nullable=False, server_default=""),
        sa.Column("version", sa.BigInteger(), nullable=False, server_default="0"),
        *(sa.Column(name, postgresql.JSONB(), nullable=False, server_default="{}") for name in ("before", "after")),
        sa.Column("left_fields", postgresql.JSONB(), nullable=False, server_default="[]"),
        sa.PrimaryKeyConstraint("edit_id", "lead_id"),
    )
    op.create_index(f"{ITEMS}_outcome", ITEMS, ["edit_id", "outcome", "lead_id"])
    op.create_index(f"{ITEMS}_lead", ITEMS, ["lead_id"])
