"""Who has which account, by the name people write."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "account_owners",
        sa.Column("account", sa.Text(collation="C"), nullable=False),
        sa.Column("key", sa.Text(collation="C"), nullable=False),
        sa.Column("owner", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("account"),
    )
    op.create_index("account_owners_key", "account_owners", ["key"])
