"""What leads stores about bulk edits: the edits, and what becomes of each of their leads."""

from chassis.database import TIME, Query, listed, record_columns
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    Select,
    Table,
    Text,
    bindparam,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from leads.domain.bulk_edit import LeadBulkEdit
from leads.follow_up_tables import METADATA

bulk_edits = Table(
    "lead_bulk_edits",
    METADATA,
    *record_columns(),
    Column("owner", Text(collation="C"), nullable=False, info={"filter": True}),
    Column("team", Text(collation="C"), nullable=False, info={"filter": True}),
    Column("filter", Text, nullable=False),
    Column("segment", Text(collation="C"), nullable=False),
    Column("include_closed", Boolean, nullable=False),
    *(Column(name, JSONB, nullable=False) for name in ("lead", "fields")),
    *(
        Column(name, Text(collation="C"), nullable=False)
        for name in ("preview_operation", "operation", "undo_operation")
    ),
    *(Column(name, TIME) for name in ("preview_time", "start_time", "undo_until")),
    *(
        Column(name, Integer, nullable=False)
        for name in ("selected", "changing", "unchanged", "refused", "changed", "undone", "left")
    ),
    Column("refusals", JSONB, nullable=False),
    info={"collection": "leadBulkEdits"},
)
listed(bulk_edits, "owner", "team")
items = Table(
    "lead_bulk_edit_items",
    METADATA,
    Column("edit_id", UUID(as_uuid=False), primary_key=True),
    Column("lead_id", UUID(as_uuid=False), primary_key=True),
    Column("outcome", Text(collation="C"), nullable=False),
    Column("reason", Text(collation="C"), nullable=False, server_default=""),
    Column("message", Text, nullable=False, server_default=""),
    Column("version", BigInteger, nullable=False, server_default="0"),
    *(Column(name, JSONB, nullable=False, server_default="{}") for name in ("before", "after")),
    Column("left_fields", JSONB, nullable=False, server_default="[]"),
)
# A step does the leads that are where the step before left them, in this order.
Index("lead_bulk_edit_items_outcome", items.c.edit_id, items.c.outcome, items.c.lead_id)
Index("lead_bulk_edit_items_lead", items.c.lead_id)
RECORDS = {LeadBulkEdit: bulk_edits}

SELECT_NAMED = (
    "INSERT INTO lead_bulk_edit_items (edit_id, lead_id, outcome)"
    " SELECT $1::uuid, id, 'WAITING' FROM unnest($2::uuid[]) AS named(id)"
)
COUNT = "SELECT count(*) AS number FROM lead_bulk_edit_items WHERE edit_id = $1::uuid"
WRITE = (
    "UPDATE lead_bulk_edit_items SET outcome = $3::text, reason = $4::text, message = $5::text, version = $6::bigint,"
    " before = $7::jsonb, after = $8::jsonb, left_fields = $9::jsonb WHERE edit_id = $1::uuid AND lead_id = $2::uuid"
)
# An erased person's leads: nothing that was said of them is given back.
FORGET_LEADS = "DELETE FROM lead_bulk_edit_items WHERE lead_id = any($1::uuid[]) RETURNING 1"
# A day to be started, thirty to be taken back, and one to spare.
PRUNE = (
    "WITH old AS (SELECT id FROM lead_bulk_edits WHERE create_time < now() - interval '32 days' ORDER BY id LIMIT 1),"
    " gone AS (DELETE FROM lead_bulk_edit_items i USING old WHERE i.edit_id = old.id)"
    " DELETE FROM lead_bulk_edits e USING old WHERE e.id = old.id RETURNING 1"
)


def _behind() -> Select[tuple[object, ...]]:
    """Items of an edit behind a lead, in the order of the leads."""
    return (
        select(*(column for column in items.columns if column.name != "edit_id"))
        .where(items.c.edit_id == bindparam("edit"), items.c.lead_id > bindparam("after"))
        .order_by(items.c.lead_id)
        .limit(bindparam("limit"))
    )


ITEMS = Query(_behind())
LEFT = Query(
    select(items.c.reason, func.count().label("leads"))
    .where(items.c.edit_id == bindparam("edit"), items.c.outcome == literal_column("'LEFT'"))
    .group_by(items.c.reason)
)
TAKE_UP = "UPDATE lead_bulk_edit_items SET outcome = 'CHANGED' WHERE edit_id = $1::uuid AND outcome = 'LEFT'"
ITEMS_OF_OUTCOME = Query(_behind().where(items.c.outcome == bindparam("outcome")))


def select_listed(statement: str, edit_at: int) -> str:
    """SQL: the leads of a statement become an edit's items; how many. The edit is parameter `edit_at`."""
    return (
        "WITH made AS (INSERT INTO lead_bulk_edit_items (edit_id, lead_id, outcome)"
        f" SELECT ${edit_at}::uuid, listed.id, 'WAITING' FROM ({statement}) listed RETURNING 1)"
        " SELECT count(*) AS number FROM made"
    )
