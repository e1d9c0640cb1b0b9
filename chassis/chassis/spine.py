"""The tables that every service has beside its own."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from chassis.columns import TIME, record_columns
from chassis.records import names

SPINE = MetaData()
ERASED = ("records", "events", "messages", "entries", "files", "rows")  # what is counted of an erasure

outbox = Table(
    "outbox",
    SPINE,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("type", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("journey_id", UUID(as_uuid=False)),
    Column("actor", Text, nullable=False),
    Column("event_time", TIME, nullable=False),
    Column("record_time", TIME, nullable=False),
    Column("traceparent", Text, nullable=False),
    Column("causation_id", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("elapsed_us", BigInteger, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("position", BigInteger),  # the stream's sequence number; null until published
    # From where the call came, as the edge saw it; empty for what the suite does by itself.
    Column("source", Text, nullable=False, server_default=""),
    # Makes the sealed digest of a payload unguessable once payload and salt are gone; null after an erasure.
    Column("salt", UUID(as_uuid=False), server_default=text("gen_random_uuid()")),
    Column("erasure", UUID(as_uuid=False)),  # the erasure that redacted the payload
    postgresql_partition_by="RANGE (id)",  # UUIDv7 begins with the time: a range of ids is a month
)
Index("outbox_unpublished", outbox.c.id, postgresql_where=outbox.c.position.is_(None))
Index("outbox_position", outbox.c.position)

relay_mark = Table(
    "relay_mark",
    SPINE,
    Column("stream", Text, primary_key=True),
    Column("created", Text, nullable=False),  # tells one stream of this name from the next
    Column("last_position", BigInteger, nullable=False),
)
epoch = Table("epoch", SPINE, Column("id", UUID(as_uuid=False), primary_key=True))
audit_entry = Table(  # what is no event: a refusal, an export, a discarded dead letter, an erasure
    "audit_entry",
    SPINE,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("traceparent", Text, nullable=False),
    Column("record_time", TIME, nullable=False),
    Column("details", JSONB, nullable=False),
    Column("salt", UUID(as_uuid=False), server_default=text("gen_random_uuid()")),
    Column("erasure", UUID(as_uuid=False)),
)
audit_seal = Table(  # the chain: one link per event or audit entry, added by the relay, never changed
    "audit_seal",
    SPINE,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("id", UUID(as_uuid=False), nullable=False),
    Column("kind", Text, nullable=False),  # `event` or `entry`: in which table the row is
    Column("subject", Text(collation="C"), nullable=False),
    Column("actor", Text(collation="C"), nullable=False),
    Column("metadata_digest", LargeBinary, nullable=False),
    Column("content_digest", LargeBinary, nullable=False),  # salted
    Column("seal", LargeBinary, nullable=False),
    Column("seal_time", TIME, nullable=False),
    UniqueConstraint("id"),
)
Index("audit_seal_subject", audit_seal.c.subject, audit_seal.c.number)
Index("audit_seal_actor", audit_seal.c.actor, audit_seal.c.number)
erasure = Table(  # what each erasure changed here so far; the totals of its receipt
    "erasure",
    SPINE,
    Column("id", UUID(as_uuid=False), primary_key=True),
    *(Column(counted, Integer, nullable=False, server_default="0") for counted in ERASED),
    Column("begin_time", TIME, nullable=False),
)
stream_removal = Table(  # messages that hold what was erased; the relay removes them once NATS is there
    "stream_removal",
    SPINE,
    Column("event_id", UUID(as_uuid=False), primary_key=True),
    Column("position", BigInteger, primary_key=True),  # 0: look for copies that no row of the outbox knows
    Column("erasure", UUID(as_uuid=False), nullable=False),
)
inbox_mark = Table(  # how far each producer's stream was applied here
    "inbox_mark",
    SPINE,
    Column("producer", Text, primary_key=True),
    Column("epoch", UUID(as_uuid=False), nullable=False),  # of this database; another one: it was restored since
    Column("position", BigInteger, nullable=False),
)
inbox = Table(
    "inbox",
    SPINE,
    Column("event_id", UUID(as_uuid=False), primary_key=True),
    Column("receive_time", TIME, nullable=False),
)
heard = Table(  # the event types of which this database has taken in everything up to its mark, and goes on doing so
    "heard",
    SPINE,
    Column("producer", Text, primary_key=True),
    Column("type", Text, primary_key=True),
)
inbox_latest = Table(
    "inbox_latest",
    SPINE,
    Column("reaction", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("epoch", UUID(as_uuid=False), nullable=False),
    Column("version", BigInteger, nullable=False),
)
dead_letter = Table(
    "dead_letter",
    SPINE,
    Column("event_id", UUID(as_uuid=False), primary_key=True),
    Column("type", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("error", Text, nullable=False),
    Column("trace_id", Text, nullable=False),
    Column("deliveries", Integer, nullable=False),
    Column("create_time", TIME, nullable=False),
    Column("settle_time", TIME),
    Column("discard_reason", Text, nullable=False, server_default=""),
)
Index("dead_letter_open", dead_letter.c.create_time, postgresql_where=dead_letter.c.settle_time.is_(None))
request = Table(
    "request",
    SPINE,
    Column("caller", Text, primary_key=True),
    Column("method", Text, primary_key=True),
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("answer", LargeBinary),  # null: read `subject` again (the answer of a saga changes)
    Column("subject", Text, nullable=False),
    Column("create_time", TIME, nullable=False),
)
Index("request_create_time", request.c.create_time)
external_id = Table(
    "external_id",
    SPINE,
    Column("collection", Text(collation="C"), primary_key=True),
    Column("system", Text(collation="C"), primary_key=True),
    Column("kind", Text(collation="C"), primary_key=True),
    Column("key", Text(collation="C"), primary_key=True),
    Column("record_id", Text(collation="C"), nullable=False),
)
saga = Table(
    "saga",
    SPINE,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("journey_id", UUID(as_uuid=False)),
    Column("actor", Text, nullable=False),
    Column("traceparent", Text, nullable=False),
    Column("data", JSONB, nullable=False),
    Column("step", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Column("due_time", TIME),  # null: finished
    Column("create_time", TIME, nullable=False),
)
Index("saga_due", saga.c.due_time, postgresql_where=saga.c.due_time.isnot(None))
member = Table(
    "member",
    SPINE,
    Column("name", Text(collation="C"), primary_key=True),
    Column("subject", Text(collation="C"), nullable=False),
    Column("display_name", Text, nullable=False),
    Column("team", Text, nullable=False),
    Column("roles", JSONB, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("account", Text(collation="C"), nullable=False, server_default=""),
    Column("calendar", Text(collation="C"), nullable=False, server_default=""),
    UniqueConstraint("subject"),
)
Index("member_team", member.c.team)
team = Table(
    "team",
    SPINE,
    Column("name", Text(collation="C"), primary_key=True),
    Column("display_name", Text, nullable=False),
    Column("parent", Text, nullable=False),
    Column("calendar", Text(collation="C"), nullable=False, server_default=""),
)
timer = Table(
    "timer",
    SPINE,
    Column("kind", Text(collation="C"), primary_key=True),
    Column("key", Text(collation="C"), primary_key=True),
    Column("due_time", TIME, nullable=False),
    Column("next_time", TIME, nullable=False),  # when it is tried: later than `due_time` after a failure
    Column("data", JSONB, nullable=False),
    Column("traceparent", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Column("create_time", TIME, nullable=False),
)
Index("timer_next_time", timer.c.next_time)
calendar = Table(
    "calendar",
    SPINE,
    Column("name", Text(collation="C"), primary_key=True),
    Column("document", JSONB, nullable=False),  # a business_time.Schedule
)
absence = Table(
    "absence",
    SPINE,
    Column("name", Text(collation="C"), primary_key=True),
    Column("owner", Text(collation="C"), nullable=False),
    Column("start_time", TIME, nullable=False),
    Column("end_time", TIME, nullable=False),
)
Index("absence_owner", absence.c.owner, absence.c.end_time)
operation = Table(  # see `operation.Operation`
    "operation",
    SPINE,
    *record_columns(),
    Column("kind", Text(collation="C"), nullable=False),
    Column("owner", Text(collation="C"), nullable=False, info={"filter": True}),
    Column("team", Text(collation="C"), nullable=False),
    Column("caller", Text(collation="C"), nullable=False),
    Column("state", Text(collation="C"), nullable=False),
    Column("request", JSONB, nullable=False),
    Column("cursor", JSONB, nullable=False),
    *(Column(name, Integer, nullable=False) for name in ("total_items", "done_items", "failed_items")),
    Column("problems", JSONB, nullable=False),
    *(Column(name, Text, nullable=False) for name in ("error_reason", "error_message", "media_type")),
    *(Column(name, Integer, nullable=False) for name in ("part_count", "part_bytes")),
    Column("byte_count", BigInteger, nullable=False),
    Column("cancel_time", TIME),
    Column("end_time", TIME),
    Column("expire_time", TIME),
    Column("attempts", Integer, nullable=False),
    Column("due_time", TIME),
)
Index("operation_owner_id", operation.c.owner, operation.c.id.desc())
Index("operation_due", operation.c.due_time, postgresql_where=text("state = 'RUNNING'"))
operation_part = Table(  # of the file an operation made
    "operation_part",
    SPINE,
    Column("operation_id", UUID(as_uuid=False), ForeignKey("operation.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("position", BigInteger, primary_key=True),  # in the whole file, in bytes
    Column("data", LargeBinary, nullable=False),
)
custom_field = Table(  # definitions of fields: see custom_fields.py
    "custom_field",
    SPINE,
    Column("name", Text(collation="C"), primary_key=True),
    Column("collection", Text(collation="C"), nullable=False),
    Column("slug", Text(collation="C"), nullable=False),
    Column("type", Text, nullable=False),
    Column("indexed", Boolean, nullable=False),
    Column("document", JSONB, nullable=False),  # a custom_values.Definition
    UniqueConstraint("collection", "slug"),
)
# What records have in indexed fields, kept by a trigger of their tables: a row for each value, its `text` or its
# `number`, which days and moments have, too. A list looks here and nowhere else for the records of a value.
custom_value = Table(
    "custom_value",
    SPINE,
    Column("record_id", UUID(as_uuid=False), primary_key=True),
    Column("field", Text(collation="C"), primary_key=True),  # the name of its definition
    Column("text", Text(collation="C"), primary_key=True),  # empty where there is a number
    Column("number", Numeric),
)
Index(
    "custom_value_text",
    custom_value.c.field,
    custom_value.c.text,
    custom_value.c.record_id.desc(),
    unique=True,
    postgresql_where=custom_value.c.number.is_(None),
)
Index(
    "custom_value_number",
    custom_value.c.field,
    custom_value.c.number,
    custom_value.c.record_id.desc(),
    unique=True,
    postgresql_where=custom_value.c.number.is_not(None),
)
# What labels records have, kept by a trigger of their tables: a list looks here for the records of a label.
label = Table(
    "label",
    SPINE,
    Column("collection", Text(collation="C"), primary_key=True),
    Column("label", Text(collation="C"), primary_key=True),
    Column("record_id", UUID(as_uuid=False), primary_key=True),
    Column("text", Text(collation="C"), nullable=False),
)
Index("label_text", label.c.collection, label.c.label, label.c.text, label.c.record_id, unique=True)

OUTBOX, DEAD_LETTER, SAGA, AUDIT_ENTRY = (
    names(table.columns.keys()) for table in (outbox, dead_letter, saga, audit_entry)
)
