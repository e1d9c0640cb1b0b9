"""Cases, entitlements, and the customers they belong to."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute("CREATE SEQUENCE case_number")
    op.create_table(
        "accounts",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(collation="C"), nullable=False),
        sa.Column("team", sa.Text(collation="C"), nullable=False),
        sa.Column("journey_id", sa.UUID(as_uuid=False), nullable=True),
        sa.Column("turns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "cases",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner", sa.Text(collation="C"), nullable=False),
        sa.Column("team", sa.Text(collation="C"), nullable=False),
        sa.Column("journey_id", sa.UUID(as_uuid=False), nullable=True),
        sa.Column("external_ids", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("labels", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(collation="C"), nullable=False),
        sa.Column("number", sa.Text(collation="C"), nullable=False),
        sa.Column("account", sa.Text(collation="C"), nullable=False),
        sa.Column("contact", sa.Text(collation="C"), nullable=False),
        sa.Column("order", sa.Text(collation="C"), nullable=False),
        sa.Column("type", sa.Text(collation="C"), nullable=False),
        sa.Column("priority", sa.Text(collation="C"), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("open_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("entitlement", sa.Text(collation="C"), nullable=False),
        sa.Column("contract", sa.Text(collation="C"), nullable=False),
        sa.Column("contract_version", sa.Integer(), nullable=False),
        sa.Column("unentitled", sa.Boolean(), nullable=False),
        sa.Column("matched_late", sa.Boolean(), nullable=False),
        sa.Column("solution", sa.Text(), nullable=False),
        sa.Column("resolve_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reopen_count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("number"),
        info={"collection": "cases"},
    )
    op.create_index("cases_account_id", "cases", ["account", sa.literal_column("id DESC")], unique=False)
    op.create_index("cases_contract_id", "cases", ["contract", sa.literal_column("id DESC")], unique=False)
    op.create_index("cases_entitlement_id", "cases", ["entitlement", sa.literal_column("id DESC")], unique=False)
    op.create_index("cases_journey_id_id", "cases", ["journey_id", sa.literal_column("id DESC")], unique=False)
    op.create_index("cases_open_time_id", "cases", ["open_time", sa.literal_column("id DESC")], unique=False)
    op.create_index("cases_owner_id", "cases", ["owner", sa.literal_column("id DESC")], unique=False)
    op.create_index("cases_priority_id", "cases", ["priority", sa.literal_column("id DESC")], unique=False)
    op.create_index("cases_state_id", "cases", ["state", sa.literal_column("id DESC")], unique=False)
    op.create_index("cases_team_id", "cases", ["team", sa.literal_column("id DESC")], unique=False)
    op.create_index("cases_type_id", "cases", ["type", sa.literal_column("id DESC")], unique=False)
    op.create_index("cases_unentitled_id", "cases", ["unentitled", sa.literal_column("id DESC")], unique=False)
    op.create_table(
        "entitlements",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner", sa.Text(collation="C"), nullable=False),
        sa.Column("team", sa.Text(collation="C"), nullable=False),
        sa.Column("journey_id", sa.UUID(as_uuid=False), nullable=True),
        sa.Column("account", sa.Text(collation="C"), nullable=False),
        sa.Column("contract", sa.Text(collation="C"), nullable=False),
        sa.Column("contract_version", sa.Integer(), nullable=False),
        sa.Column("service_level", sa.Text(collation="C"), nullable=False),
        sa.Column("start_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end_time", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        info={"collection": "entitlements"},
    )
    op.create_index("entitlements_account_id", "entitlements", ["account", sa.literal_column("id DESC")], unique=False)
    op.create_index(
        "entitlements_contract_id", "entitlements", ["contract", sa.literal_column("id DESC")], unique=False
    )
    op.create_index(
        "entitlements_journey_id_id", "entitlements", ["journey_id", sa.literal_column("id DESC")], unique=False
    )
    op.create_index("entitlements_owner_id", "entitlements", ["owner", sa.literal_column("id DESC")], unique=False)
    op.create_index("entitlements_team_id", "entitlements", ["team", sa.literal_column("id DESC")], unique=False)
