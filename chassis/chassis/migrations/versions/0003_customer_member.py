"""Members may be people of a customer, bound to one account."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("member", sa.Column("account", sa.Text(collation="C"), server_default="", nullable=False))
