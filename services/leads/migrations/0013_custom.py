"""Values of company-defined fields."""

from alembic import op
from chassis.columns import add_custom

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    add_custom(op, "leads")
