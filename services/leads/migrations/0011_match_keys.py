"""Match keys."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column(
        "leads", sa.Column("match_keys", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False)
    )
    op.create_index("leads_match_keys", "leads", ["match_keys"], unique=False, postgresql_using="gin")
