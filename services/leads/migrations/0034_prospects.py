"""Searches for prospects, what they found, and addresses nobody writes to."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0034"
down_revision = "0033"

TIME, NAME = sa.DateTime(timezone=True), sa.Text(collation="C")


def upgrade() -> None:
    op.create_table(
        "prospect_searches",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        *(sa.Column(name, TIME, nullable=False) for name in ("create_time", "update_time")),
        *(sa.Column(name, NAME, nullable=False) for name in ("owner", "team", "source")),
        sa.Column("archive_time", TIME, nullable=True),
        sa.Column("display_name", sa.Text(), nullable=False),
        *(sa.Column(name, postgresql.JSONB(), nullable=False) for name in ("criteria", "next_page")),
        *(sa.Column(name, NAME, nullable=False) for name in ("channel", "operation")),
        sa.Column("run_time", TIME, nullable=True),
        sa.Column("resumable", sa.Boolean(), nullable=False),
        *(
            sa.Column(name, sa.Integer(), nullable=False)
            for name in ("most_prospects", "found_count", "accepted_count", "dismissed_count")
        ),
        sa.PrimaryKeyConstraint("id"),
        info={"collection": "prospectSearches"},
    )
    for column in ("owner", "source", "team"):
        op.create_index(f"prospect_searches_{column}_id", "prospect_searches", [column, sa.literal_column("id DESC")])
    texts = ("company", "website", "region", "city", "industry", "job_title", "display_name", "email", "phone")
    names = ("owner", "team", "prospect_search", "source", "country", "lead", "state")
    op.create_table(
        "prospects",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        *(sa.Column(name, TIME, nullable=False) for name in ("create_time", "update_time", "fetch_time")),
        *(sa.Column(name, NAME, nullable=False) for name in names),
        *(sa.Column(name, NAME, nullable=False) for name in ("key", "source_key", "currency", "decided_by")),
        *(sa.Column(name, TIME, nullable=True) for name in ("expire_time", "decide_time")),
        *(sa.Column(name, sa.Text(), nullable=False) for name in texts),
        sa.Column("employees", sa.Integer(), nullable=False),
        sa.Column("revenue", sa.BigInteger(), nullable=False),
        *(sa.Column(name, postgresql.JSONB(), nullable=False) for name in ("competitors", "unfit_fields")),
        sa.Column("match", postgresql.JSONB(), nullable=True),
        sa.Column("withheld", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        info={"collection": "prospects"},
    )
    for column in names:
        op.create_index(f"prospects_{column}_id", "prospects", [column, sa.literal_column("id DESC")])
    op.create_index("prospects_search_state", "prospects", ["prospect_search", "state", sa.literal_column("id DESC")])
    op.create_index("prospects_once", "prospects", ["prospect_search", "key"], unique=True)
    op.create_index("prospects_key", "prospects", ["key"])
    op.create_index(
        "prospects_email", "prospects", [sa.literal_column("lower(email)")], postgresql_where=sa.text("email != ''")
    )
    op.create_index(
        "prospects_expire_time", "prospects", ["expire_time"], postgresql_where=sa.text("expire_time IS NOT NULL")
    )
    op.create_table(
        "suppressed_addresses",
        sa.Column("suppression", NAME, nullable=False),
        sa.PrimaryKeyConstraint("suppression"),
    )
