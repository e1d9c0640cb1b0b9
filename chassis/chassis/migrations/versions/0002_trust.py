"""An audit that tells of tampering, erasure that keeps it valid, and how far each producer's stream was applied."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

# Everybody but the owner loses what would let them rewrite the past. A new partition of the outbox has the owner's
# default privileges, so whoever makes one calls this again; without a second role (one login for all) it does nothing.
PROTECT = """
CREATE FUNCTION protect_history() RETURNS void LANGUAGE plpgsql AS $$
DECLARE found record;
BEGIN
    FOR found IN
        SELECT DISTINCT c.oid::regclass AS history, c.relname AS name, a.grantee::regrole AS grantee
        FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
        AND (c.relname IN ('audit_entry', 'audit_seal', 'epoch') OR c.relname LIKE 'outbox%')
        AND a.grantee <> c.relowner AND a.grantee <> 0
    LOOP
        EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON %s FROM %s', found.history, found.grantee);
        IF found.name = 'epoch' THEN
            EXECUTE format('REVOKE INSERT ON %s FROM %s', found.history, found.grantee);
        ELSIF found.name = 'outbox' THEN
            EXECUTE format('GRANT UPDATE (position) ON %s TO %s', found.history, found.grantee);
            EXECUTE format('GRANT EXECUTE ON FUNCTION erase_event, erase_entry TO %s', found.grantee);
        END IF;
    END LOOP;
END $$
"""
# The one way in which a payload may change. The digest of what it was stays sealed; that this erasure took place is an
# audit entry of its own. The row is published again without what was erased.
ERASE_EVENT = """
CREATE FUNCTION erase_event(event uuid, redacted bytea, by_erasure uuid) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH erased AS (
        UPDATE outbox SET payload = redacted, salt = NULL, erasure = by_erasure, position = NULL
        WHERE id = event RETURNING 1
    ) SELECT count(*) > 0 FROM erased
$$
"""
ERASE_ENTRY = """
CREATE FUNCTION erase_entry(entry uuid, redacted jsonb, by_erasure uuid) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH erased AS (
        UPDATE audit_entry SET details = redacted, salt = NULL, erasure = by_erasure
        WHERE id = entry RETURNING 1
    ) SELECT count(*) > 0 FROM erased
$$
"""


def upgrade() -> None:
    op.add_column("outbox", sa.Column("source", sa.Text(), server_default="", nullable=False))
    # The default comes afterwards: with it the column would rewrite every partition. Old rows have no salt.
    op.add_column("outbox", sa.Column("salt", sa.UUID(as_uuid=False), nullable=True))
    op.alter_column("outbox", "salt", server_default=sa.text("gen_random_uuid()"))
    op.add_column("outbox", sa.Column("erasure", sa.UUID(as_uuid=False), nullable=True))
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("traceparent", sa.Text(), nullable=False),
        sa.Column("record_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("salt", sa.UUID(as_uuid=False), server_default=sa.text("gen_random_uuid()"), nullable=True),
        sa.Column("erasure", sa.UUID(as_uuid=False), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "audit_seal",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(collation="C"), nullable=False),
        sa.Column("actor", sa.Text(collation="C"), nullable=False),
        sa.Column("metadata_digest", sa.LargeBinary(), nullable=False),
        sa.Column("content_digest", sa.LargeBinary(), nullable=False),
        sa.Column("seal", sa.LargeBinary(), nullable=False),
        sa.Column("seal_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("id"),
    )
    op.create_index("audit_seal_actor", "audit_seal", ["actor", "number"], unique=False)
    op.create_index("audit_seal_subject", "audit_seal", ["subject", "number"], unique=False)
    op.create_table(
        "inbox_mark",
        sa.Column("producer", sa.Text(), nullable=False),
        sa.Column("epoch", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("producer"),
    )
    for statement in (ERASE_EVENT, ERASE_ENTRY, PROTECT):
        op.execute(statement)
    op.execute("REVOKE EXECUTE ON FUNCTION erase_event, erase_entry, protect_history FROM PUBLIC")
    op.execute("SELECT protect_history()")
