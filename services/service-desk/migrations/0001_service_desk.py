"""Cases, entitlements, and the customers they belong to."""

from alembic import op
from service_desk.tables import METADATA

revision = "0001"
down_revision = None


def upgrade() -> None:
    METADATA.create_all(op.get_bind())
