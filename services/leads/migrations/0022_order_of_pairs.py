"""Open pairs are read in the order in which they are shown."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.drop_index("duplicate_candidates_open", table_name="duplicate_candidates")
    op.create_index(
        "duplicate_candidates_order",
        "duplicate_candidates",
        [sa.text("score DESC"), sa.text("id DESC")],
        postgresql_where=sa.text("state = 'OPEN'"),
    )
