"""What each channel brought, kept instead of counted for every look at it; and customers by their accounts.

A customer was an account with a won deal here, whose deal it was decided who saw it. Accounts that became customers
before this migration belong to whom one of their won deals belongs, until sales tells of them again.
"""

import sqlalchemy as sa
from alembic import op
from chassis.figures import Counted, make

revision = "0004"
down_revision = "0003"

COUNTED = [
    Counted(table="lead_sources", kind="leads", key="{row}.channel"),
    Counted(table="known_customers", kind="customers", key="{row}.channel"),
    Counted(table="known_orders", kind="orders", key="{row}.channel", currency="{row}.currency", amount="{row}.amount"),
]


def upgrade() -> None:
    op.create_table(
        "known_customers",
        sa.Column("account", sa.Text(collation="C"), nullable=False),
        sa.Column("channel", sa.Text(collation="C"), nullable=False),
        sa.Column("owner", sa.Text(collation="C"), server_default="", nullable=False),
        sa.Column("team", sa.Text(collation="C"), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("account"),
    )
    op.execute(
        "INSERT INTO known_customers (account, channel, owner, team)"
        " SELECT DISTINCT ON (account) account, channel, owner, team FROM won_deals ORDER BY account, opportunity"
    )
    make(op, COUNTED)
