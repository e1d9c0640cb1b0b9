"""The labels of records, for lists that are filtered by them."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

# The rows of one record, anew.
KEEP = """
CREATE FUNCTION keep_labels() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_OP = 'UPDATE' THEN
    DELETE FROM label WHERE collection = TG_ARGV[0] AND record_id = NEW.id
      AND label IN (SELECT jsonb_object_keys(OLD.labels));
  END IF;
  INSERT INTO label (collection, label, record_id, text)
  SELECT TG_ARGV[0], one.key, NEW.id, one.value FROM jsonb_each_text(NEW.labels) AS one;
  RETURN NULL;
END $$
"""
# How often a text occurs depends on the label: without this the planner takes each to be as rare as all are together.
STATISTICS = "CREATE STATISTICS label_of_text (ndistinct, dependencies, mcv) ON collection, label, text FROM label"


def upgrade() -> None:
    op.create_table(
        "label",
        sa.Column("collection", sa.Text(collation="C"), nullable=False),
        sa.Column("label", sa.Text(collation="C"), nullable=False),
        sa.Column("record_id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("text", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("collection", "label", "record_id"),
    )
    op.create_index("label_text", "label", ["collection", "label", "text", "record_id"], unique=True)
    op.execute(STATISTICS)
    op.execute(KEEP)
