"""Which leads each import created, and what happened to them since."""

from chassis.database import TIME, Query, record_columns
from chassis.seals import EVENT
from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, Table, Text, bindparam, select, text
from sqlalchemy.dialects.postgresql import JSONB, UUID

from leads.domain.import_mapping import LeadImportMapping
from leads.follow_up_tables import METADATA

# What an import itself did.
IMPORTS = "('crm.leads.v1.LeadService/ImportLeads', 'crm.leads.v1.LeadImportService/ImportLeadRows')"


mappings = Table(
    "lead_import_mappings",
    METADATA,
    *record_columns(slug=True),
    Column("archive_time", TIME),
    Column("display_name", Text, nullable=False),
    *(Column(name, JSONB, nullable=False) for name in ("columns", "defaults")),
    Column("date_order", Text(collation="C"), nullable=False),
    Column("key_column", Text, nullable=False),
    Column("system", Text(collation="C"), nullable=False),
    info={"collection": "leadImportMappings"},
)
RECORDS = {LeadImportMapping: mappings}
lead_import_rows = Table(
    "lead_import_rows",
    METADATA,
    Column("import_id", UUID(as_uuid=False), nullable=False),
    Column("owner", Text, nullable=False),  # who imported
    Column("lead_id", UUID(as_uuid=False), nullable=False),
    Column("version", BigInteger, nullable=False),  # of the lead, as the import left it
    PrimaryKeyConstraint("import_id", "owner", "lead_id"),
)

CREATED = (
    "INSERT INTO lead_import_rows (import_id, owner, lead_id, version)"
    " SELECT $1::uuid, $2::text, id, 1 FROM unnest($3::uuid[]) AS made(id)"
)
# What the import itself changes of its leads is no touch; unless somebody came between.
CHANGED = (
    "UPDATE lead_import_rows r SET version = r.version + 1 FROM unnest($3::uuid[], $4::bigint[]) AS made(id, version)"
    " WHERE r.import_id = $1::uuid AND r.owner = $2::text AND r.lead_id = made.id AND r.version = made.version"
)
TAKEN_BACK = (
    "DELETE FROM lead_import_rows WHERE import_id = $1::uuid AND owner = $2::text AND lead_id = any($3::uuid[])"
)


# The rows of an import behind a lead, in the order of their ids.
ROWS = Query(
    select(lead_import_rows.c.lead_id, lead_import_rows.c.version)
    .where(
        lead_import_rows.c.import_id == bindparam("import_id"),
        lead_import_rows.c.owner == bindparam("owner"),
        lead_import_rows.c.lead_id > bindparam("after"),
    )
    .order_by(lead_import_rows.c.lead_id)
    .limit(bindparam("limit"))
)
# Of leads with the version that an import left them with: how far their published history goes, and whether a person or
# another system did something with them after. What the suite does by itself, such as giving a lead to somebody by the
# policy, is no touch.
SINCE = Query(
    text(
        "SELECT asked.subject, max(o.version) AS told, coalesce(bool_or(o.origin NOT LIKE 'services/%' AND"
        f" (o.version > asked.version OR (o.version = asked.version AND o.operation NOT IN {IMPORTS}))), false)"
        " AS touched"
        " FROM unnest(CAST(:subjects AS text[]), CAST(:versions AS bigint[])) AS asked (subject, version)"
        f" LEFT JOIN audit_seal s ON s.subject = asked.subject AND s.kind = '{EVENT}'"
        " LEFT JOIN outbox o ON o.id = s.id GROUP BY asked.subject"
    )
)
