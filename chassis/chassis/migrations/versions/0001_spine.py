"""What every service has: outbox, inbox, request ids, external ids, sagas, members."""

import uuid
from datetime import UTC, datetime

from alembic import op

from chassis.database import SPINE
from chassis.values import new_id

revision = "0001"
down_revision = None

MONTHS = 24  # outbox partitions made ahead; later ones fall into the default partition until made


def upgrade() -> None:
    SPINE.create_all(op.get_bind())
    start = datetime.now(UTC)
    for number in range(MONTHS):
        first = _month(start, number)
        op.execute(
            f"CREATE TABLE outbox_{first:%Y_%m} PARTITION OF outbox"
            f" FOR VALUES FROM ('{_lowest_id(first)}') TO ('{_lowest_id(_month(start, number + 1))}')"
        )
    op.execute("CREATE TABLE outbox_default PARTITION OF outbox DEFAULT")
    op.execute(f"INSERT INTO epoch (id) VALUES ('{new_id()}')")


def _month(start: datetime, ahead: int) -> datetime:
    months = start.year * 12 + start.month - 1 + ahead
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)


def _lowest_id(moment: datetime) -> str:
    """The smallest UUIDv7 of a moment."""
    return str(uuid.UUID(int=int(moment.timestamp() * 1000) << 80))
