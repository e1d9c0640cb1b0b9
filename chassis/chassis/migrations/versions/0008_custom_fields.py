"""Every service's copy of directory's definitions of fields, and the values of indexed ones."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"

# The rows of one record, anew: of each value that an indexed field has, each element of a list on its own.
KEEP = """
CREATE FUNCTION keep_custom_values() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_OP = 'UPDATE' THEN
    DELETE FROM custom_value WHERE record_id = NEW.id;
  END IF;
  INSERT INTO custom_value (record_id, field, text, number)
  SELECT NEW.id, known.name, one.text,
    CASE known.type
      WHEN 'NUMBER' THEN (NEW.custom ->> known.slug)::numeric
      WHEN 'INTEGER' THEN (NEW.custom ->> known.slug)::numeric
      WHEN 'DATE' THEN extract(epoch FROM (NEW.custom ->> known.slug)::date)
      WHEN 'DATETIME' THEN extract(epoch FROM (NEW.custom ->> known.slug)::timestamptz)
    END
  FROM custom_field known
  CROSS JOIN LATERAL jsonb_array_elements_text(
    CASE
      WHEN known.type IN ('NUMBER', 'INTEGER', 'DATE', 'DATETIME') THEN '[""]'::jsonb
      WHEN known.type = 'MULTI_ENUM' THEN NEW.custom -> known.slug
      ELSE jsonb_build_array(NEW.custom -> known.slug)
    END
  ) AS one(text)
  WHERE known.collection = TG_ARGV[0] AND known.indexed AND NEW.custom ? known.slug;
  RETURN NULL;
END $$
"""
# How often a value occurs depends on the field: without this the planner takes each to be as rare as all are together.
STATISTICS = "CREATE STATISTICS custom_value_field_text (ndistinct, dependencies, mcv) ON field, text FROM custom_value"


def upgrade() -> None:
    op.create_table(
        "custom_field",
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("collection", sa.Text(collation="C"), nullable=False),
        sa.Column("slug", sa.Text(collation="C"), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("indexed", sa.Boolean(), nullable=False),
        sa.Column("document", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        sa.UniqueConstraint("collection", "slug"),
    )
    op.create_table(
        "custom_value",
        sa.Column("record_id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("field", sa.Text(collation="C"), nullable=False),
        sa.Column("text", sa.Text(collation="C"), nullable=False),
        sa.Column("number", sa.Numeric(), nullable=True),
        sa.PrimaryKeyConstraint("record_id", "field", "text"),
    )
    for kind, where in (("text", "number IS NULL"), ("number", "number IS NOT NULL")):
        op.create_index(
            f"custom_value_{kind}",
            "custom_value",
            ["field", kind, sa.literal_column("record_id DESC")],
            unique=True,
            postgresql_where=sa.text(where),
        )
    op.execute(STATISTICS)
    op.execute(KEEP)
