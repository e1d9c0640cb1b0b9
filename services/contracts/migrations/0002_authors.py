"""Who wrote a contract, and whose customer an account is.

Accounts told before this migration have no owner here until sales tells of them again: until then only who reaches all
accounts can draft a contract for them.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    authors = postgresql.JSONB(astext_type=sa.Text())
    op.add_column("contracts", sa.Column("authors", authors, server_default="[]", nullable=False))
    op.add_column("accounts", sa.Column("owner", sa.Text(collation="C"), server_default="", nullable=False))
    op.add_column("accounts", sa.Column("team", sa.Text(collation="C"), server_default="", nullable=False))
