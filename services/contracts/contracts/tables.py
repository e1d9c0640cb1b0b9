"""What contracts stores, and the statements that have a name."""

from chassis.database import TIME, customer_columns, enum_column, listed, record_columns
from sqlalchemy import BigInteger, Boolean, Column, Date, Integer, MetaData, Numeric, Sequence, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB, UUID

from contracts.domain import Account, Contract, ContractTemplate, State, TemplateVersion

METADATA = MetaData()
NUMBERS = "contract_number"
Sequence(NUMBERS, metadata=METADATA)


def _template_columns() -> list[Column]:
    """What a template and each of its versions have in common."""
    return [
        *record_columns(slug=True),
        Column("display_name", Text, nullable=False),
        Column("sections", JSONB, nullable=False),
        Column("term_months", Integer, nullable=False),
        Column("service_level", Text(collation="C"), nullable=False),
        Column("language_code", Text(collation="C"), nullable=False),
    ]


contracts = Table(
    "contracts",
    METADATA,
    *customer_columns(),
    Column("labels", JSONB, nullable=False),
    Column("display_name", Text, nullable=False),
    enum_column("state", State),
    Column("number", Text(collation="C"), nullable=False, unique=True, info={"filter": True}),
    Column("account", Text(collation="C"), nullable=False, info={"filter": True}),
    Column("account_display_name", Text, nullable=False),
    Column("opportunity", Text(collation="C"), nullable=False, info={"filter": True}),
    Column("template", Text(collation="C"), nullable=False),
    Column("template_version", Integer, nullable=False),
    Column("amount", Numeric(19, 4)),
    Column("amount_currency", Text(collation="C")),
    Column("effective_date", Date),
    Column("end_date", Date),
    Column("term_months", Integer, nullable=False),
    Column("service_level", Text(collation="C"), nullable=False),
    Column("content_hash", Text(collation="C"), nullable=False),
    Column("submitter", Text(collation="C"), nullable=False),
    Column("approver", Text(collation="C"), nullable=False),
    Column("submit_time", TIME),
    Column("approve_time", TIME),
    Column("activate_time", TIME),
    Column("reject_reason", Text, nullable=False),
    Column("authors", JSONB, nullable=False, server_default="[]"),
    Column("entitlement_terms", JSONB, nullable=False),
    info={"collection": "contracts", "customers_see": {"state": "ACTIVE"}},
)
contracts.c.create_time.info["filter"] = True
listed(contracts, "state", "account", "opportunity", "owner", "team", "journey_id", "create_time")

templates = Table(
    "contract_templates",
    METADATA,
    *_template_columns(),
    info={"collection": "contractTemplates"},
)
template_versions = Table(
    "contract_template_versions",
    METADATA,
    *_template_columns(),
    Column("template", Text(collation="C"), nullable=False),
    Column("number", Integer, nullable=False),
)
accounts = Table(
    "accounts",
    METADATA,
    *record_columns(),
    Column("display_name", Text, nullable=False),
    Column("owner", Text(collation="C"), nullable=False, server_default=""),
    Column("team", Text(collation="C"), nullable=False, server_default=""),
    Column("journey_id", UUID(as_uuid=False)),
)
documents = Table(
    "documents",
    METADATA,
    Column("content_hash", Text(collation="C"), primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("create_time", TIME, nullable=False),
    Column(
        "given_up", Boolean, nullable=False, server_default=text("false")
    ),  # to be removed: it names somebody erased
)

RECORDS = {Contract: contracts, ContractTemplate: templates, TemplateVersion: template_versions, Account: accounts}

KEEP_DOCUMENT = (
    "INSERT INTO documents (content_hash, size, media_type, create_time)"
    " VALUES ($1::text, $2::bigint, $3::text, $4::timestamptz) ON CONFLICT DO NOTHING"
)
TOLD = "SELECT type, payload FROM outbox WHERE subject = $1::text"
GIVE_UP_DOCUMENTS = "UPDATE documents SET given_up = true WHERE content_hash = any($1::text[])"
GIVEN_UP = "SELECT content_hash FROM documents WHERE given_up LIMIT 1000"
FORGET_DOCUMENT = "DELETE FROM documents WHERE content_hash = $1::text AND given_up"
