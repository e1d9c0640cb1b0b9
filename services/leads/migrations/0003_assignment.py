"""Assignment: policies, what people can take, decisions, runs, and the queue of leads that nobody has."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"

WAITS = "({row}.owner = '' AND {row}.state = 'NEW' AND {row}.archive_time IS NULL)"
OLD, NEW = WAITS.format(row="OLD"), WAITS.format(row="NEW")
# A lead that nobody has enters the queue in the statement that makes it so, and leaves it the same way.
FUNCTION = f"""
CREATE FUNCTION queue_unassigned() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF {NEW} THEN
    INSERT INTO assignment_queue (lead_id, due_time, attempts) VALUES (NEW.id, now(), 0) ON CONFLICT DO NOTHING;
  ELSE
    DELETE FROM assignment_queue WHERE lead_id = NEW.id;
  END IF;
  RETURN NULL;
END $$
"""
ON_INSERT = (
    f"CREATE TRIGGER queue_new AFTER INSERT ON leads FOR EACH ROW WHEN {NEW} EXECUTE FUNCTION queue_unassigned()"
)
ON_UPDATE = (
    "CREATE TRIGGER queue_changed AFTER UPDATE ON leads FOR EACH ROW"
    f" WHEN ({OLD} IS DISTINCT FROM {NEW}) EXECUTE FUNCTION queue_unassigned()"
)
# Leads from before wait until somebody starts a run.
BACKLOG = (
    "INSERT INTO assignment_queue (lead_id, attempts) SELECT id, 0 FROM leads"
    " WHERE owner = '' AND state = 'NEW' AND archive_time IS NULL"
)
DUTY = (
    "INSERT INTO assignment_duties (id, version, create_time, update_time, policy) VALUES ('duty', 1, now(), now(), '')"
)


def upgrade() -> None:
    op.create_table(
        "assignees",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("daily_capacity", sa.Integer(), nullable=False),
        sa.Column("monthly_capacity", sa.Integer(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "assignment_decisions",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("lead_id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("waits", sa.Boolean(), nullable=False),
        sa.Column("decide_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "assignment_decisions_lead", "assignment_decisions", ["lead_id", sa.literal_column("id DESC")], unique=False
    )
    op.create_index("assignment_decisions_time", "assignment_decisions", ["decide_time"], unique=False)
    op.create_table(
        "assignment_duties",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("policy", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "assignment_policies",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("rules", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("fallback", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("activate_time", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "assignment_queue",
        sa.Column("lead_id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("due_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("lead_id"),
    )
    op.create_index(
        "assignment_queue_due",
        "assignment_queue",
        ["due_time"],
        unique=False,
        postgresql_where=sa.text("due_time IS NOT NULL"),
    )
    op.create_table(
        "assignment_runs",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner", sa.Text(collation="C"), nullable=False),
        sa.Column("team", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(collation="C"), nullable=False),
        sa.Column("state", sa.Text(collation="C"), nullable=False),
        sa.Column("filter", sa.Text(), nullable=False),
        sa.Column("from_person", sa.Text(collation="C"), nullable=False),
        sa.Column("to_person", sa.Text(collation="C"), nullable=False),
        sa.Column("policy", sa.Text(collation="C"), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("left", sa.Integer(), nullable=False),
        sa.Column("shares", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("end_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cursor", sa.Text(collation="C"), nullable=False),
        sa.Column("everything", sa.Boolean(), nullable=False),
        sa.Column("me", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("teams", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        info={"collection": "assignmentRuns"},
    )
    op.create_index(
        "assignment_runs_owner_id", "assignment_runs", ["owner", sa.literal_column("id DESC")], unique=False
    )
    op.create_index(
        "assignment_runs_running",
        "assignment_runs",
        ["id"],
        unique=False,
        postgresql_where=sa.text("state = 'RUNNING'"),
    )
    op.create_index("assignment_runs_team_id", "assignment_runs", ["team", sa.literal_column("id DESC")], unique=False)
    op.create_table(
        "assignment_turns",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("turns", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.add_column("leads", sa.Column("country", sa.Text(collation="C"), server_default="", nullable=False))
    op.add_column("leads", sa.Column("region", sa.Text(), server_default="", nullable=False))
    op.add_column("leads", sa.Column("language", sa.Text(collation="C"), server_default="", nullable=False))
    op.add_column("leads", sa.Column("product", sa.Text(collation="C"), server_default="", nullable=False))
    op.add_column("leads", sa.Column("company_size", sa.Integer(), server_default="0", nullable=False))
    op.create_index("leads_contact_time", "leads", ["contact_time"], unique=False)
    op.create_index(
        "leads_owner_assign_time",
        "leads",
        ["owner", "assign_time"],
        unique=False,
        postgresql_where=sa.text("assign_time IS NOT NULL"),
    )
    op.execute("CREATE SEQUENCE assignment_policy_number")
    for sql in (FUNCTION, ON_INSERT, ON_UPDATE, BACKLOG, DUTY):
        op.execute(sql)
