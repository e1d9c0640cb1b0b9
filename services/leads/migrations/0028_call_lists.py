"""Call lists, and leads that are not to be called."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0028"
down_revision = "0027"

TIME, NAME = sa.DateTime(timezone=True), sa.Text(collation="C")


def upgrade() -> None:
    op.create_table(
        "call_list_entries",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.Column("lead", NAME, nullable=False),
        sa.Column("owner", NAME, nullable=False),
        sa.Column("team", NAME, nullable=False),
        sa.Column("journey_id", sa.UUID(as_uuid=False), nullable=True),
        sa.Column("state", NAME, nullable=False),
        sa.Column("call_list", NAME, nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("time_zone", NAME, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_time", TIME, nullable=True),
        sa.Column("promised_by", NAME, nullable=False),
        sa.Column("caller", NAME, nullable=False),
        sa.Column("lease_until", TIME, nullable=True),
        sa.Column("disposition", NAME, nullable=False),
        sa.Column("calls", postgresql.JSONB(), nullable=False),
        sa.Column("reach_time", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        info={"collection": "callListEntries"},
    )
    op.create_index(
        "call_list_entries_leased", "call_list_entries", ["caller"], postgresql_where=sa.text("lease_until IS NOT NULL")
    )
    op.create_index(
        "call_list_entries_next",
        "call_list_entries",
        ["call_list", sa.literal_column("priority DESC"), sa.literal_column("score DESC"), "id"],
        postgresql_where=sa.text("state = 'WAITING' AND promised_by = ''"),
    )
    op.create_index("call_list_entries_once", "call_list_entries", ["call_list", "lead"], unique=True)
    op.create_index(
        "call_list_entries_promised",
        "call_list_entries",
        ["call_list", "due_time"],
        postgresql_where=sa.text("state = 'WAITING' AND promised_by <> ''"),
    )
    for column in ("call_list", "caller", "disposition", "lead", "owner", "promised_by", "state", "team"):
        columns = [column, sa.literal_column("id DESC")]
        op.create_index(f"call_list_entries_{column}_id", "call_list_entries", columns)
    op.create_index("ix_call_list_entries_journey_id", "call_list_entries", ["journey_id"])
    op.create_table(
        "call_lists",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.Column("state", NAME, nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("script", sa.Text(), nullable=False),
        sa.Column("callers", postgresql.JSONB(), nullable=False),
        sa.Column("hours", postgresql.JSONB(), nullable=False),
        sa.Column("pauses", postgresql.JSONB(), nullable=False),
        sa.Column("left_out", postgresql.JSONB(), nullable=False),
        sa.Column("zones", postgresql.JSONB(), nullable=False),
        sa.Column("calendar", NAME, nullable=False),
        sa.Column("most_attempts", sa.Integer(), nullable=False),
        sa.Column("lease_minutes", sa.Integer(), nullable=False),
        sa.Column("lead_count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        info={"collection": "callLists"},
    )
    op.create_index("call_lists_state_id", "call_lists", ["state", sa.literal_column("id DESC")])
    op.add_column("leads", sa.Column("do_not_call", sa.Boolean(), server_default="false", nullable=False))
    op.add_column("leads", sa.Column("wrong_phone", NAME, server_default="", nullable=False))
    op.create_index("leads_do_not_call", "leads", ["phone_digits"], postgresql_where=sa.text("do_not_call"))
