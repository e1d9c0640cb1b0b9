"""What the columns of files are."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0031"
down_revision = "0030"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "lead_import_mappings",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        sa.Column("archive_time", TIME, nullable=True),
        sa.Column("display_name", sa.Text(), nullable=False),
        *(sa.Column(name, postgresql.JSONB(), nullable=False) for name in ("columns", "defaults")),
        sa.Column("date_order", sa.Text(collation="C"), nullable=False),
        sa.Column("key_column", sa.Text(), nullable=False),
        sa.Column("system", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
