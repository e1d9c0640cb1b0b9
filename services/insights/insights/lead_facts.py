"""What became of leads, kept as events tell it: a row for each lead as it was last told, one for each event that told
of it, and the campaign that brought it. The order of events leaves no mark.
"""

from datetime import UTC, datetime
from typing import Any

from chassis.columns import TIME
from chassis.events import Event
from chassis.records import placeholders, sql_type
from chassis.values import id_of
from crm.leads.v1 import leads_pb2
from sqlalchemy import BigInteger, Column, Index, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import UUID

METADATA = MetaData()
State = leads_pb2.Lead.State
NAME = Text(collation="C")
MOST_CAMPAIGN = 100  # characters

# When each step was first come to: the first that any event told, whatever became of it since.
FIRST = ("assign_time", "touch_time", "accept_time")
# What the newest event says.
LAST: tuple[str, ...] = ("epoch", "version", "owner", "team", "channel", "state", "reason", "contact_time")
LAST += ("mql_time", "sal_time", "sql_time", "convert_time")


def _told() -> list[Column[Any]]:
    return [
        Column("epoch", UUID(as_uuid=False), nullable=False),
        Column("version", BigInteger, nullable=False),
        *(Column(name, NAME, nullable=False) for name in ("owner", "team", "channel", "state", "reason")),
        *(Column(name, TIME) for name in ("contact_time", *FIRST, "mql_time", "sal_time", "sql_time", "convert_time")),
    ]


facts = Table(
    "lead_facts",
    METADATA,
    Column("lead", UUID(as_uuid=False), primary_key=True),
    *_told(),
    Column("record_time", TIME, nullable=False, server_default="infinity"),  # when anything was last told of it
)
Index("lead_facts_contact_time", facts.c.contact_time)
history = Table(
    "lead_history",
    METADATA,
    Column("event_id", UUID(as_uuid=False), primary_key=True),
    Column("lead", UUID(as_uuid=False), nullable=False),
    Column("record_time", TIME, nullable=False),
    *_told(),
)
newest_first = (history.c.epoch.desc(), history.c.version.desc(), history.c.event_id.desc())
Index("lead_history_lead", history.c.lead, *newest_first)
campaigns = Table(
    "lead_campaigns",
    METADATA,
    Column("lead", UUID(as_uuid=False), primary_key=True),
    Column("campaign", Text, nullable=False),
    Column("event_time", TIME, nullable=False),
    Column("event_id", UUID(as_uuid=False), nullable=False),
    Column("record_time", TIME, nullable=False),
)
TABLES = (facts, history, campaigns)

_LASTS, _FIRSTS = ", ".join(LAST), ", ".join(FIRST)
_KNOWN = ", ".join(f"known.{name}" for name in (*LAST, *FIRST))
_FIRST_BY_THEN = ", ".join(f"min({name}) OVER () AS {name}" for name in FIRST)
# The facts as they were known at a moment. Of a lead of which nothing was told since, they are those of now.
AT = (
    f"SELECT lead, {_LASTS}, {_FIRSTS} FROM lead_facts WHERE record_time <= CAST(:as_of AS timestamptz)"
    f" UNION ALL SELECT f.lead, {_KNOWN} FROM lead_facts f CROSS JOIN LATERAL (SELECT {_LASTS}, {_FIRST_BY_THEN}"
    "  FROM lead_history h WHERE h.lead = f.lead AND h.record_time <= CAST(:as_of AS timestamptz)"
    "  ORDER BY h.epoch DESC, h.version DESC, h.event_id DESC LIMIT 1) known"
    " WHERE f.record_time > CAST(:as_of AS timestamptz)"
)


def effects(event: Event, record: Any) -> list[tuple[str, Table, str, list[Any]]]:
    """What an event leaves here: (name, table, what to do with a row that is there, the row)."""
    collection = event.subject.partition("/")[0]
    if collection == "leads":
        told = {"event_id": event.id, "lead": id_of(event.subject), "record_time": event.record_time}
        told |= _row(event, record)
        return [
            ("fact", facts, _KEEP, [told[name] for name in facts.columns.keys()]),  # noqa: SIM118
            ("past", history, "DO NOTHING", [told[name] for name in history.columns.keys()]),  # noqa: SIM118
        ]
    if collection == "captures" and event.type.endswith(".LeadCaptured") and record.lead:
        campaign = record.campaign.get("campaign", "").strip()[:MOST_CAMPAIGN]
        if campaign or event.again:
            row = [id_of(record.lead), campaign, event.event_time, event.id, event.record_time]
            return [("campaign", campaigns, _ERASE if event.again else _EARLIER, row)]
    return []


def sql(table: Table, first: int, conflict: str) -> str:
    casts = [sql_type(column) for column in table.columns]
    key = ", ".join(table.primary_key.columns.keys())
    columns = ", ".join(table.columns.keys())
    return f"INSERT INTO {table.name} ({columns}) VALUES ({placeholders(casts, first)}) ON CONFLICT ({key}) {conflict}"


def state(number: int) -> str:
    """A lead's state as it is kept: by its number, since an event may tell of one that only a later release has a name
    for, and what is kept of it stays as it is."""
    return str(number)


def _row(event: Event, lead: Any) -> dict[str, Any]:
    touched = [one for one in (_time(lead, "last_outbound_time"), _time(lead, "last_call_time")) if one]
    return {
        "epoch": event.epoch,
        "version": event.version,
        "owner": lead.owner,
        "team": lead.team,
        "channel": lead.channel,
        "state": state(lead.state),
        "reason": lead.disqualify_reason if lead.state == State.DISQUALIFIED else "",
        "contact_time": _time(lead, "contact_time") or _time(lead, "create_time"),
        "assign_time": _time(lead, "assign_time"),
        "touch_time": min(touched, default=None),
        "accept_time": event.event_time if event.type.endswith(".LeadAccepted") else None,
        "mql_time": _time(lead, "mql_time"),
        "sal_time": _time(lead, "sal_time"),
        "sql_time": _time(lead, "sql_time"),
        "convert_time": _time(lead, "close_time") if lead.state == State.CONVERTED else None,
    }


def _time(record: Any, name: str) -> datetime | None:
    return getattr(record, name).ToDatetime(tzinfo=UTC) if record.HasField(name) else None


def _kept() -> str:
    newer = "(excluded.epoch, excluded.version) > (lead_facts.epoch, lead_facts.version)"
    first = [f"{name} = least(lead_facts.{name}, excluded.{name})" for name in FIRST]
    last = [f"{name} = CASE WHEN {newer} THEN excluded.{name} ELSE lead_facts.{name} END" for name in LAST]
    told = "record_time = greatest(lead_facts.record_time, excluded.record_time)"
    return f"DO UPDATE SET {', '.join([*first, *last, told])}"


_KEEP = _kept()
_SET_CAMPAIGN = "DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in ("campaign", "event_time", "event_id", "record_time")
)
_EARLIER = (
    f"{_SET_CAMPAIGN} WHERE (excluded.event_time, excluded.event_id)"
    " < (lead_campaigns.event_time, lead_campaigns.event_id)"
)
_ERASE = f"{_SET_CAMPAIGN} WHERE excluded.event_id = lead_campaigns.event_id"
