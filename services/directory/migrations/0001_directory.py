"""People, systems and teams."""

from alembic import op

from directory.tables import METADATA

revision = "0001"
down_revision = None


def upgrade() -> None:
    METADATA.create_all(op.get_bind())
