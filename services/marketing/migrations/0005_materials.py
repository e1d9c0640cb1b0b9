"""Materials, the links by which they are shared, and what those brought."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "material_leads",
        sa.Column("lead", sa.Text(collation="C"), nullable=False),
        sa.Column("material_link", sa.Text(collation="C"), nullable=False),
        sa.Column("converted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("lead"),
    )
    op.create_index(op.f("ix_material_leads_material_link"), "material_leads", ["material_link"], unique=False)
    op.create_table(
        "material_links",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner", sa.Text(collation="C"), nullable=False),
        sa.Column("team", sa.Text(collation="C"), nullable=False),
        sa.Column("archive_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("material", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        info={"collection": "materialLinks"},
    )
    op.create_index(
        "material_links_material_id", "material_links", ["material", sa.literal_column("id DESC")], unique=False
    )
    op.create_index(
        "material_links_one_each",
        "material_links",
        ["material", "owner"],
        unique=True,
        postgresql_where=sa.text("archive_time IS NULL"),
    )
    op.create_index("material_links_owner_id", "material_links", ["owner", sa.literal_column("id DESC")], unique=False)
    op.create_index("material_links_team_id", "material_links", ["team", sa.literal_column("id DESC")], unique=False)
    op.create_table(
        "material_opens",
        sa.Column("material_link", sa.Text(collation="C"), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("last_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("material_link"),
    )
    op.create_table(
        "materials",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("archive_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(collation="C"), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(collation="C"), nullable=False),
        sa.Column("expire_time", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        info={"collection": "materials"},
    )
    op.create_index("materials_kind_id", "materials", ["kind", sa.literal_column("id DESC")], unique=False)
    op.create_index("materials_language_id", "materials", ["language", sa.literal_column("id DESC")], unique=False)
