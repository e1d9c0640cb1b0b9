"""What the service desk stores, and the queries that have a name."""

from chassis.database import TIME, Query, customer_columns, enum_column, listed, record_columns
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    Sequence,
    Table,
    Text,
    bindparam,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from chassis import spine
from service_desk.domain import Account, Case, Entitlement, Priority, State
from service_desk.product_feedback import FeedbackKind, ProductFeedback

METADATA = MetaData()
NUMBERS = "case_number"
Sequence(NUMBERS, metadata=METADATA)

cases = Table(
    "cases",
    METADATA,
    *customer_columns(),
    Column("labels", JSONB, nullable=False),
    Column("display_name", Text, nullable=False),
    enum_column("state", State),
    Column("number", Text(collation="C"), nullable=False, unique=True, info={"filter": True}),
    Column("account", Text(collation="C"), nullable=False, info={"filter": True}),
    Column("contact", Text(collation="C"), nullable=False),
    Column("order", Text(collation="C"), nullable=False),
    Column("type", Text(collation="C"), nullable=False, info={"filter": True}),
    enum_column("priority", Priority),
    Column("description", Text, nullable=False),
    Column("open_time", TIME, nullable=False, info={"filter": True}),
    Column("entitlement", Text(collation="C"), nullable=False, info={"filter": True}),
    Column("contract", Text(collation="C"), nullable=False, info={"filter": True}),
    Column("contract_version", Integer, nullable=False),
    Column("unentitled", Boolean, nullable=False, info={"filter": True}),
    Column("matched_late", Boolean, nullable=False),
    Column("solution", Text, nullable=False),
    Column("resolve_time", TIME),
    Column("reopen_count", Integer, nullable=False),
    info={"collection": "cases", "customers_see": {}},
)
FILTERED = ("state", "account", "owner", "team", "type", "priority", "entitlement", "contract", "unentitled")
listed(cases, *FILTERED, "journey_id", "open_time")

entitlements = Table(
    "entitlements",
    METADATA,
    *record_columns(),
    Column("owner", Text(collation="C"), nullable=False),
    Column("team", Text(collation="C"), nullable=False),
    Column("journey_id", UUID(as_uuid=False), info={"filter": True}),
    Column("account", Text(collation="C"), nullable=False, info={"filter": True}),
    Column("contract", Text(collation="C"), nullable=False, info={"filter": True}),
    Column("contract_version", Integer, nullable=False),
    Column("service_level", Text(collation="C"), nullable=False),
    Column("start_time", TIME, nullable=False),
    Column("end_time", TIME),
    info={"collection": "entitlements", "customers_see": {}},
)
listed(entitlements, "account", "contract", "journey_id", "owner", "team")

accounts = Table(
    "accounts",
    METADATA,
    *record_columns(),
    Column("display_name", Text, nullable=False),
    Column("owner", Text(collation="C"), nullable=False),
    Column("team", Text(collation="C"), nullable=False),
    Column("journey_id", UUID(as_uuid=False)),
    Column("turns", BigInteger, nullable=False),
    info={"collection": "accounts", "customers_see": {}},
)

product_feedbacks = Table(
    "product_feedbacks",
    METADATA,
    *record_columns(),
    Column("owner", Text(collation="C"), nullable=False, info={"filter": True}),
    Column("team", Text(collation="C"), nullable=False, info={"filter": True}),
    Column("journey_id", UUID(as_uuid=False), info={"filter": True}),
    Column("display_name", Text, nullable=False),
    Column("account", Text(collation="C"), nullable=False, info={"filter": True}),
    Column("contact", Text(collation="C"), nullable=False),
    Column("case", Text(collation="C"), nullable=False),
    Column("product", Text(collation="C"), nullable=False, info={"filter": True}),
    enum_column("kind", FeedbackKind),
    Column("text", Text, nullable=False),
    Column("feedback_time", TIME, nullable=False, info={"filter": True}),
    Column("email", Text(collation="C"), nullable=False),
    Column("phone", Text(collation="C"), nullable=False),
    Column("lead_wanted", Boolean, nullable=False),
    info={"collection": "productFeedbacks"},
)
listed(product_feedbacks, "owner", "team", "journey_id", "account", "product", "kind", "feedback_time")
# People are found by their address, and by the contact that they are.
email = func.lower(product_feedbacks.c.email)
Index("product_feedbacks_email", email, postgresql_where=product_feedbacks.c.email != "")
Index(
    "product_feedbacks_contact",
    product_feedbacks.c.contact,
    postgresql_where=product_feedbacks.c.contact != "",
)

RECORDS = {Case: cases, Entitlement: entitlements, Account: accounts, ProductFeedback: product_feedbacks}

TEAM_NAMED = Query(select(spine.team.c.name).where(spine.team.c.name == bindparam("team", type_=Text)))
