"""What leads stores about scores, and the queries that have a name."""

from chassis.database import TIME, Query, record_columns
from chassis.persons import GONE
from sqlalchemy import BigInteger, Boolean, Column, Double, Identity, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB, UUID

from leads.domain.lead_score import LeadScore
from leads.domain.score_settings import ScoreSettings
from leads.domain.scoring_model import ScoringModel, ScoringRoles
from leads.domain.state import LIVE
from leads.follow_up_tables import METADATA

LIVE_STATES = ", ".join(sorted(f"'{state.name}'" for state in LIVE))

settings = Table(
    "score_settings",
    METADATA,
    *record_columns(slug=True),
    Column("rules", JSONB, nullable=False),
    Column("bands", JSONB, nullable=False),
)
scores = Table(
    "lead_scores",
    METADATA,
    *record_columns(),
    *(Column(name, Text(collation="C"), nullable=False) for name in ("lead", "owner", "team")),
    Column("live", Boolean, nullable=False),
    Column("score", Double, nullable=False, info={"between": (0, 100)}),
    Column("band", Text(collation="C"), nullable=False),
    Column("points", Integer, nullable=False),
    Column("parts", JSONB, nullable=False),
    Column("settings_etag", Text(collation="C"), nullable=False),
    Column("override_score", Double, nullable=False),
    Column("override_expire_time", TIME),
    # From here on: columns that came later. An older release writes rows without them.
    Column("probability", Double, nullable=False, server_default="0"),
    Column("scoring_model", Text(collation="C"), nullable=False, server_default=""),
    Column("challenger_probability", Double, nullable=False, server_default="0"),
    Column("challenger", Text(collation="C"), nullable=False, server_default=""),
    info={"collection": "leadScores"},
)
for whose in ((), ("owner",), ("team",)):
    Index(
        "_".join(("lead_scores", *whose, "rank")),
        *(scores.c[name] for name in whose),
        scores.c.score.desc(),
        scores.c.id.desc(),
        postgresql_where=text("live"),
    )
Index("lead_scores_band", scores.c.band, scores.c.id.desc(), postgresql_where=text("live"))
Index(
    "lead_scores_override", scores.c.override_expire_time, postgresql_where=scores.c.override_expire_time.is_not(None)
)
# What models said of leads that are closed now: see rpc/scoring_models.py.
for said_by in ("scoring_model", "challenger"):
    Index(f"lead_scores_{said_by}", scores.c[said_by], postgresql_where=text(f"NOT live AND {said_by} <> ''"))
# Leads that changed since they were scored: a trigger writes a row for each change, so that writers never wait for each
# other. What all leads are scored by changed: a sweep goes through them, from `sweep_after` on.
Table(
    "score_queue",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("lead_id", UUID(as_uuid=False), nullable=False),
)
Table(
    "score_duties",
    METADATA,
    Column("id", Text(collation="C"), primary_key=True),
    Column("sweep_after", UUID(as_uuid=False)),
    Column("sweep_time", TIME, nullable=False),
)

models = Table(
    "scoring_models",
    METADATA,
    *record_columns(),
    Column("display_name", Text, nullable=False),
    Column("state", Text(collation="C"), nullable=False),
    Column("since", TIME),
    Column("leave_out", JSONB, nullable=False),
    Column("backtest_share", Double, nullable=False),
    Column("progress", Double, nullable=False),
    *(Column(name, Text, nullable=False) for name in ("step", "failure", "learner", "calibration")),
    *(Column(name, JSONB, nullable=False) for name in ("fields", "notes", "metrics", "backtest")),
    *(Column(name, TIME) for name in ("backtest_time", "promote_time", "retire_time", "lease_time")),
    Column("attempts", Integer, nullable=False),
)
Index("scoring_models_training", models.c.id, postgresql_where=text("state = 'TRAINING'"))
roles = Table(
    "scoring_roles",
    METADATA,
    *record_columns(slug=True),
    *(Column(name, Text(collation="C"), nullable=False) for name in ("champion", "challenger")),
)
# What a model learned, as JSON. Read when it is about to score, not with every list.
Table(
    "scoring_artefacts",
    METADATA,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("model", Text, nullable=False),
)

RECORDS = {ScoreSettings: settings, LeadScore: scores, ScoringModel: models, ScoringRoles: roles}

# Once a day everything is scored again whose points fade.
ANYTHING_TO_DO = (
    "SELECT EXISTS (SELECT FROM score_queue) AS queued,"
    " EXISTS (SELECT FROM lead_scores WHERE override_expire_time <= now()) AS expired,"
    " d.sweep_after IS NOT NULL AS sweeping, d.sweep_time < now() - interval '1 day' AS sweep_due"
    " FROM score_duties d WHERE id = 'duty'"
)
HOLD_DUTY = "SELECT sweep_after::text AS after FROM score_duties WHERE id = 'duty' FOR UPDATE SKIP LOCKED"
QUEUE_EXPIRED = "INSERT INTO score_queue (lead_id) SELECT id FROM lead_scores WHERE override_expire_time <= now()"
TAKE = (
    "DELETE FROM score_queue WHERE id IN (SELECT id FROM score_queue ORDER BY id LIMIT $1::bigint)"
    " RETURNING lead_id::text AS id"
)
SWEEP = (
    "UPDATE score_duties SET sweep_time = now(), sweep_after = '00000000-0000-0000-0000-000000000000' WHERE id = 'duty'"
)
SWEEP_IF = f"{SWEEP} AND $1::boolean"
SWEPT = "UPDATE score_duties SET sweep_time = now(), sweep_after = $1::uuid WHERE id = 'duty'"
NEXT = (
    f"SELECT id::text AS id FROM leads WHERE id > $1::uuid AND state IN ({LIVE_STATES}) AND archive_time IS NULL"
    " ORDER BY id LIMIT $2::bigint"
)
OVERRIDDEN = Query(
    text(
        "SELECT id, override_score FROM lead_scores WHERE id = any(CAST(:leads AS uuid[]))"
        " AND override_expire_time > CAST(:now AS timestamptz)"
    )
)
ARTEFACT = "SELECT model FROM scoring_artefacts WHERE id = $1::uuid"
KEEP_ARTEFACT = "INSERT INTO scoring_artefacts (id, model) VALUES ($1::uuid, $2::text) ON CONFLICT (id) DO NOTHING"
FORGET_ARTEFACT = "DELETE FROM scoring_artefacts WHERE id = $1::uuid"
TRAINED_NOW = "SELECT count(*) AS number FROM scoring_models WHERE state = 'TRAINING'"
TO_TRAIN = (
    "SELECT id::text AS id FROM scoring_models WHERE state = 'TRAINING' AND (lease_time IS NULL OR lease_time < now())"
    " ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"
)


def closed(columns: str, page: int) -> str:
    """SQL: closed leads before an id, the latest first, whose first contact was at or after a moment. Each outcome by
    the index of its state. Who was erased is left out: the traces that are left teach nothing."""
    one = (
        f"(SELECT {columns} FROM leads WHERE state = '{{state}}' AND id < $1::uuid AND contact_time >= $2::timestamptz"
        f" AND close_time IS NOT NULL AND display_name <> '{GONE}' ORDER BY id DESC LIMIT {page})"
    )
    both = " UNION ALL ".join(one.format(state=state) for state in ("CONVERTED", "DISQUALIFIED"))
    return f"SELECT {columns} FROM ({both}) closed ORDER BY id DESC LIMIT {page}"


# What was said last of leads that are closed now. The score of a closed lead stays as it was.
MONTHS = Query(
    text(
        "SELECT to_char(l.close_time AT TIME ZONE 'UTC', 'YYYY-MM') AS month, count(*)::int AS leads,"
        " avg(s.said) AS predicted, avg((l.state = 'CONVERTED')::int)::double precision AS won"
        " FROM (SELECT id, probability AS said FROM lead_scores"
        " WHERE NOT live AND scoring_model <> '' AND scoring_model = CAST(:model AS text)"
        " UNION ALL SELECT id, challenger_probability FROM lead_scores"
        " WHERE NOT live AND challenger <> '' AND challenger = CAST(:model AS text)) s JOIN leads l ON l.id = s.id"
        " WHERE l.state IN ('CONVERTED', 'DISQUALIFIED') AND l.close_time IS NOT NULL"
        " GROUP BY 1 ORDER BY 1 DESC LIMIT 24"
    )
)
