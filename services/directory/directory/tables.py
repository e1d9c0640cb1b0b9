"""What directory stores, and the queries that have a name."""

from chassis.database import TIME, Query, enum_column, listed, record_columns
from chassis.spine import saga
from sqlalchemy import Column, MetaData, Table, Text, UniqueConstraint, any_, bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from directory.domain import Erasure, ErasureState, ServiceAccount, State, Team, User

METADATA = MetaData()


def _identity(name: str, collection: str, *more: Column) -> Table:
    return Table(
        name,
        METADATA,
        *record_columns(slug=True),
        Column("display_name", Text, nullable=False),
        *more,
        Column("team", Text(collation="C"), nullable=False, index=True, info={"filter": True}),
        Column("roles", JSONB, nullable=False, info={"filter": True}),
        Column("subject", Text(collation="C"), nullable=False),
        enum_column("state", State),
        Column("external_ids", JSONB, nullable=False, info={"filter": True}),
        info={"collection": collection},
    )


users = _identity(
    "users",
    "users",
    Column("email", Text(collation="C"), nullable=False, index=True, info={"filter": True}),
    Column("account", Text(collation="C"), nullable=False, server_default="", index=True),
)
service_accounts = _identity("service_accounts", "serviceAccounts")
teams = Table(
    "teams",
    METADATA,
    *record_columns(slug=True),
    Column("display_name", Text, nullable=False),
    Column("parent", Text(collation="C"), nullable=False, index=True, info={"filter": True}),
    Column("external_ids", JSONB, nullable=False, info={"filter": True}),
    info={"collection": "teams"},
)
erasures = Table(
    "erasures",
    METADATA,
    *record_columns(),
    enum_column("state", ErasureState),
    Column("records", JSONB, nullable=False),
    Column("retained", JSONB, nullable=False),
    Column("case_reference", Text, nullable=False),
    Column("found", JSONB, nullable=False),
    Column("receipts", JSONB, nullable=False),
    Column("absent_services", JSONB, nullable=False),
    Column("requester", Text, nullable=False),
    Column("complete_time", TIME),
    Column("waiting_for", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("person", JSONB, nullable=False),
    info={"collection": "erasures"},
)
listed(erasures, "state")
subjects = Table(  # one identity per token subject, whichever collection it is in
    "subjects",
    METADATA,
    Column("subject", Text(collation="C"), primary_key=True),
    Column("name", Text(collation="C"), nullable=False),
    UniqueConstraint("name"),
)

RECORDS = {User: users, ServiceAccount: service_accounts, Team: teams, Erasure: erasures}

OTHER_ADMINISTRATORS = Query(
    select(users.c.id)
    .where(text("""roles @> '["administrator"]'"""), users.c.state == "ACTIVE", users.c.id != bindparam("id"))
    .limit(1)
)
TEAM_TREE = Query(select(teams.c.id, teams.c.parent).limit(10_000))
WAITS_FOR = Query(
    select(saga.c.error).where(saga.c.subject == bindparam("name", type_=Text), saga.c.due_time.isnot(None)).limit(1)
)
CLAIMS = Query(
    select(subjects.c.name, subjects.c.subject).where(subjects.c.name == any_(bindparam("names", type_=ARRAY(Text))))
)
GIVE_UP_SUBJECTS = "DELETE FROM subjects WHERE name = any($1::text[])"
CLAIM_OWN_NAMES = (
    "INSERT INTO subjects (subject, name) SELECT one, one FROM unnest($1::text[]) one ON CONFLICT DO NOTHING"
)
ERASED = Query(select(erasures.c.id).where(erasures.c.found.has_key(bindparam("name", type_=Text))).limit(1))
CLAIM_SUBJECT = (
    "INSERT INTO subjects (subject, name) VALUES ($1::text, $2::text)"
    " ON CONFLICT (name) DO UPDATE SET subject = excluded.subject"
)
