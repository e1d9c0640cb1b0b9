"""Activities go along when a lead is merged, and come back."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column(
        "activities", sa.Column("merges", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False)
    )
    op.add_column("subjects", sa.Column("merged_into", sa.Text(collation="C"), server_default="", nullable=False))
    op.create_index(
        "activities_went_along",
        "activities",
        [sa.literal_column("(merges->-1->>'lead')")],
        unique=False,
        postgresql_where=sa.text("merges <> '[]'"),
    )
