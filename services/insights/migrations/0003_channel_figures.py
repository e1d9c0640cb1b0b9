"""What each channel brought, kept instead of counted for every report."""

from alembic import op
from chassis.figures import Counted, make

revision = "0003"
down_revision = "0002"

COUNTED = [
    Counted(table="records", kind="leads", key="{row}.channel", rows="{row}.collection = 'leads'"),
    Counted(table="customers", kind="customers", key="{row}.channel", rows="{row}.customer_time IS NOT NULL"),
    Counted(
        table="records",
        kind="orders",
        key="{row}.channel",
        rows="{row}.collection = 'orders'",
        currency="{row}.amount_currency",
        amount="{row}.amount",
    ),
]


def upgrade() -> None:
    make(op, COUNTED)
