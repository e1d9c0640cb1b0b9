"""What became of each lead, as last told and as each event told it, and the campaign that brought it.

Empty until leads are told of again or insights is rebuilt.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def _told() -> list[sa.Column]:
    name = sa.Text(collation="C")
    times = ("contact_time", "assign_time", "touch_time", "accept_time", "mql_time", "sal_time", "sql_time")
    return [
        sa.Column("epoch", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        *(sa.Column(column, name, nullable=False) for column in ("owner", "team", "channel", "state", "reason")),
        *(sa.Column(column, sa.DateTime(timezone=True), nullable=True) for column in (*times, "convert_time")),
    ]


def upgrade() -> None:
    op.create_table(
        "lead_facts",
        sa.Column("lead", sa.UUID(as_uuid=False), nullable=False),
        *_told(),
        sa.PrimaryKeyConstraint("lead"),
    )
    op.create_index("lead_facts_contact_time", "lead_facts", ["contact_time"], unique=False)
    op.create_table(
        "lead_history",
        sa.Column("event_id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("lead", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("record_time", sa.DateTime(timezone=True), nullable=False),
        *_told(),
        sa.PrimaryKeyConstraint("event_id"),
    )
    op.create_index(
        "lead_history_lead",
        "lead_history",
        [
            "lead",
            sa.literal_column("epoch DESC"),
            sa.literal_column("version DESC"),
            sa.literal_column("event_id DESC"),
        ],
        unique=False,
    )
    op.create_table(
        "lead_campaigns",
        sa.Column("lead", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("event_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event_id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("record_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("lead"),
    )
