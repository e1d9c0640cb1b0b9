"""Lists by label, and by the band of the score."""

import sqlalchemy as sa
from alembic import op
from chassis.columns import keep_labels

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    keep_labels(op, "leads")
    op.create_index(
        "lead_scores_band",
        "lead_scores",
        ["band", sa.literal_column("id DESC")],
        unique=False,
        postgresql_where=sa.text("live"),
    )
