"""Contracts, templates with their versions, documents, and the template everybody starts with."""

from datetime import UTC, datetime

from alembic import op
from contracts.tables import METADATA, template_versions, templates

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
    METADATA.create_all(op.get_bind())
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
    op.bulk_insert(templates, [row | {"id": "standard"}])
    version = {"id": "standard-1", "template": "contractTemplates/standard", "number": 1}
    op.bulk_insert(template_versions, [row | version])
