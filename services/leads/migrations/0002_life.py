"""How a lead lives on: milestones, nurture, being handed back and merging."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    for name in ("merged_into", "nurture_plan", "nurture_reason"):
        op.add_column("leads", sa.Column(name, sa.Text(collation="C"), server_default="", nullable=False))
    for name in ("mql_time", "sal_time", "sql_time", "work_time", "nurture_until"):
        op.add_column("leads", sa.Column(name, TIME, nullable=True))
    for name in ("nurture_count", "recycle_count"):
        op.add_column("leads", sa.Column(name, sa.Integer(), server_default="0", nullable=False))
    rejected_by = sa.Column("rejected_by", postgresql.JSONB(), server_default="[]", nullable=False)
    op.add_column("leads", rejected_by)
