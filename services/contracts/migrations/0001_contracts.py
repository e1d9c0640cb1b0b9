"""Contracts, templates with their versions, documents, and the template everybody starts with."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

# A version of a template is a promise to the contracts drafted from it; not even the service may change it.
IMMUTABLE = (
    """
    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'a row of % never changes', TG_TABLE_NAME; END $$
    """,
    """
    CREATE TRIGGER never_changes BEFORE UPDATE OR DELETE ON contract_template_versions
    FOR EACH ROW EXECUTE FUNCTION refuse_change()
    """,
)


def _table(name: str, *more: sa.ColumnClause) -> sa.TableClause:
    """A template's columns as they are at this revision."""
    return sa.table(
        name,
        sa.column("id", sa.Text),
        sa.column("version", sa.BigInteger),
        sa.column("create_time", sa.DateTime(timezone=True)),
        sa.column("update_time", sa.DateTime(timezone=True)),
        sa.column("display_name", sa.Text),
        sa.column("sections", postgresql.JSONB),
        sa.column("term_months", sa.Integer),
        sa.column("service_level", sa.Text),
        sa.column("language_code", sa.Text),
        *more,
    )


TEMPLATES = _table("contract_templates")
VERSIONS = _table("contract_template_versions", sa.column("template", sa.Text), sa.column("number", sa.Integer))

SECTIONS = [
    {
        "heading": "Parties and subject",
        "text": "This agreement number {number} is made between {company} (the Supplier) and {customer} (the Customer)."
        "\n\nThe Supplier provides the Customer with the services the parties agreed on when the order was placed, and"
        " supports the Customer in using them. Terms and conditions of the Customer apply only where the Supplier"
        " accepted them in writing.",
    },
    {
        "heading": "Price and payment",
        "text": "The price of the services is {amount}, without taxes and duties, which are added as the law requires."
        "\n\nInvoices are due 30 days after they are received. If a payment is late, the Supplier first reminds the"
        " Customer and grants a further period of 14 days; after that it may suspend the services until payment.",
    },
    {
        "heading": "Service level",
        "text": "The Supplier handles requests and complaints of the Customer by its {service_level} service level, as"
        " published on the day this agreement comes into force. A later change of that service level does not reduce"
        " what the Customer was promised.\n\nThe Customer reports a problem without delay and describes it so that"
        " it can be understood and repeated.",
    },
    {
        "heading": "Term and termination",
        "text": "This agreement comes into force on {effective_date} and lasts until {end_date}.\n\nEither party may"
        " end it early, in writing, if the other party seriously breaks it and does not put the matter right within 30"
        " days of being asked to. Claims that arose before the end remain.",
    },
    {
        "heading": "Confidentiality, liability and final provisions",
        "text": "Each party keeps what it learns about the other's business confidential, uses it only for this"
        " agreement, and protects personal data as the law requires. This obligation outlasts the agreement by three"
        " years.\n\nThe parties are liable without limit for intent and gross negligence and for injury to life and"
        " health; otherwise liability is limited to the price named above.\n\nChanges are valid only in writing. If a"
        " provision is void, the others stand. The law of the Supplier's seat applies.",
    },
]


def upgrade() -> None:
    op.execute("CREATE SEQUENCE contract_number")
    op.create_table(
        "accounts",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("journey_id", sa.UUID(as_uuid=False), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "contract_template_versions",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("sections", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("term_months", sa.Integer(), nullable=False),
        sa.Column("service_level", sa.Text(collation="C"), nullable=False),
        sa.Column("language_code", sa.Text(collation="C"), nullable=False),
        sa.Column("template", sa.Text(collation="C"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "contract_templates",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("sections", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("term_months", sa.Integer(), nullable=False),
        sa.Column("service_level", sa.Text(collation="C"), nullable=False),
        sa.Column("language_code", sa.Text(collation="C"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        info={"collection": "contractTemplates"},
    )
    op.create_table(
        "contracts",
        sa.Column("id", sa.UUID(as_uuid=False), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner", sa.Text(collation="C"), nullable=False),
        sa.Column("team", sa.Text(collation="C"), nullable=False),
        sa.Column("journey_id", sa.UUID(as_uuid=False), nullable=True),
        sa.Column("external_ids", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("labels", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(collation="C"), nullable=False),
        sa.Column("number", sa.Text(collation="C"), nullable=False),
        sa.Column("account", sa.Text(collation="C"), nullable=False),
        sa.Column("account_display_name", sa.Text(), nullable=False),
        sa.Column("opportunity", sa.Text(collation="C"), nullable=False),
        sa.Column("template", sa.Text(collation="C"), nullable=False),
        sa.Column("template_version", sa.Integer(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=19, scale=4), nullable=True),
        sa.Column("amount_currency", sa.Text(collation="C"), nullable=True),
        sa.Column("effective_date", sa.Date(), nullable=True),
        sa.Column("end_date", sa.Date(), nullable=True),
        sa.Column("term_months", sa.Integer(), nullable=False),
        sa.Column("service_level", sa.Text(collation="C"), nullable=False),
        sa.Column("content_hash", sa.Text(collation="C"), nullable=False),
        sa.Column("submitter", sa.Text(collation="C"), nullable=False),
        sa.Column("approver", sa.Text(collation="C"), nullable=False),
        sa.Column("submit_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("approve_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("activate_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reject_reason", sa.Text(), nullable=False),
        sa.Column("entitlement_terms", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("number"),
        info={"collection": "contracts"},
    )
    op.create_index("contracts_account_id", "contracts", ["account", sa.literal_column("id DESC")], unique=False)
    op.create_index(
        "contracts_create_time_id", "contracts", ["create_time", sa.literal_column("id DESC")], unique=False
    )
    op.create_index("contracts_journey_id_id", "contracts", ["journey_id", sa.literal_column("id DESC")], unique=False)
    op.create_index(
        "contracts_opportunity_id", "contracts", ["opportunity", sa.literal_column("id DESC")], unique=False
    )
    op.create_index("contracts_owner_id", "contracts", ["owner", sa.literal_column("id DESC")], unique=False)
    op.create_index("contracts_state_id", "contracts", ["state", sa.literal_column("id DESC")], unique=False)
    op.create_index("contracts_team_id", "contracts", ["team", sa.literal_column("id DESC")], unique=False)
    op.create_table(
        "documents",
        sa.Column("content_hash", sa.Text(collation="C"), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("content_hash"),
    )
    for statement in IMMUTABLE:
        op.execute(statement)
    now = datetime.now(UTC)
    row = {
        "version": 1,
        "create_time": now,
        "update_time": now,
        "display_name": "Services agreement",
        "sections": SECTIONS,
        "term_months": 12,
        "service_level": "standard",
        "language_code": "en",
    }
    op.bulk_insert(TEMPLATES, [row | {"id": "standard"}])
    version = {"id": "standard-1", "template": "contractTemplates/standard", "number": 1}
    op.bulk_insert(VERSIONS, [row | version])
