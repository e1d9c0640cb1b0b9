"""People of a customer: users bound to one account."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("users", sa.Column("account", sa.Text(collation="C"), server_default="", nullable=False))
    op.create_index(op.f("ix_users_account"), "users", ["account"], unique=False)
