"""What each conversion of a lead made, the ways to what a lead matches, and activities that come along with a lead."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "lead_acceptances",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        *(sa.Column(name, sa.Text(collation="C"), nullable=False) for name in ("lead", "account", "contact")),
        sa.Column("opportunity", sa.Text(collation="C"), nullable=False),
        sa.Column("made", postgresql.JSONB(), nullable=False),
        sa.Column("archived", postgresql.JSONB(), nullable=False),
        sa.Column("release_time", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("lead_acceptances_lead", "lead_acceptances", ["lead"])
    op.add_column("subjects", sa.Column("account", sa.Text(collation="C"), server_default="", nullable=False))
    op.create_index("subjects_account", "subjects", ["account"], postgresql_where=sa.text("account != ''"))
    op.add_column("activities", sa.Column("lead", sa.Text(collation="C"), server_default="", nullable=False))
    op.create_index("activities_lead", "activities", ["lead"])
    op.create_index("contacts_phone_digits", "contacts", [sa.text("regexp_replace(phone, '[^0-9]', '', 'g')")])
    op.create_index("accounts_name_lower", "accounts", [sa.text("lower(btrim(display_name) COLLATE pg_c_utf8)")])
