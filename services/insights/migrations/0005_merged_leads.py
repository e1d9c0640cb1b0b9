"""Leads that were merged: whose story they are part of. They count once."""

import sqlalchemy as sa
from alembic import op
from chassis.figures import Counted, recount

revision = "0005"
down_revision = "0004"

LEADS = Counted(
    table="records",
    kind="leads",
    key="{row}.channel",
    rows="{row}.collection = 'leads' AND {row}.merged_into = ''",
)


def upgrade() -> None:
    op.add_column("records", sa.Column("merged_into", sa.Text(collation="C"), server_default="", nullable=False))
    op.create_index(
        "records_merged_into", "records", ["merged_into"], unique=False, postgresql_where=sa.text("merged_into <> ''")
    )
    recount(op, LEADS)
