"""What leads stores about the links by which people look after their own data."""

from chassis.database import TIME, record_columns
from sqlalchemy import Column, Integer, Table, Text

from leads.domain.own_data import OwnDataLink
from leads.follow_up_tables import METADATA

links = Table(
    "own_data_links",
    METADATA,
    *record_columns(),
    *(Column(name, Text(collation="C"), nullable=False) for name in ("lead", "owner", "team")),
    Column("token_hash", Text(collation="C"), unique=True),
    Column("expire_time", TIME),
    Column("withdraw_time", TIME),
    Column("change_count", Integer, nullable=False),
    Column("change_time", TIME),
    info={"collection": "ownDataLinks"},
)
RECORDS: dict[type, Table] = {OwnDataLink: links}

HAND_OVER = (
    "UPDATE own_data_links SET owner = $2::text, team = $3::text, version = version + 1"
    " WHERE id = substr($1::text, 7)::uuid AND (owner, team) <> ($2::text, $3::text)"
)
FORGET_LEADS = "DELETE FROM own_data_links WHERE id = any($1::uuid[]) RETURNING 1"
