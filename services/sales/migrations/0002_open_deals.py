"""What the open deals of each stage amount to, kept instead of counted whenever somebody looks."""

import sqlalchemy as sa
from alembic import op
from chassis.figures import Counted, make

revision = "0002"
down_revision = "0001"

OPEN_DEALS = Counted(
    table="opportunities",
    kind="open_deals",
    key="{row}.pipeline || '/' || {row}.stage",
    rows="{row}.state = 'OPEN' AND {row}.archive_time IS NULL",
    currency="coalesce({row}.amount_currency::text, '')",
    amount="{row}.amount",
    weighted="round({row}.amount * {row}.probability::numeric, 4)",
)


def upgrade() -> None:
    is_open = sa.text("state = 'OPEN'")
    op.create_index("opportunities_open", "opportunities", ["pipeline", "stage"], postgresql_where=is_open)
    make(op, [OPEN_DEALS])
