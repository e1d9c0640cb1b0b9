"""Links by which people look after their own data."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0032"
down_revision = "0031"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "own_data_links",
        sa.Column("id", postgresql.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", TIME, nullable=False),
        sa.Column("update_time", TIME, nullable=False),
        *(sa.Column(name, sa.Text(collation="C"), nullable=False) for name in ("lead", "owner", "team")),
        sa.Column("token_hash", sa.Text(collation="C"), nullable=True),
        *(sa.Column(name, TIME, nullable=True) for name in ("expire_time", "withdraw_time")),
        sa.Column("change_count", sa.Integer(), nullable=False),
        sa.Column("change_time", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("token_hash"),
    )
