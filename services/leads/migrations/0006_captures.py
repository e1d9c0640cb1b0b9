"""Captures: what came in; and phone numbers as E.164."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"

# Whoever has a lead sees what came in about it.
FUNCTION = """
CREATE FUNCTION captures_follow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  UPDATE captures SET owner = NEW.owner, team = NEW.team WHERE lead = 'leads/' || NEW.id;
  RETURN NULL;
END $$
"""
FOLLOW = (
    "CREATE TRIGGER captures_follow AFTER UPDATE ON leads FOR EACH ROW"
    " WHEN ((OLD.owner, OLD.team) IS DISTINCT FROM (NEW.owner, NEW.team)) EXECUTE FUNCTION captures_follow()"
)


def upgrade() -> None:
    op.create_table(
        "captures",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(collation="C"), nullable=False),
        sa.Column("state", sa.Text(collation="C"), nullable=False),
        sa.Column("owner", sa.Text(collation="C"), nullable=False),
        sa.Column("team", sa.Text(collation="C"), nullable=False),
        sa.Column("journey_id", sa.UUID(as_uuid=False), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("lead", sa.Text(collation="C"), nullable=False),
        sa.Column("capture_key", sa.Text(collation="C"), nullable=True),
        sa.Column("page_url", sa.Text(), nullable=False),
        sa.Column("referrer_url", sa.Text(), nullable=False),
        sa.Column("referred_by", sa.Text(), nullable=False),
        sa.Column("received", sa.Text(), nullable=False),
        sa.Column("campaign", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("message_id", sa.Text(collation="C"), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("company", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("landing_page", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("product", sa.Text(), nullable=False),
        sa.Column("contact_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        info={"collection": "captures"},
    )
    op.create_index("captures_create_time_id", "captures", ["create_time", sa.literal_column("id DESC")], unique=False)
    op.create_index(
        "captures_email",
        "captures",
        [sa.literal_column("lower(email)")],
        unique=False,
        postgresql_where=sa.text("email != ''"),
    )
    op.create_index("captures_journey_id_id", "captures", ["journey_id", sa.literal_column("id DESC")], unique=False)
    op.create_index("captures_key", "captures", ["kind", "capture_key"], unique=True)
    op.create_index("captures_kind_id", "captures", ["kind", sa.literal_column("id DESC")], unique=False)
    op.create_index("captures_lead_id", "captures", ["lead", sa.literal_column("id DESC")], unique=False)
    op.create_index(
        "captures_message", "captures", ["message_id"], unique=False, postgresql_where=sa.text("message_id != ''")
    )
    op.create_index("captures_owner_id", "captures", ["owner", sa.literal_column("id DESC")], unique=False)
    op.create_index("captures_state_id", "captures", ["state", sa.literal_column("id DESC")], unique=False)
    op.create_index("captures_team_id", "captures", ["team", sa.literal_column("id DESC")], unique=False)
    op.add_column("leads", sa.Column("phone_e164", sa.Text(collation="C"), server_default="", nullable=False))
    op.execute(FUNCTION)
    op.execute(FOLLOW)
