"""Until when a conversion can be taken back, and how many were."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.add_column("leads", sa.Column("conversion_undo_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("leads", sa.Column("undone_conversions", sa.Integer(), server_default="0", nullable=False))
    op.add_column("lead_settings", sa.Column("conversion_undo_days", sa.Integer(), server_default="30", nullable=False))
