"""What each channel brought, kept instead of counted for every report."""

import sqlalchemy as sa
from alembic import op
from chassis.figures import Counted, triggers

revision = "0003"
down_revision = "0002"

COUNTED = [
    Counted(table="records", kind="leads", key="{row}.channel", rows="{row}.collection = 'leads'"),
    Counted(table="customers", kind="customers", key="{row}.channel", rows="{row}.customer_time IS NOT NULL"),
    Counted(
        table="records",
        kind="orders",
        key="{row}.channel",
        rows="{row}.collection = 'orders'",
        currency="{row}.amount_currency",
        amount="{row}.amount",
    ),
]


def upgrade() -> None:
    op.create_table(
        "figures",
        sa.Column("kind", sa.Text(collation="C"), nullable=False),
        sa.Column("key", sa.Text(collation="C"), nullable=False),
        sa.Column("currency", sa.Text(collation="C"), nullable=False),
        sa.Column("owner", sa.Text(collation="C"), nullable=False),
        sa.Column("team", sa.Text(collation="C"), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.Column("weighted", sa.Numeric(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "key", "currency", "owner", "team"),
    )
    op.create_table(
        "figure_changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text(collation="C"), nullable=False),
        sa.Column("key", sa.Text(collation="C"), nullable=False),
        sa.Column("currency", sa.Text(collation="C"), nullable=False),
        sa.Column("owner", sa.Text(collation="C"), nullable=False),
        sa.Column("team", sa.Text(collation="C"), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.Column("weighted", sa.Numeric(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    for counted in COUNTED:
        for sql in triggers(counted):
            op.execute(sql)
