"""The stage of the matrix: all services and a real gateway, a person of each role with a real token, and records at
every place. Services are started once; records are copied from one of their kind, straight into the tables."""

import asyncio
import itertools
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import grpc.aio
import httpx
from chassis.settings import SERVICES, variable
from chassis.stack.ports import free_ports
from chassis.testing import Backend
from chassis.values import new_id
from expected import INVISIBLE, PLACES, ROLES
from gateway.contract import Rpc
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from harness import PEOPLE, TEAMS, Issuer, Person, Running, start, until
from recipes import IMPORT

from chassis import operations, statements

ROOT = "users/root"
MORE_TEAMS = {"teams/below": "teams/north"}
TEAM_AT = {"own": "teams/north", "colleague": "teams/north", "below": "teams/below", "foreign": "teams/south"}
TEAM_AT["customer"] = TEAM_AT["foreign"]
OWNER_AT = {"colleague": "users/colleague", "below": "users/below", "foreign": "users/foreign"}
OWNER_AT["customer"] = OWNER_AT["foreign"]
CUSTOMERS_ACCOUNT = new_id()
OUTCOMES = {200: "allowed", 302: "allowed", 403: "forbidden", 404: INVISIBLE, 400: "refused"}
CODES = {"OK": 200, "PERMISSION_DENIED": 403, "NOT_FOUND": 404, "INVALID_ARGUMENT": 400, "FAILED_PRECONDITION": 400}
# Nobody there; and nobody is asked, for the leads here say nothing of their companies.
SOURCES = '[{"source": "none", "url": "http://127.0.0.1:9/{company}", "fields": {"region": "/region"}}]'
PROSPECTS = '[{"source": "none", "url": "http://127.0.0.1:9/{countries}", "fields": {"company": "/name"}}]'
BUSY = (429, 503)  # the gateway asks for patience: on a loaded machine it may
UNWATCHED = {"read_alarm": 10**9, "read_limit": 10**9, "system_read_alarm": 10**9, "system_read_limit": 10**9}


def person(role: str) -> str:
    kind = "serviceAccounts" if role in ("integration", "importer") else "users"
    return f"{kind}/{role.replace('_', '-')}"


def owner_at(place: str, role: str) -> str:
    return person(role) if place == "own" else OWNER_AT[place]


def members() -> list[Person]:
    """Somebody of each role in the same team, and the owners of what lies elsewhere."""
    account = f"accounts/{CUSTOMERS_ACCOUNT}"
    found = [Person(person(role), (role,), "" if role == "portal_customer" else "teams/north") for role in ROLES]
    found = [replace(one, account=account) if "portal_customer" in one.roles else one for one in found]
    return [*PEOPLE, *found, *(Person(name, ("salesperson",), TEAM_AT[place]) for place, name in OWNER_AT.items())]


@dataclass
class Stage:
    """What is running. `base` are the records every role looks at: (kind, place, role, if the place is own) → name."""

    services: dict[str, Running]
    http: httpx.AsyncClient
    channel: grpc.aio.Channel
    issuer: Issuer
    templates: dict[str, Any] = field(default_factory=dict)  # kind → (service, record)
    base: dict[tuple[str, str, str], Any] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    numbers: Any = field(default_factory=lambda: itertools.count(900_000))

    def token(self, who: str) -> str:
        return self.tokens.setdefault(who, self.issuer.token(who))

    # ---- records

    def account(self, place: str, role: str) -> str:
        return self.base["account", place, role if place == "own" else ""].name

    def record(self, kind: str, place: str, role: str) -> Any:
        return self.base[kind, place, role if place == "own" else ""]

    def copy(self, kind: str, place: str, role: str) -> Any:
        """A new record of a kind at a place, not stored yet."""
        _, like = self.templates[kind]
        key = new_id()
        given: dict[str, Any] = {"id": key, "owner": owner_at(place, role), "team": TEAM_AT[place]}
        if (
            kind not in ("account", "archived account")
            and ("account", place, role if place == "own" else "") in self.base
        ):
            given["account"] = given["subject"] = self.account(place, role)
        if like.collection in ("leadResponses", "cadenceEnrolments", "interactions", "callListEntries"):
            given["lead"] = f"leads/{key}"  # one clock of a number, and one cadence, each
        if like.collection == "leadEnrichments":
            given["lead"] = f"leads/{key}"
        if like.collection == "prospects":
            given["key"] = key  # a search has the same once
        if like.collection == "materialLinks":
            given["material"] = f"materials/{key}"  # a person has one link to each
        if like.collection == "notificationDeliveries":
            given["notification"] = f"notifications/{key}"  # each is sent once by one way
        if like.collection == "users":
            given["subject"] = f"users/{key}"
        if like.collection == "serviceAccounts":
            given["subject"] = f"serviceAccounts/{key}"
        if kind == "customer":
            given["id"] = self.account(place, role).partition("/")[2]
        given |= {"number": f"M-{next(self.numbers)}", "order_number": key, "external_ids": [], "journey_id": new_id()}
        if like.collection in ("users", "serviceAccounts"):
            given = {name: value for name, value in given.items() if name not in ("team", "account")}
        elif not hasattr(like, "owner"):
            given = {name: given[name] for name in ("id", "external_ids")}
        if kind == "lead" or like.collection == "leads":
            given["account"] = ""
        return replace(like, **{name: value for name, value in given.items() if _settable(like, name)})

    async def store(self, records: Iterable[tuple[str, Any]]) -> None:
        """Puts copies into the tables of their services: (kind, record) pairs. Of a converted lead sales knows, too."""
        by_kind: dict[tuple[str, type], list[Any]] = {}
        wanted = list(records)
        for lead in [record.name for kind, record in wanted if kind == "converted lead"]:
            like = self.templates["lead acceptance"][1]
            wanted.append(("lead acceptance", replace(like, id=like.id_of(lead, 0), lead=lead)))
        for kind, record in wanted:
            by_kind.setdefault((self.templates[kind][0], type(record)), []).append(record)
        for (service, kind), found in by_kind.items():
            context = self.services[service].process.context
            mapper = context.mappers[kind]
            async with context.database.transaction() as connection:
                await connection.executemany(statements.insert_record(mapper), [mapper.dump(one) for one in found])

    # ---- calls

    async def rest(self, rpc: Rpc, request: Message, who: str) -> tuple[int, str, Any]:
        """(HTTP status, what the error says, the answer)."""
        rule, body = rpc.rules[0], MessageToDict(request)
        url = re.sub(r"\{([a-z_.]+)=[^}]*\}", lambda found: _value(request, found[1]), rule.template)
        for path in re.findall(r"\{([a-z_.]+)=", rule.template):
            _drop(body, [_camel(part) for part in path.split(".")])
        sent = body if rule.body == "*" else body.pop(_camel(rule.body), {}) if rule.body else None
        given = {
            "params": body if rule.body != "*" else None,
            "content": None if sent is None else json.dumps(sent),
            "headers": {"authorization": f"Bearer {self.token(who)}", "content-type": "application/json"},
        }
        if rpc.server_streaming:
            given["headers"]["request-timeout"] = "1"
        while (answer := await self.http.request(rule.method, url, **given)).status_code in BUSY or _raced(answer.text):
            await asyncio.sleep(float(answer.headers.get("retry-after", 1)))
        if answer.status_code != 200:
            return answer.status_code, answer.text, None
        if rpc.server_streaming:
            return 200, "", answer.text
        return 200, "", answer.content if rpc.reply.full_name == "google.api.HttpBody" else answer.json()

    async def grpc(self, rpc: Rpc, request: Message, who: str) -> tuple[int, str, Any]:
        """The same over gRPC, in the same terms."""
        call = getattr(self.channel, "unary_stream" if rpc.server_streaming else "unary_unary")(
            rpc.path,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=rpc.reply_class.FromString,
        )
        while True:
            try:
                asked = call(request, metadata=[("authorization", f"Bearer {self.token(who)}")], timeout=20)
                answer = await (asked.read() if rpc.server_streaming else asked)
                asked.cancel()
                break
            except grpc.aio.AioRpcError as error:
                said = f"{error.code().name} {error.details()} {_info(error)}"
                if "TOO_BUSY" not in said and "TOO_MANY_AT_ONCE" not in said and not _raced(said):
                    return CODES.get(error.code().name, 599), said, None
            await asyncio.sleep(1)
        if rpc.reply.full_name == "google.api.HttpBody":
            return 200, "", answer.data
        return 200, "", MessageToDict(answer)


def _raced(said: str) -> bool:
    """Callers of all roles change the few records that a company has once; who loses too often is to repeat."""
    return "Too many others change this record" in said


def _settable(record: Any, name: str) -> bool:
    return name in type(record).__dataclass_fields__


def _info(error: grpc.aio.AioRpcError) -> str:
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(value).details:
                info = error_details_pb2.ErrorInfo()
                if detail.Unpack(info):
                    return f"{info.reason} {dict(info.metadata)}"
    return ""


def _value(message: Any, path: str) -> str:
    for part in path.split("."):
        message = getattr(message, part)
    return str(message)


def _drop(body: dict[str, Any], path: list[str]) -> None:
    for part in path[:-1]:
        body = body.get(part, {})
    body.pop(path[-1], None)


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)


@asynccontextmanager
async def open_stage(backend: Backend, issuer: Issuer) -> AsyncIterator[Stage]:
    """Starts everything and puts the base records in place."""
    services: dict[str, Running] = {}
    os.environ["ENRICHMENT_SOURCES"], os.environ["PROSPECT_SOURCES"] = SOURCES, PROSPECTS
    most_running, operations.MOST_RUNNING = operations.MOST_RUNNING, sys.maxsize  # all cells of a role are one person's
    for name in reversed(SERVICES):  # leads calls sales: its address is read when the first call is made
        services[name] = await start(name, backend, issuer, members(), oidc_token_url=issuer.token_url, **UNWATCHED)
        await services[name].know(teams=TEAMS | MORE_TEAMS)
        os.environ[variable("UPSTREAM", name)] = services[name].address
    http_port, grpc_port, admin_port = free_ports(3)
    addresses = {"HTTP_ADDRESS": http_port, "GRPC_ADDRESS": grpc_port, "ADMIN_ADDRESS": admin_port}
    env = os.environ | {name: f"127.0.0.1:{port}" for name, port in addresses.items()}
    gateway = await asyncio.create_subprocess_exec(sys.executable, "-m", "gateway", env=env)
    base_url = f"http://127.0.0.1:{http_port}"
    try:
        async with (
            httpx.AsyncClient(base_url=base_url, timeout=60, trust_env=False) as http,
            grpc.aio.insecure_channel(f"127.0.0.1:{grpc_port}") as channel,
        ):
            stage = Stage(services, http, channel, issuer)
            await until(lambda: _answers(http), "the gateway answers")
            await _furnish(stage)
            yield stage
    finally:
        for name in ("ENRICHMENT_SOURCES", "PROSPECT_SOURCES"):
            os.environ.pop(name)
        operations.MOST_RUNNING = most_running
        gateway.terminate()
        await gateway.wait()
        for name, running in services.items():
            await running.stop()
            os.environ.pop(variable("UPSTREAM", name), None)


async def _answers(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/v1/leads")).status_code == 401
    except httpx.TransportError:
        return False


# Everybody made an import, of leads that are gone.
IMPORTED = (
    "INSERT INTO lead_import_rows (import_id, owner, lead_id, version)"
    " SELECT $1::uuid, owner, gen_random_uuid(), 1 FROM unnest($2::text[]) AS people(owner)"
)


async def _furnish(stage: Stage) -> None:
    """One record of each kind by the services' own calls, then copies of it at every place."""
    from furniture import furnish

    await furnish(stage)
    await _place(stage, "account", CUSTOMERS_ACCOUNT)
    await _neighbours_accounts(stage)
    await stage.services["leads"].rows(IMPORTED, IMPORT, [person(role) for role in ROLES])
    for kind, (_, like) in stage.templates.items():
        if hasattr(like, "owner") and kind != "account":
            await _place(stage, kind)


async def _place(stage: Stage, kind: str, customers: str = "") -> None:
    found = {}
    for place in PLACES:
        for role in ROLES if place == "own" else [""]:
            record = stage.copy(kind, place, role)
            if customers and place == "customer":
                record = replace(record, id=customers)
            found[kind, place, role] = record
    stage.base |= found
    await stage.store((kind, record) for record in found.values())


async def _neighbours_accounts(stage: Stage) -> None:
    """What contracts and the service desk know of the accounts."""
    from contracts.domain import Account as ContractsAccount
    from service_desk.domain import Account as DeskAccount

    for service, kind in (("contracts", ContractsAccount), ("service-desk", DeskAccount)):
        context = stage.services[service].process.context
        mapper = context.mappers[kind]
        now = datetime.now(UTC)
        rows = [
            mapper.dump(
                kind(
                    id=record.id, version=1, create_time=now, update_time=now, display_name=record.display_name,
                    owner=record.owner, team=record.team, journey_id=record.journey_id,
                )
            )
            for (what, _, _), record in stage.base.items()
            if what == "account"
        ]  # fmt: skip
        async with context.database.transaction() as connection:
            await connection.executemany(statements.insert_record(mapper), rows)
