"""Nurture paths, who was on which, and cadences for leads that are left in peace."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0033"
down_revision = "0032"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "nurture_settings",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.Column("paths", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "nurture_stays",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("lead_id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("path", sa.Text(collation="C"), nullable=False),
        sa.Column("enter_time", TIME, nullable=False),
        sa.Column("leave_time", TIME, nullable=True),
        sa.Column("woken", sa.Boolean(), nullable=False),
        *(sa.Column(name, postgresql.JSONB(), nullable=False) for name in ("sleeps_through", "told")),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("nurture_stays_lead", "nurture_stays", ["lead_id", sa.literal_column("id DESC")])
    op.create_index("nurture_stays_enter_time", "nurture_stays", ["enter_time"])
    op.add_column("leads", sa.Column("nurture_path", sa.Text(collation="C"), server_default="", nullable=False))
    op.create_index(
        "leads_nurture_path",
        "leads",
        ["nurture_path", sa.literal_column("id DESC")],
        postgresql_where=sa.text("nurture_path <> ''"),
    )
    for table in ("cadences", "cadence_enrolments"):
        op.add_column(table, sa.Column("for_nurturing", sa.Boolean(), server_default="false", nullable=False))
