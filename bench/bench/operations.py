"""What is measured: one table of operations, each with its requests and what pgbench does instead.

To add one, write a function that makes its calls, one that makes its baseline, and a line in OPERATIONS.
"""

import random
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import quote

from crm.insights.v1 import insights_pb2
from crm.leads.v1 import leads_pb2
from crm.sales.v1 import sales_pb2
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message

from bench import baselines
from bench.baselines import Baseline
from bench.company import CHANNELS, lead, systems
from bench.stand import Stand

PAGE = 50
IMPORTED = 500  # rows of one import
LARGE_PAGES = 20_000
chance = random.Random(4)


@dataclass(frozen=True)
class Call:
    """One request, over REST and over gRPC alike; `message` makes the one of gRPC."""

    caller: str
    verb: str
    path: str
    message: Callable[[], Message]
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


Calls = Callable[[Stand, int], Awaitable[list[Call]]]


@dataclass(frozen=True)
class Operation:
    """`adds` says how many rows of which table each answered call leaves; it is counted after every measurement."""

    name: str
    says: str
    service: str
    rpc: str
    calls: Calls
    baseline: Callable[[Stand, Any], Awaitable[Baseline | None]]
    adds: dict[tuple[str, str], int] = field(default_factory=dict)
    units: int = 1  # that one call does: the rows of an import
    lists: str = ""  # the field of the answer that must hold something
    most_at_once: int = 32  # calls: more would be more than the operation is for

    @property
    def once(self) -> bool:
        """Whether each request can be sent but once: it writes."""
        return bool(self.adds)


def _message(kind: type[Message], content: dict[str, Any]) -> Message:
    return ParseDict(content, kind())


def _serial() -> str:
    return f"98{chance.randrange(10**10):010}"


def _key() -> str:
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))


async def create(stand: Stand, count: int) -> list[Call]:
    made = []
    for number in range(count):
        body, key = lead(_serial(), CHANNELS[number % len(CHANNELS)]), _key()
        message = partial(_message, leads_pb2.CreateLeadRequest, {"lead": body, "requestId": key})
        caller = systems()[number % len(systems())]
        made.append(Call(caller, "POST", "/v1/leads", message, body, {"idempotency-key": key}))
    return made


async def bring(stand: Stand, count: int) -> list[Call]:
    made = []
    for number in range(max(count // 100, 2)):
        rows = [lead(_serial(), CHANNELS[row % len(CHANNELS)]) for row in range(IMPORTED)]
        message = partial(_message, leads_pb2.ImportLeadsRequest, {"leads": rows})
        caller = systems()[number % len(systems())]
        made.append(Call(caller, "POST", "/v1/leads:import", message, {"leads": rows}))
    return made


async def get(stand: Stand, count: int) -> list[Call]:
    found = await _some(stand, "leads", "leads", count)
    return [
        Call(row["owner"], "GET", f"/v1/{name}", partial(leads_pb2.GetLeadRequest, name=name))
        for row in found
        for name in [f"leads/{row['id']}"]
    ]


async def update(stand: Stand, count: int) -> list[Call]:
    made = []
    for row in await _some(stand, "leads", "leads", count):
        body, key, name = {"note": f"Called again {_serial()}."}, _key(), f"leads/{row['id']}"
        changed = body | {"name": name, "etag": str(row["version"])}
        asked = {"lead": changed, "updateMask": "note", "requestId": key}
        message = partial(_message, leads_pb2.UpdateLeadRequest, asked)
        headers = {"if-match": f'"{row["version"]}"', "idempotency-key": key}
        made.append(Call(row["owner"], "PATCH", f"/v1/{name}", message, body, headers))
    return made


async def convert(stand: Stand, count: int) -> list[Call]:
    made = []
    for row in await _some(stand, "leads", "leads", count, "state = 'QUALIFIED'"):
        key, name = _key(), f"leads/{row['id']}"
        message = partial(leads_pb2.ConvertLeadRequest, name=name, request_id=key)
        made.append(Call(row["owner"], "POST", f"/v1/{name}:convert", message, {}, {"idempotency-key": key}))
    return made


async def own_leads(stand: Stand, count: int) -> list[Call]:
    return [_list(owner, f'owner = "{owner}"') for owner in await _owners(stand, "leads", "leads")]


async def filtered(stand: Stand, count: int) -> list[Call]:
    rows = await stand.databases["leads"].fetch("SELECT DISTINCT owner, state, channel FROM leads WHERE owner <> ''")
    return [_list(row["owner"], f'state = "{row["state"]}" AND channel = "{row["channel"]}"') for row in rows]


def _list(caller: str, asked: str) -> Call:
    message = partial(leads_pb2.ListLeadsRequest, filter=asked, page_size=PAGE)
    return Call(caller, "GET", f"/v1/leads?pageSize={PAGE}&filter={quote(asked)}", message)


async def board(stand: Stand, count: int) -> list[Call]:
    """A column of the board: a salesperson's open deals in a stage."""
    sql = "SELECT DISTINCT owner, pipeline, stage FROM opportunities WHERE state = 'OPEN'"
    made = []
    for row in await stand.databases["sales"].fetch(sql):
        asked = f'pipeline = "{row["pipeline"]}" AND stage = "{row["stage"]}" AND state = "OPEN"'
        message = partial(sales_pb2.ListOpportunitiesRequest, filter=asked, page_size=PAGE)
        path = f"/v1/opportunities?pageSize={PAGE}&filter={quote(asked)}"
        made.append(Call(row["owner"], "GET", path, message))
    return made


async def summary(stand: Stand, count: int) -> list[Call]:
    """Everybody sees what lies open within his own reach."""
    name = "pipelines/default"
    message = partial(sales_pb2.GetPipelineSummaryRequest, name=name)
    return [Call(owner, "GET", f"/v1/{name}:summary", message) for owner in await _owners(stand, "sales", "accounts")]


async def customer(stand: Stand, count: int) -> list[Call]:
    return [
        Call(row["owner"], "GET", f"/v1/{name}", partial(insights_pb2.GetCustomerRequest, name=name))
        for row in await _some(stand, "insights", "customers", count)
        for name in [f"customers/{row['id']}"]
    ]


async def timeline(stand: Stand, count: int) -> list[Call]:
    return [
        Call(row["owner"], "GET", f"/v1/{name}/timeline", partial(insights_pb2.ListTimelineRequest, parent=name))
        for row in await _some(stand, "insights", "customers", count)
        for name in [f"customers/{row['id']}"]
    ]


async def report(stand: Stand, count: int) -> list[Call]:
    return [Call(who, "GET", "/v1/reports/channels", insights_pb2.GetChannelReportRequest) for who in systems()]


async def _some(stand: Stand, service: str, table: str, count: int, where: str = "true") -> list[Any]:
    """At most so many records at random, with whom they belong to; of a large table a fifth is drawn from."""
    database = stand.databases[service]
    pages = await database.fetchval("SELECT relpages FROM pg_class WHERE relname = $1", table)
    sql = (
        f"SELECT id, owner, version FROM {table} TABLESAMPLE SYSTEM ($2)"
        f" WHERE owner LIKE 'users/%' AND {where} ORDER BY random() LIMIT $1"
    )
    return list(await database.fetch(sql, count, 100.0 if pages < LARGE_PAGES else 20.0))


async def _owners(stand: Stand, service: str, table: str) -> list[str]:
    sql = f"SELECT DISTINCT owner FROM {table} WHERE owner LIKE 'users/%' ORDER BY owner"
    return [row["owner"] for row in await stand.databases[service].fetch(sql)]


LEADS, SALES, INSIGHTS = "crm.leads.v1.LeadService", "crm.sales.v1.SalesService", "crm.insights.v1.InsightsService"
LEAD_AND_EVENT = {("leads", "leads"): 1, ("leads", "outbox"): 1}
CONVERTED = {("leads", "outbox"): 2, ("sales", "accounts"): 1, ("sales", "contacts"): 1, ("sales", "opportunities"): 1}

OPERATIONS = [
    Operation("create", "a lead", "leads", f"{LEADS}/CreateLead", create, baselines.create, adds=LEAD_AND_EVENT),
    Operation("get", "a lead", "leads", f"{LEADS}/GetLead", get, baselines.get),
    Operation(
        "update", "a lead, with its etag", "leads", f"{LEADS}/UpdateLead", update, baselines.update,
        adds={("leads", "leads"): 0, ("leads", "outbox"): 1},
    ),
    Operation(
        "list", "50 of an owner, newest first", "leads", f"{LEADS}/ListLeads", own_leads, baselines.own_leads,
        lists="leads",
    ),
    Operation(
        "filtered", "50 by state and channel", "leads", f"{LEADS}/ListLeads", filtered, baselines.filtered,
        lists="leads",
    ),
    Operation("convert", "four records, two services", "leads", f"{LEADS}/ConvertLead", convert, baselines.none,
              adds=CONVERTED),
    Operation(
        "board", "a column: open deals in a stage", "sales", f"{SALES}/ListOpportunities", board, baselines.board,
        lists="opportunities",
    ),
    Operation("summary", "of a pipeline", "sales", f"{SALES}/GetPipelineSummary", summary, baselines.none,
              lists="stages"),
    Operation("360", "a customer", "insights", f"{INSIGHTS}/GetCustomer", customer, baselines.customer),
    Operation(
        "timeline", "of a customer", "insights", f"{INSIGHTS}/ListTimeline", timeline, baselines.timeline,
        lists="entries",
    ),
    Operation("channels", "the report", "insights", f"{INSIGHTS}/GetChannelReport", report, baselines.none,
              lists="channels", most_at_once=16),
    Operation(
        "import", f"{IMPORTED} leads a call", "leads", f"{LEADS}/ImportLeads", bring, baselines.copy,
        adds=dict.fromkeys(LEAD_AND_EVENT, IMPORTED), units=IMPORTED, most_at_once=2,
    ),
]  # fmt: skip
