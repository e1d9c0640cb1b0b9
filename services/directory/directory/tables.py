"""What directory stores, and the queries that have a name."""

from typing import Any

from chassis.custom_values import Type
from chassis.database import TIME, Query, enum_column, listed, record_columns
from chassis.spine import saga
from sqlalchemy import (
    Boolean,
    Column,
    Date,
    Integer,
    MetaData,
    Select,
    Table,
    Text,
    UniqueConstraint,
    any_,
    bindparam,
    func,
    literal,
    select,
    text,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from directory.domain.absence import Absence, AbsenceState
from directory.domain.calendar import Calendar
from directory.domain.custom_field import CustomField, Resource
from directory.domain.erasure import Erasure, ErasureState
from directory.domain.people import ServiceAccount, State, Team, User

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
    Column("calendar", Text(collation="C"), nullable=False, server_default="", index=True),
)
service_accounts = _identity("service_accounts", "serviceAccounts")
teams = Table(
    "teams",
    METADATA,
    *record_columns(slug=True),
    Column("display_name", Text, nullable=False),
    Column("parent", Text(collation="C"), nullable=False, index=True, info={"filter": True}),
    Column("calendar", Text(collation="C"), nullable=False, server_default=""),
    Column("external_ids", JSONB, nullable=False, info={"filter": True}),
    info={"collection": "teams"},
)
calendars = Table(
    "calendars",
    METADATA,
    *record_columns(slug=True),
    Column("archive_time", TIME),
    Column("display_name", Text, nullable=False),
    Column("time_zone", Text(collation="C"), nullable=False, index=True, info={"filter": True}),
    Column("versions", JSONB, nullable=False),
    Column("holidays", JSONB, nullable=False),
    Column("holidays_until", Integer, nullable=False),
    Column("holiday_data_version", Text, nullable=False),
    info={"collection": "calendars"},
)
absences = Table(
    "absences",
    METADATA,
    *record_columns(),
    Column("owner", Text(collation="C"), nullable=False, info={"filter": True}),
    Column("team", Text(collation="C"), nullable=False, info={"filter": True}),
    enum_column("state", AbsenceState),
    Column("start_date", Date),
    Column("end_date", Date),
    Column("start_time", TIME),
    Column("end_time", TIME),
    Column("away_start_time", TIME, nullable=False, index=True, info={"filter": True}),
    Column("away_end_time", TIME, nullable=False, index=True, info={"filter": True}),
    info={"collection": "absences"},
)
custom_fields = Table(
    "custom_fields",
    METADATA,
    *record_columns(slug=True),
    Column("archive_time", TIME),
    Column("display_name", Text, nullable=False),
    enum_column("resource", Resource),
    Column("slug", Text(collation="C"), nullable=False),
    enum_column("type", Type),
    Column("description", Text, nullable=False),
    Column("max_length", Integer, nullable=False),
    Column("range", JSONB, nullable=False),
    Column("options", JSONB, nullable=False),
    Column("required", Boolean, nullable=False),
    *(Column(name, Boolean, nullable=False, info={"filter": True}) for name in ("indexed", "personal")),
    info={"collection": "customFields"},
)
listed(absences, "owner", "team", "state")
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

RECORDS = {
    User: users,
    ServiceAccount: service_accounts,
    Team: teams,
    Erasure: erasures,
    Calendar: calendars,
    Absence: absences,
    CustomField: custom_fields,
}

OTHER_ADMINISTRATORS = Query(
    select(users.c.id)
    .where(text("""roles @> '["administrator"]'"""), users.c.state == "ACTIVE", users.c.id != bindparam("id"))
    .limit(1)
)


def _work_by(table: Table) -> Select[Any]:
    """Who in `table` works by a calendar."""
    name = (literal(f"{table.name}/") + table.c.id).label("name")
    return select(name).where(table.c.calendar == bindparam("calendar", type_=Text))


WORK_BY = Query(union_all(_work_by(users), _work_by(teams)).limit(1))
CUSTOM_FIELDS_OF = Query(
    select(
        func.count().label("all"), func.count().filter(custom_fields.c.archive_time.is_(None)).label("in_use")
    ).where(custom_fields.c.resource == bindparam("resource", type_=Text))
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
