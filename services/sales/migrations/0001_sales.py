"""Customers, deals, orders, activities, and the pipeline every company begins with."""

import json

import sqlalchemy as sa
from alembic import op
from sqlalchemy import text
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

STAGES = [
    {"stage": "qualification", "display_name": "Qualification", "probability": 0.2},
    {"stage": "proposal", "display_name": "Proposal", "probability": 0.5},
    {"stage": "negotiation", "display_name": "Negotiation", "probability": 0.8},
]
SEED = text(
    "INSERT INTO pipelines (id, version, create_time, update_time, display_name, stages, lose_reasons)"
    " VALUES ('default', 1, now(), now(), 'Sales', CAST(:stages AS jsonb), '[]')"
)


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner", sa.Text(collation="C"), nullable=False),
        sa.Column("team", sa.Text(collation="C"), nullable=False),
        sa.Column("journey_id", sa.UUID(as_uuid=False), nullable=True),
        sa.Column("external_ids", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("archive_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("labels", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("lead", sa.Text(collation="C"), nullable=False),
        sa.Column("channel", sa.Text(collation="C"), nullable=False),
        sa.Column("website", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("industry", sa.Text(collation="C"), nullable=False),
        sa.Column("customer_time", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        info={"collection": "accounts"},
    )
    op.create_index("accounts_channel_id", "accounts", ["channel", sa.literal_column("id DESC")], unique=False)
    op.create_index("accounts_create_time_id", "accounts", ["create_time", sa.literal_column("id DESC")], unique=False)
    op.create_index("accounts_industry_id", "accounts", ["industry", sa.literal_column("id DESC")], unique=False)
    op.create_index("accounts_journey_id_id", "accounts", ["journey_id", sa.literal_column("id DESC")], unique=False)
    op.create_index("accounts_lead_id", "accounts", ["lead", sa.literal_column("id DESC")], unique=False)
    op.create_index("accounts_owner_id", "accounts", ["owner", sa.literal_column("id DESC")], unique=False)
    op.create_index("accounts_team_id", "accounts", ["team", sa.literal_column("id DESC")], unique=False)
    op.create_table(
        "activities",
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
        sa.Column("subject", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(collation="C"), nullable=False),
        sa.Column("due_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expected_outcome", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("close_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("follow_up", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        info={"collection": "activities"},
    )
    op.create_index("activities_due_time_id", "activities", ["due_time", sa.literal_column("id DESC")], unique=False)
    op.create_index(
        "activities_journey_id_id", "activities", ["journey_id", sa.literal_column("id DESC")], unique=False
    )
    op.create_index("activities_kind_id", "activities", ["kind", sa.literal_column("id DESC")], unique=False)
    op.create_index("activities_owner_id", "activities", ["owner", sa.literal_column("id DESC")], unique=False)
    op.create_index("activities_state_id", "activities", ["state", sa.literal_column("id DESC")], unique=False)
    op.create_index("activities_subject_id", "activities", ["subject", sa.literal_column("id DESC")], unique=False)
    op.create_index("activities_team_id", "activities", ["team", sa.literal_column("id DESC")], unique=False)
    op.create_table(
        "contacts",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner", sa.Text(collation="C"), nullable=False),
        sa.Column("team", sa.Text(collation="C"), nullable=False),
        sa.Column("journey_id", sa.UUID(as_uuid=False), nullable=True),
        sa.Column("external_ids", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("archive_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("labels", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(collation="C"), nullable=False),
        sa.Column("email", sa.Text(collation="C"), nullable=False),
        sa.Column("phone", sa.Text(collation="C"), nullable=False),
        sa.Column("buying_role", sa.Text(), nullable=False),
        sa.Column("job_title", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        info={"collection": "contacts"},
    )
    op.create_index("contacts_account_id", "contacts", ["account", sa.literal_column("id DESC")], unique=False)
    op.create_index("contacts_email_id", "contacts", ["email", sa.literal_column("id DESC")], unique=False)
    op.create_index("contacts_journey_id_id", "contacts", ["journey_id", sa.literal_column("id DESC")], unique=False)
    op.create_index("contacts_owner_id", "contacts", ["owner", sa.literal_column("id DESC")], unique=False)
    op.create_index("contacts_phone_id", "contacts", ["phone", sa.literal_column("id DESC")], unique=False)
    op.create_index("contacts_team_id", "contacts", ["team", sa.literal_column("id DESC")], unique=False)
    op.create_table(
        "opportunities",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner", sa.Text(collation="C"), nullable=False),
        sa.Column("team", sa.Text(collation="C"), nullable=False),
        sa.Column("journey_id", sa.UUID(as_uuid=False), nullable=True),
        sa.Column("external_ids", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("archive_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("labels", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(collation="C"), nullable=False),
        sa.Column("account", sa.Text(collation="C"), nullable=False),
        sa.Column("contact", sa.Text(collation="C"), nullable=False),
        sa.Column("lead", sa.Text(collation="C"), nullable=False),
        sa.Column("pipeline", sa.Text(collation="C"), nullable=False),
        sa.Column("stage", sa.Text(collation="C"), nullable=False),
        sa.Column("probability", sa.Double(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=19, scale=4), nullable=True),
        sa.Column("amount_currency", sa.CHAR(length=3), nullable=True),
        sa.Column("close_date", sa.Date(), nullable=True),
        sa.Column("stage_history", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("close_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lose_reason", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        info={"collection": "opportunities"},
    )
    op.create_index(
        "opportunities_account_id", "opportunities", ["account", sa.literal_column("id DESC")], unique=False
    )
    op.create_index(
        "opportunities_channel_id", "opportunities", ["channel", sa.literal_column("id DESC")], unique=False
    )
    op.create_index(
        "opportunities_create_time_id", "opportunities", ["create_time", sa.literal_column("id DESC")], unique=False
    )
    op.create_index(
        "opportunities_journey_id_id", "opportunities", ["journey_id", sa.literal_column("id DESC")], unique=False
    )
    op.create_index("opportunities_lead_id", "opportunities", ["lead", sa.literal_column("id DESC")], unique=False)
    op.create_index("opportunities_owner_id", "opportunities", ["owner", sa.literal_column("id DESC")], unique=False)
    op.create_index(
        "opportunities_stage", "opportunities", ["pipeline", "stage", sa.literal_column("id DESC")], unique=False
    )
    op.create_index("opportunities_stage_id", "opportunities", ["stage", sa.literal_column("id DESC")], unique=False)
    op.create_index("opportunities_state_id", "opportunities", ["state", sa.literal_column("id DESC")], unique=False)
    op.create_index("opportunities_team_id", "opportunities", ["team", sa.literal_column("id DESC")], unique=False)
    op.create_index(
        "opportunities_won",
        "opportunities",
        ["account", sa.literal_column("close_time DESC")],
        unique=False,
        postgresql_where=sa.text("state = 'WON'"),
    )
    op.create_table(
        "orders",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner", sa.Text(collation="C"), nullable=False),
        sa.Column("team", sa.Text(collation="C"), nullable=False),
        sa.Column("journey_id", sa.UUID(as_uuid=False), nullable=True),
        sa.Column("external_ids", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("account", sa.Text(collation="C"), nullable=False),
        sa.Column("system", sa.Text(collation="C"), nullable=False),
        sa.Column("order_number", sa.Text(collation="C"), nullable=False),
        sa.Column("order_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("order_time_estimated", sa.Boolean(), nullable=False),
        sa.Column("lines", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("amount", sa.Numeric(precision=19, scale=4), nullable=False),
        sa.Column("amount_currency", sa.CHAR(length=3), nullable=False),
        sa.Column("erp_state", sa.Text(), nullable=False),
        sa.Column("opportunity", sa.Text(collation="C"), nullable=False),
        sa.Column("channel", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        info={"collection": "orders"},
    )
    op.create_index("orders_account_id", "orders", ["account", sa.literal_column("id DESC")], unique=False)
    op.create_index("orders_channel_id", "orders", ["channel", sa.literal_column("id DESC")], unique=False)
    op.create_index("orders_journey_id_id", "orders", ["journey_id", sa.literal_column("id DESC")], unique=False)
    op.create_index("orders_opportunity_id", "orders", ["opportunity", sa.literal_column("id DESC")], unique=False)
    op.create_index("orders_order_number_system", "orders", ["order_number", "system"], unique=True)
    op.create_index("orders_order_time_id", "orders", ["order_time", sa.literal_column("id DESC")], unique=False)
    op.create_index("orders_owner_id", "orders", ["owner", sa.literal_column("id DESC")], unique=False)
    op.create_index("orders_system_id", "orders", ["system", sa.literal_column("id DESC")], unique=False)
    op.create_index("orders_team_id", "orders", ["team", sa.literal_column("id DESC")], unique=False)
    op.create_table(
        "pipelines",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("stages", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("lose_reasons", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "subjects",
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("journey_id", sa.UUID(as_uuid=False), nullable=True),
        sa.Column("owner", sa.Text(collation="C"), nullable=False),
        sa.Column("team", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.get_bind().execute(SEED, {"stages": json.dumps(STAGES)})
