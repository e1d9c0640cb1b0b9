"""Segments, and scores that wake."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "lead_segments",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.Column("archive_time", TIME, nullable=True),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("display_name", "description", "filter")),
        sa.PrimaryKeyConstraint("id"),
    )
    bands = sa.Column("wake_bands", postgresql.JSONB(), server_default="[]", nullable=False)
    op.add_column("lead_settings", bands)
