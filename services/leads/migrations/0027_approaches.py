"""What tries to get through to leads brought."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    op.create_table(
        "approach_rates",
        sa.Column("segment", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(collation="C"), nullable=False),
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("answers", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("segment", "kind", "hour"),
    )
    op.create_table(
        "approach_duties",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("count_time", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.execute("INSERT INTO approach_duties (id) VALUES ('duty')")
