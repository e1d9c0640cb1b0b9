"""When anything was last told of a lead: what is known of it since then is what was known at any later moment.

Leads told of before this migration have no such moment: their history is read.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column(
        "lead_facts", sa.Column("record_time", sa.DateTime(timezone=True), server_default="infinity", nullable=False)
    )
