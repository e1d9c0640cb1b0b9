"""Lists by label."""

from alembic import op
from chassis.columns import keep_labels

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    for table in ("accounts", "contacts", "opportunities"):
        keep_labels(op, table)
