"""Scores: how points are given, the score of each lead, and the queue of leads to be scored."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"

# Each change of a lead is one more row: writers of one lead do not wait for each other, nor for who scores.
FUNCTION = """
CREATE FUNCTION queue_score() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO score_queue (lead_id) VALUES (NEW.id);
  RETURN NULL;
END $$
"""
TRIGGER = "CREATE TRIGGER score_changed AFTER INSERT OR UPDATE ON leads FOR EACH ROW EXECUTE FUNCTION queue_score()"
DUTY = "INSERT INTO score_duties (id, sweep_time) VALUES ('duty', now())"
RANKED = (sa.literal_column("score DESC"), sa.literal_column("id DESC"))


def upgrade() -> None:
    op.create_table(
        "score_settings",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rules", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("bands", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "lead_scores",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lead", sa.Text(collation="C"), nullable=False),
        sa.Column("owner", sa.Text(collation="C"), nullable=False),
        sa.Column("team", sa.Text(collation="C"), nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("band", sa.Text(collation="C"), nullable=False),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("parts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("settings_etag", sa.Text(collation="C"), nullable=False),
        sa.Column("override_score", sa.Double(), nullable=False),
        sa.Column("override_expire_time", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        info={"collection": "leadScores"},
    )
    for whose in ((), ("owner",), ("team",)):
        name = "_".join(("lead_scores", *whose, "rank"))
        op.create_index(name, "lead_scores", [*whose, *RANKED], unique=False, postgresql_where=sa.text("live"))
    op.create_index(
        "lead_scores_override",
        "lead_scores",
        ["override_expire_time"],
        unique=False,
        postgresql_where=sa.text("override_expire_time IS NOT NULL"),
    )
    op.create_table(
        "score_queue",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("lead_id", sa.UUID(as_uuid=False), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "score_duties",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("sweep_after", sa.UUID(as_uuid=False), nullable=True),
        sa.Column("sweep_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    for sql in (FUNCTION, TRIGGER, DUTY):
        op.execute(sql)
