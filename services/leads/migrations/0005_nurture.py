"""What the company says of nurture and of neglected leads, and the ways to those whose time has come."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("lead_settings", sa.Column("nurture_plans", postgresql.JSONB(), server_default="[]", nullable=False))
    for name in ("nurture_limit", "recycle_after_days"):
        op.add_column("lead_settings", sa.Column(name, sa.Integer(), server_default="0", nullable=False))
    is_nurtured = sa.text("nurture_until IS NOT NULL")
    op.create_index("leads_nurture_until", "leads", ["nurture_until"], postgresql_where=is_nurtured)
    idle_since = sa.text("greatest(work_time, last_call_time, assign_time, create_time)")
    in_hand = sa.text("state IN ('ASSIGNED', 'WORKING') AND archive_time IS NULL")
    op.create_index("leads_idle_since", "leads", [idle_since], postgresql_where=in_hand)
