"""The timeline, the latest snapshots, and how fresh each source is."""

from alembic import op
from insights.tables import METADATA

revision = "0001"
down_revision = None


def upgrade() -> None:
    METADATA.create_all(op.get_bind())
