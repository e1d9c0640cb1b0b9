"""What the open deals of each stage amount to, kept instead of counted whenever somebody looks."""

import sqlalchemy as sa
from alembic import op
from chassis.figures import Counted, triggers

revision = "0002"
down_revision = "0001"

OPEN_DEALS = Counted(
    table="opportunities",
    kind="open_deals",
    key="{row}.pipeline || '/' || {row}.stage",
    rows="{row}.state = 'OPEN' AND {row}.archive_time IS NULL",
    currency="coalesce({row}.amount_currency::text, '')",
    amount="{row}.amount",
    weighted="round({row}.amount * {row}.probability::numeric, 4)",
)


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
    is_open = sa.text("state = 'OPEN'")
    op.create_index("opportunities_open", "opportunities", ["pipeline", "stage"], postgresql_where=is_open)
    for sql in triggers(OPEN_DEALS):
        op.execute(sql)
