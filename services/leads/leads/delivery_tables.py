"""What leads stores about notifications that leave the application, and the queries that have a name."""

from chassis.database import TIME, Query, enum_column, listed, record_columns
from sqlalchemy import Boolean, Column, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from leads.domain.delivery import DeliveryState, NotificationDelivery, NotificationPreferences, Way
from leads.domain.notification import NotificationKind
from leads.follow_up_tables import METADATA, about_a_lead

preferences = Table(
    "notification_preferences",
    METADATA,
    *record_columns(slug=True),
    Column("owner", Text(collation="C"), nullable=False),
    Column("team", Text(collation="C"), nullable=False),
    Column("email_kinds", JSONB, nullable=False),
    Column("sms_kinds", JSONB, nullable=False),
    Column("phone_number", Text(collation="C"), nullable=False),
    Column("language", Text(collation="C"), nullable=False),
    Column("only_at_work", Boolean, nullable=False),
    Column("most_per_hour", Integer, nullable=False),
    info={"collection": "notificationPreferences"},
)
deliveries = Table(
    "notification_deliveries",
    METADATA,
    *record_columns(),
    *about_a_lead(),
    Column("notification", Text(collation="C"), nullable=False, info={"filter": True}),
    enum_column("kind", NotificationKind),
    enum_column("way", Way),
    enum_column("state", DeliveryState),
    Column("message", Text(collation="C"), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("due_time", TIME),
    Column("try_time", TIME),
    Column("error", Text(collation="C"), nullable=False),
    info={"collection": "notificationDeliveries"},
)
listed(deliveries, "lead", "owner", "team", "kind", "way", "state", "notification")
# Nobody is told the same thing twice by the same way.
Index("notification_deliveries_once", deliveries.c.notification, deliveries.c.way, unique=True)
Index(
    "notification_deliveries_due",
    deliveries.c.way,
    deliveries.c.due_time,
    postgresql_where=text("due_time IS NOT NULL"),
)
Index(
    "notification_deliveries_waiting", deliveries.c.owner, deliveries.c.way, deliveries.c.due_time,
    postgresql_where=text("due_time IS NOT NULL"),
)  # fmt: skip
Index(
    "notification_deliveries_tried", deliveries.c.owner, deliveries.c.way, deliveries.c.try_time,
    postgresql_where=text("try_time IS NOT NULL"),
)  # fmt: skip
Index("notification_deliveries_message", deliveries.c.message, postgresql_where=text("message <> ''"))
Index("notification_deliveries_create_time", deliveries.c.create_time)
# Where people's e-mails go. Kept by directory's events.
addressees = Table(
    "addressees",
    METADATA,
    Column("name", Text(collation="C"), primary_key=True),
    Column("email", Text, nullable=False),
)
PUT_ADDRESSEE = (
    "INSERT INTO addressees (name, email) VALUES ($1::text, $2::text)"
    " ON CONFLICT (name) DO UPDATE SET email = excluded.email"
)
FORGET_ADDRESSEES = "DELETE FROM addressees WHERE name = any($1::text[]) AND email <> '' RETURNING 1"
ADDRESS_OF = "SELECT email FROM addressees WHERE name = $1::text"

RECORDS = {NotificationPreferences: preferences, NotificationDelivery: deliveries}

# Whose turn it is: whoever has waited longest for a message.
NEXT_ADDRESSEE = Query(
    text(
        "SELECT owner FROM notification_deliveries WHERE way = CAST(:way AS text) AND due_time IS NOT NULL"
        " AND due_time <= CAST(:now AS timestamptz) ORDER BY due_time LIMIT 1"
    )
)
DUE_DELIVERIES = Query(
    text(
        "SELECT id FROM notification_deliveries WHERE owner = CAST(:owner AS text) AND way = CAST(:way AS text)"
        " AND due_time IS NOT NULL AND due_time <= CAST(:now AS timestamptz) ORDER BY due_time LIMIT 200"
    )
)
# When messages went to somebody lately, or were tried.
SENT_LATELY = Query(
    text(
        "SELECT max(try_time) AS try_time FROM notification_deliveries WHERE owner = CAST(:owner AS text)"
        " AND way = CAST(:way AS text) AND try_time IS NOT NULL AND try_time > CAST(:since AS timestamptz)"
        " GROUP BY message ORDER BY 1 DESC LIMIT 60"
    )
)
# One message to a person at a time, however many replicas look.
HOLD_ADDRESSEE = "SELECT pg_advisory_xact_lock(hashtextextended($1::text, 0))"
# Somebody to whom nothing can be sent for a fault of ours keeps nobody waiting who comes after them.
PUT_OFF_ADDRESSEE = (
    "UPDATE notification_deliveries SET due_time = now() + interval '5 minutes', version = version + 1"
    " WHERE owner = $1::text AND way = $2::text AND due_time <= now()"
)
OF_MESSAGE = (
    "SELECT id FROM notification_deliveries WHERE message = $1::text AND message <> '' AND state = 'SENDING' LIMIT 200"
)
