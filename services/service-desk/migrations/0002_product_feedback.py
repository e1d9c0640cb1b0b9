"""What people say of products."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "product_feedbacks",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner", sa.Text(collation="C"), nullable=False),
        sa.Column("team", sa.Text(collation="C"), nullable=False),
        sa.Column("journey_id", sa.UUID(as_uuid=False), nullable=True),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(collation="C"), nullable=False),
        sa.Column("contact", sa.Text(collation="C"), nullable=False),
        sa.Column("case", sa.Text(collation="C"), nullable=False),
        sa.Column("product", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(collation="C"), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("feedback_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("email", sa.Text(collation="C"), nullable=False),
        sa.Column("phone", sa.Text(collation="C"), nullable=False),
        sa.Column("lead_wanted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        info={"collection": "productFeedbacks"},
    )
    op.create_index(
        "product_feedbacks_account_id", "product_feedbacks", ["account", sa.literal_column("id DESC")], unique=False
    )
    op.create_index(
        "product_feedbacks_contact",
        "product_feedbacks",
        ["contact"],
        unique=False,
        postgresql_where=sa.text("contact != ''"),
    )
    op.create_index(
        "product_feedbacks_email",
        "product_feedbacks",
        [sa.literal_column("lower(email)")],
        unique=False,
        postgresql_where=sa.text("email != ''"),
    )
    op.create_index(
        "product_feedbacks_feedback_time_id",
        "product_feedbacks",
        ["feedback_time", sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "product_feedbacks_journey_id_id",
        "product_feedbacks",
        ["journey_id", sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "product_feedbacks_kind_id", "product_feedbacks", ["kind", sa.literal_column("id DESC")], unique=False
    )
    op.create_index(
        "product_feedbacks_owner_id", "product_feedbacks", ["owner", sa.literal_column("id DESC")], unique=False
    )
    op.create_index(
        "product_feedbacks_product_id", "product_feedbacks", ["product", sa.literal_column("id DESC")], unique=False
    )
    op.create_index(
        "product_feedbacks_team_id", "product_feedbacks", ["team", sa.literal_column("id DESC")], unique=False
    )
