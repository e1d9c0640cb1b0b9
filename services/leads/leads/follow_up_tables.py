"""What leads stores about following leads up: clocks, interactions, cadences; and the queries that have a name."""

from typing import Any

from chassis.database import IN_REACH, TIME, Query, enum_column, listed, record_columns
from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, Table, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB, UUID

from leads.domain.cadence import Cadence, CadenceEnrolment, EnrolmentState
from leads.domain.contact_limits import ContactSettings
from leads.domain.interaction import Direction, Interaction, InteractionKind
from leads.domain.notification import Notification, NotificationKind, NotificationState
from leads.domain.response import LeadResponse, ResponseSettings, ResponseState
from leads.domain.state import OPEN, CallOutcome

METADATA = MetaData()
OPEN_STATES = ", ".join(f"'{state.name}'" for state in sorted(OPEN, key=lambda state: state.value))


def about_a_lead() -> list[Column[Any]]:
    """Of which lead it is, and who has that."""
    return [
        Column(name, Text(collation="C"), nullable=False, info={"filter": True}) for name in ("lead", "owner", "team")
    ]


def journey() -> Column[Any]:
    return Column("journey_id", UUID(as_uuid=False), index=True, info={"filter": True})


interactions = Table(
    "interactions",
    METADATA,
    *record_columns(),
    *about_a_lead(),
    journey(),
    Column("actor", Text(collation="C"), nullable=False),
    enum_column("kind", InteractionKind),
    enum_column("direction", Direction),
    enum_column("outcome", CallOutcome),
    Column("note", Text, nullable=False),
    Column("interaction_time", TIME, nullable=False, index=True, info={"filter": True}),
    Column("call_back_time", TIME),
    info={"collection": "interactions"},
)
listed(interactions, "lead", "owner", "team", "kind", "direction", "outcome")
HAND_OVER_INTERACTIONS = (
    "UPDATE interactions SET owner = $2::text, team = $3::text, version = version + 1, update_time = now()"
    " WHERE lead = $1::text AND (owner, team) <> ($2::text, $3::text)"
)
response_settings = Table(
    "response_settings", METADATA, *record_columns(slug=True), Column("targets", JSONB, nullable=False)
)
responses = Table(
    "lead_responses",
    METADATA,
    *record_columns(),
    *about_a_lead(),
    journey(),
    enum_column("state", ResponseState),
    Column("channel", Text(collation="C"), nullable=False),
    Column("target", Text(collation="C"), nullable=False),
    Column("cycle", Integer, nullable=False),
    Column("start_time", TIME, nullable=False, index=True),
    Column("warn_time", TIME),
    Column("due_time", TIME, nullable=False, index=True, info={"filter": True}),
    Column("breach_time", TIME),
    Column("respond_time", TIME),
    Column("waited_seconds", BigInteger, nullable=False),
    UniqueConstraint("lead", "cycle"),
    info={"collection": "leadResponses"},
)
listed(responses, "lead", "owner", "team", "state")
contact_settings = Table(
    "contact_settings",
    METADATA,
    *record_columns(slug=True),
    *(Column(name, Integer, nullable=False) for name in ("most_contacts", "per_days", "at_least_every_days")),
)
cadences = Table(
    "cadences",
    METADATA,
    *record_columns(slug=True),
    Column("archive_time", TIME),
    Column("display_name", Text, nullable=False),
    Column("steps", JSONB, nullable=False),
    Column("for_nurturing", Boolean, nullable=False, server_default="false"),
    info={"collection": "cadences"},
)
enrolments = Table(
    "cadence_enrolments",
    METADATA,
    *record_columns(),
    *about_a_lead(),
    journey(),
    enum_column("state", EnrolmentState),
    Column("cadence", Text(collation="C"), nullable=False, info={"filter": True}),
    Column("steps", JSONB, nullable=False),
    Column("step", Integer, nullable=False),
    Column("step_time", TIME, nullable=False),
    Column("due_time", TIME, index=True, info={"filter": True}),
    Column("due", Boolean, nullable=False),
    Column("stop_reason", Text(collation="C"), nullable=False),
    Column("for_nurturing", Boolean, nullable=False, server_default="false"),
    info={"collection": "cadenceEnrolments"},
)
listed(enrolments, "lead", "owner", "team", "state", "cadence")
# A lead is in one cadence at a time: two would call it twice.
Index("cadence_enrolments_active", enrolments.c.lead, unique=True, postgresql_where=text("state = 'ACTIVE'"))
# Of some leads: those whose events matter. All do where clocks are set up; else those in a cadence.
FOLLOWED = (
    "SELECT lead FROM unnest($1::text[]) AS told(lead) WHERE EXISTS (SELECT 1 FROM response_settings)"
    " OR EXISTS (SELECT 1 FROM cadence_enrolments AS one WHERE one.lead = told.lead AND one.state = 'ACTIVE')"
)

notifications = Table(
    "notifications",
    METADATA,
    *record_columns(),
    *about_a_lead(),
    enum_column("state", NotificationState),
    enum_column("kind", NotificationKind),
    Column("subject", Text(collation="C"), nullable=False),
    Column("due_time", TIME),
    Column("read_time", TIME),
    info={"collection": "notifications"},
)
listed(notifications, "lead", "owner", "team", "state", "kind")
Index("notifications_create_time", notifications.c.create_time)

# How tries to get through to leads went, see approach_tables.py. Counted anew once an hour, whole: nothing has to be
# taken back of tries whose answer came later, nor of leads that came by another channel after all.
Table(
    "approach_rates",
    METADATA,
    Column("segment", Text(collation="C"), primary_key=True),
    Column("kind", Text(collation="C"), primary_key=True),
    Column("hour", Integer, primary_key=True),
    Column("tries", Integer, nullable=False),
    Column("answers", Integer, nullable=False),
)
Table(
    "approach_duties",
    METADATA,
    Column("id", Text(collation="C"), primary_key=True),
    Column("count_time", TIME),
)

RECORDS = {ResponseSettings: response_settings, LeadResponse: responses, Interaction: interactions}
RECORDS |= {
    ContactSettings: contact_settings,
    Cadence: cadences,
    CadenceEnrolment: enrolments,
    Notification: notifications,
}

# When we were in touch with a lead, latest first: as many as any limit asks for.
CONTACTS = Query(
    text(
        "SELECT interaction_time FROM interactions WHERE lead = CAST(:lead AS text) AND direction = 'OUTBOUND'"
        " ORDER BY interaction_time DESC LIMIT 100"
    )
)


def _response_report(key: str) -> Query:
    """How fast leads were answered, by a column of their clocks, within a reach."""
    return Query(
        text(
            f"SELECT {key} AS key, count(*) FILTER (WHERE state = 'MET') AS met,"
            " count(*) FILTER (WHERE state IN ('MISSED', 'BREACHED')) AS missed,"
            " count(*) FILTER (WHERE state = 'RUNNING') AS running,"
            " percentile_disc(0.5) WITHIN GROUP (ORDER BY waited_seconds)"
            " FILTER (WHERE respond_time IS NOT NULL) AS median_seconds,"
            " percentile_disc(0.9) WITHIN GROUP (ORDER BY waited_seconds)"
            " FILTER (WHERE respond_time IS NOT NULL) AS p90_seconds"
            " FROM lead_responses WHERE start_time >= CAST(:start AS timestamptz)"
            f" AND start_time < CAST(:end AS timestamptz) AND state <> 'CANCELLED' AND {IN_REACH}"
            " GROUP BY 1 ORDER BY 1 LIMIT 1000"
        )
    )


RESPONSE_REPORTS = {key: _response_report(key) for key in ("owner", "team", "channel", "target")}

# Somebody's open leads with what waits for them, within a reach; of nurtured ones those with a step to be done.
AT_HAND = Query(
    text(
        "SELECT l.id::text AS id, l.contact_time, l.last_outbound_time, l.last_inbound_time, l.call_back_time,"
        " c.state AS clock, c.due_time AS clock_due, e.due_time AS step_due,"
        " ARRAY(SELECT i.interaction_time FROM interactions i WHERE i.lead = 'leads/' || l.id::text"
        " AND i.direction = 'OUTBOUND' ORDER BY i.id DESC LIMIT 100) AS contacts, coalesce(s.score, 0) AS score"
        " FROM (SELECT id, contact_time, last_outbound_time, last_inbound_time, call_back_time FROM leads"
        f" WHERE owner = CAST(:owner AS text) AND (state IN ({OPEN_STATES}) OR (state = 'NURTURING' AND EXISTS"
        " (SELECT 1 FROM cadence_enrolments s WHERE s.lead = 'leads/' || leads.id::text AND s.state = 'ACTIVE'"
        f" AND s.due AND s.for_nurturing))) AND archive_time IS NULL AND {IN_REACH}"
        " ORDER BY id DESC LIMIT 2000) l"
        " LEFT JOIN LATERAL (SELECT state, due_time FROM lead_responses r WHERE r.lead = 'leads/' || l.id::text"
        " ORDER BY r.id DESC LIMIT 1) c ON true"
        " LEFT JOIN lead_scores s ON s.id = l.id"
        " LEFT JOIN cadence_enrolments e"
        " ON e.lead = 'leads/' || l.id::text AND e.state = 'ACTIVE' AND e.due"
    )
)
