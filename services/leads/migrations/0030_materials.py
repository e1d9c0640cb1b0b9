"""Leads know the link to a material by which they came in."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    op.create_table(
        "known_material_links",
        sa.Column("material_link", sa.Text(collation="C"), nullable=False),
        sa.Column("material", sa.Text(collation="C"), nullable=False),
        sa.Column("owner", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("material_link"),
    )
    op.add_column("captures", sa.Column("material_link", sa.Text(collation="C"), server_default="", nullable=False))
    op.add_column("leads", sa.Column("material_link", sa.Text(collation="C"), server_default="", nullable=False))
    op.add_column("leads", sa.Column("material", sa.Text(collation="C"), server_default="", nullable=False))
    op.add_column("leads", sa.Column("shared_by", sa.Text(collation="C"), server_default="", nullable=False))
