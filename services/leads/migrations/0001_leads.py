"""Leads, their settings, and whose turn it is."""

from alembic import op

from leads.tables import METADATA

revision = "0001"
down_revision = None


def upgrade() -> None:
    METADATA.create_all(op.get_bind())
