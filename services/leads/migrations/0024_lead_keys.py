"""Who carries a match key is read in order, and no further than wanted: a name that thousands have costs what a rare
one does. An index of whole lists of keys (GIN) reads all that carry one."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"

FILL = (
    "INSERT INTO lead_keys SELECT DISTINCT key, id FROM {leads} CROSS JOIN jsonb_array_elements_text(match_keys) AS key"
    " ON CONFLICT DO NOTHING"
)
KEEP = f"""
CREATE FUNCTION keep_keys() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_OP = 'INSERT' THEN
    {FILL.format(leads="written")};  -- rows may be brought together with their keys
    RETURN NULL;
  END IF;
  DELETE FROM lead_keys WHERE lead_id = OLD.id AND key IN (SELECT jsonb_array_elements_text(OLD.match_keys));
  IF TG_OP = 'UPDATE' THEN
    INSERT INTO lead_keys SELECT DISTINCT key, NEW.id FROM jsonb_array_elements_text(NEW.match_keys) AS key;
  END IF;
  RETURN NULL;
END $$
"""
TRIGGERS = (
    "CREATE TRIGGER keys_insert AFTER INSERT ON leads REFERENCING NEW TABLE AS written FOR EACH STATEMENT"
    " EXECUTE FUNCTION keep_keys()",
    "CREATE TRIGGER keys_update AFTER UPDATE OF match_keys ON leads FOR EACH ROW"
    " WHEN (OLD.match_keys <> NEW.match_keys) EXECUTE FUNCTION keep_keys()",
    "CREATE TRIGGER keys_delete AFTER DELETE ON leads FOR EACH ROW EXECUTE FUNCTION keep_keys()",
)


def upgrade() -> None:
    op.create_table(
        "lead_keys",
        sa.Column("key", sa.Text(collation="C"), nullable=False),
        sa.Column("lead_id", sa.UUID(as_uuid=False), nullable=False),
        sa.PrimaryKeyConstraint("key", "lead_id"),
    )
    # The triggers wait for whoever writes leads, so the fill after them misses none.
    for sql in (KEEP, *TRIGGERS, FILL.format(leads="leads")):
        op.execute(sql)
    op.drop_index("leads_match_keys", table_name="leads")
