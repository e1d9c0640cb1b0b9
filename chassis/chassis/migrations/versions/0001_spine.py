"""What every service has: outbox, inbox, request ids, external ids, sagas, members."""

import uuid
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op
from chassis.values import new_id
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

MONTHS = 24  # outbox partitions made ahead; later ones fall into the default partition until made


def upgrade() -> None:
    op.create_table(
        "dead_letter",
        sa.Column("event_id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("trace_id", sa.Text(), nullable=False),
        sa.Column("deliveries", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settle_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("discard_reason", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("event_id"),
    )
    op.create_index(
        "dead_letter_open",
        "dead_letter",
        ["create_time"],
        unique=False,
        postgresql_where=sa.text("settle_time IS NULL"),
    )
    op.create_table("epoch", sa.Column("id", sa.UUID(as_uuid=False), nullable=False), sa.PrimaryKeyConstraint("id"))
    op.create_table(
        "external_id",
        sa.Column("collection", sa.Text(collation="C"), nullable=False),
        sa.Column("system", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(collation="C"), nullable=False),
        sa.Column("key", sa.Text(collation="C"), nullable=False),
        sa.Column("record_id", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("collection", "system", "kind", "key"),
    )
    op.create_table(
        "inbox",
        sa.Column("event_id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("receive_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("event_id"),
    )
    op.create_table(
        "inbox_latest",
        sa.Column("reaction", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("epoch", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("reaction", "subject"),
    )
    op.create_table(
        "member",
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("subject", sa.Text(collation="C"), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("team", sa.Text(), nullable=False),
        sa.Column("roles", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        sa.UniqueConstraint("subject"),
    )
    op.create_index("member_team", "member", ["team"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("journey_id", sa.UUID(as_uuid=False), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("event_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("record_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("traceparent", sa.Text(), nullable=False),
        sa.Column("causation_id", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("elapsed_us", sa.BigInteger(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        postgresql_partition_by="RANGE (id)",
    )
    op.create_index("outbox_position", "outbox", ["position"], unique=False)
    op.create_index("outbox_unpublished", "outbox", ["id"], unique=False, postgresql_where=sa.text("position IS NULL"))
    op.create_table(
        "relay_mark",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("created", sa.Text(), nullable=False),
        sa.Column("last_position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("stream"),
    )
    op.create_table(
        "request",
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("caller", "method", "id"),
    )
    op.create_index("request_create_time", "request", ["create_time"], unique=False)
    op.create_table(
        "saga",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("journey_id", sa.UUID(as_uuid=False), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("traceparent", sa.Text(), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("due_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("saga_due", "saga", ["due_time"], unique=False, postgresql_where=sa.text("due_time IS NOT NULL"))
    op.create_table(
        "team",
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("parent", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
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
