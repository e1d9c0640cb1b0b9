"""Channels, pages, spend, touches, and what other services said about channels."""

from alembic import op
from marketing.tables import METADATA

revision = "0001"
down_revision = None


def upgrade() -> None:
    METADATA.create_all(op.get_bind())
