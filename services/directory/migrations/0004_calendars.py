"""Calendars."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "absences",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner", sa.Text(collation="C"), nullable=False),
        sa.Column("team", sa.Text(collation="C"), nullable=False),
        sa.Column("state", sa.Text(collation="C"), nullable=False),
        sa.Column("start_date", sa.Date(), nullable=True),
        sa.Column("end_date", sa.Date(), nullable=True),
        sa.Column("start_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("away_start_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("away_end_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        info={"collection": "absences"},
    )
    op.create_index("absences_owner_id", "absences", ["owner", sa.literal_column("id DESC")], unique=False)
    op.create_index("absences_state_id", "absences", ["state", sa.literal_column("id DESC")], unique=False)
    op.create_index("absences_team_id", "absences", ["team", sa.literal_column("id DESC")], unique=False)
    op.create_index(op.f("ix_absences_away_end_time"), "absences", ["away_end_time"], unique=False)
    op.create_index(op.f("ix_absences_away_start_time"), "absences", ["away_start_time"], unique=False)
    op.create_table(
        "calendars",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("archive_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(collation="C"), nullable=False),
        sa.Column("versions", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("holidays", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("holidays_until", sa.Integer(), nullable=False),
        sa.Column("holiday_data_version", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        info={"collection": "calendars"},
    )
    op.create_index(op.f("ix_calendars_time_zone"), "calendars", ["time_zone"], unique=False)
    op.add_column("teams", sa.Column("calendar", sa.Text(collation="C"), server_default="", nullable=False))
    op.add_column("users", sa.Column("calendar", sa.Text(collation="C"), server_default="", nullable=False))
    op.create_index(op.f("ix_users_calendar"), "users", ["calendar"], unique=False)
