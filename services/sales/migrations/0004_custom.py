"""Values of company-defined fields."""

from alembic import op
from chassis.columns import add_custom

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    add_custom(op, "accounts")
    add_custom(op, "opportunities")
