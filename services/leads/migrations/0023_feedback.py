"""Product feedback: who said something, and segments of those who did."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    op.create_table(
        "known_feedback",
        sa.Column("feedback", sa.Text(collation="C"), nullable=False),
        sa.Column("product", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(collation="C"), nullable=False),
        sa.Column("feedback_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("contact", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(collation="C"), nullable=False),
        sa.Column("phone", sa.Text(collation="C"), nullable=False),
        sa.Column("journey_id", sa.UUID(as_uuid=False), nullable=True),
        sa.PrimaryKeyConstraint("feedback"),
    )
    op.create_index("known_feedback_product_time", "known_feedback", ["product", "feedback_time"], unique=False)
    op.create_index("known_feedback_time", "known_feedback", ["feedback_time"], unique=False)
    op.add_column("lead_segments", sa.Column("feedback", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.create_index("leads_account", "leads", ["account"], unique=False, postgresql_where=sa.text("account != ''"))
    op.create_index("leads_contact", "leads", ["contact"], unique=False, postgresql_where=sa.text("contact != ''"))
