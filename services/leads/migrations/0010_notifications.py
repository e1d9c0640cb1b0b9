"""What people are told about their leads."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "notifications",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lead", sa.Text(collation="C"), nullable=False),
        sa.Column("owner", sa.Text(collation="C"), nullable=False),
        sa.Column("team", sa.Text(collation="C"), nullable=False),
        sa.Column("state", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(collation="C"), nullable=False),
        sa.Column("subject", sa.Text(collation="C"), nullable=False),
        sa.Column("due_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("read_time", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        info={"collection": "notifications"},
    )
    op.create_index("notifications_create_time", "notifications", ["create_time"], unique=False)
    op.create_index("notifications_kind_id", "notifications", ["kind", sa.literal_column("id DESC")], unique=False)
    op.create_index("notifications_lead_id", "notifications", ["lead", sa.literal_column("id DESC")], unique=False)
    op.create_index("notifications_owner_id", "notifications", ["owner", sa.literal_column("id DESC")], unique=False)
    op.create_index("notifications_state_id", "notifications", ["state", sa.literal_column("id DESC")], unique=False)
    op.create_index("notifications_team_id", "notifications", ["team", sa.literal_column("id DESC")], unique=False)
