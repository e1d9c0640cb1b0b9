"""Whose the leads, deals and orders behind the figures are.

Rows written before this migration are nobody's until their record is told of again: until then they count for who
reaches all of them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    for table in ("lead_sources", "won_deals", "known_orders"):
        for name in ("owner", "team"):
            op.add_column(table, sa.Column(name, sa.Text(collation="C"), server_default="", nullable=False))
