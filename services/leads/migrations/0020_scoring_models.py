"""Models of how likely leads are to be won: what they are, what they learned, and what they say of each lead."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.create_table(
        "scoring_artefacts",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "scoring_models",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(collation="C"), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("leave_out", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("backtest_share", sa.Double(), nullable=False),
        sa.Column("progress", sa.Double(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("failure", sa.Text(), nullable=False),
        sa.Column("learner", sa.Text(), nullable=False),
        sa.Column("calibration", sa.Text(), nullable=False),
        sa.Column("fields", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("notes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("metrics", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("backtest", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("backtest_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("promote_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retire_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    training = sa.text("state = 'TRAINING'")
    op.create_index("scoring_models_training", "scoring_models", ["id"], unique=False, postgresql_where=training)
    op.create_table(
        "scoring_roles",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("champion", sa.Text(collation="C"), nullable=False),
        sa.Column("challenger", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    for name in ("probability", "challenger_probability"):
        op.add_column("lead_scores", sa.Column(name, sa.Double(), server_default="0", nullable=False))
    for name in ("scoring_model", "challenger"):
        op.add_column("lead_scores", sa.Column(name, sa.Text(collation="C"), server_default="", nullable=False))
        said = sa.text(f"NOT live AND {name} <> ''")
        op.create_index(f"lead_scores_{name}", "lead_scores", [name], unique=False, postgresql_where=said)
