"""A service under test: the real process object on real Postgres, NATS and gRPC, and callers with real tokens."""

import asyncio
import importlib
import json
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import grpc
import grpc.aio
import jwt
import msgspec
from chassis.service import Process, Service
from chassis.settings import Settings, package
from chassis.stack.ports import free_ports
from chassis.statuses import from_call
from chassis.testing import Backend, Database
from cryptography.hazmat.primitives.asymmetric import rsa
from google.protobuf.message import Message
from opentelemetry.sdk.trace import TracerProvider

from chassis import members, migrate

ISSUER = "https://issuer.test"
ADMIN = "users/admin"
CHASSIS = {"EventLogService", "AuditService", "PersonalDataService"}  # what every service serves


class Issuer:
    """Signs tokens as the company's OIDC issuer would, and serves its public key over HTTP."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key()))
        document = json.dumps({"keys": [public | {"kid": "test", "use": "sig", "alg": "RS256"}]}).encode()

        class Serve(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(document)

            def do_POST(self) -> None:
                """Client credentials: a token of the client that asks."""
                form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
                answer = {"access_token": issuer.token(form["client_id"][0]), "expires_in": 600}
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(answer).encode())

            def log_message(self, *_: object) -> None:
                pass

        issuer = self
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Serve)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.token_url = f"http://127.0.0.1:{self._server.server_port}/token"
        self.jwks_url = f"http://127.0.0.1:{self._server.server_port}/jwks.json"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def token(self, subject: str, **claims: Any) -> str:
        now = int(time.time())
        body = {"iss": ISSUER, "aud": "crm", "sub": subject, "iat": now, "exp": now + 600} | claims
        return jwt.encode(body, self._key, algorithm="RS256", headers={"kid": "test"})


@dataclass
class Person:
    """A member to put into a service's projection."""

    name: str
    roles: tuple[str, ...]
    team: str = ""
    active: bool = True
    account: str = ""


# The company of the tests: two sales teams below one, an after-sales team, and two systems.
TEAMS = {"teams/sales": "", "teams/north": "teams/sales", "teams/south": "teams/sales", "teams/service": ""}
PEOPLE = [
    Person("users/root", ("administrator",)),
    Person("users/mira", ("sales_manager",), "teams/sales"),
    Person("users/ana", ("salesperson",), "teams/north"),
    Person("users/boris", ("salesperson",), "teams/north"),
    Person("users/chen", ("salesperson",), "teams/south"),
    Person("users/gone", ("salesperson",), "teams/north", active=False),
    Person("users/dora", ("agent",), "teams/service"),
    Person("users/erik", ("contract_manager",), "teams/service"),
    Person("users/marta", ("marketer",)),
    Person("serviceAccounts/importer", ("importer",)),
    Person("serviceAccounts/erp", ("integration",)),
]


@dataclass
class Running:
    """A started service: call it, look into its database, stop it."""

    name: str
    process: Process
    address: str
    admin_address: str
    database: Database
    issuer: Issuer
    provider: TracerProvider
    backend: Backend
    channel: grpc.aio.Channel = field(init=False)

    def __post_init__(self) -> None:
        self.channel = grpc.aio.insecure_channel(self.address)

    async def call(
        self,
        method: str,
        request: Message,
        *,
        by: str = ADMIN,
        acting_for: str = "",
        token: str | None = None,
        timeout: float | None = 10,
        metadata: tuple[tuple[str, str], ...] = (),
    ) -> Any:
        """`method` as `LeadService/GetLead`; `by` is who calls. Errors come as the error tree."""
        service, name = method.split("/")
        full = f"crm.{'chassis' if service in CHASSIS else package(self.name)}.v1.{service}"
        answer = self._answer_class(full, name)
        sent = [("authorization", f"Bearer {self.issuer.token(by) if token is None else token}"), *metadata]
        if acting_for:
            sent.append(("crm-actor", acting_for))
        call = self.channel.unary_unary(
            f"/{full}/{name}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=answer.FromString,
        )
        try:
            return await call(request, metadata=sent, timeout=timeout)
        except grpc.aio.AioRpcError as error:
            raise from_call(error) from error

    @staticmethod
    def _answer_class(service: str, method: str) -> type[Message]:
        from google.protobuf import descriptor_pool, message_factory

        found = descriptor_pool.Default().FindServiceByName(service).methods_by_name[method]
        return message_factory.GetMessageClass(found.output_type)

    async def rows(self, sql: str, *arguments: Any) -> list[Any]:
        return await self.process.context.database.fetch(sql, arguments)

    async def events(self, subject: str) -> list[str]:
        """The short names of the events about a record, in order."""
        rows = await self.rows("SELECT type FROM outbox WHERE subject = $1 ORDER BY id", subject)
        return [row["type"].rpartition(".")[2] for row in rows]

    async def react(self, event: Message, **attributes: Any) -> bool:
        """Brings an event to the service as its consumer would; answers whether it was new."""
        return await self.process._inbox.apply(arrived(event, **attributes))

    async def know(self, *people: Person, teams: dict[str, str] | None = None) -> None:
        """Puts people and teams into the service's members."""
        for person in people:
            roles = msgspec.json.encode(person.roles).decode()
            title = person.name.split("/")[1].title()
            row = (person.name, person.name, title, person.team, roles, person.active, person.account, "")
            await self.rows(members.PUT_MEMBER, *row)
        for name, parent in (teams or {}).items():
            await self.rows(members.PUT_TEAM, name, name.split("/")[1].title(), parent, "")
        self.process.context.members.forget()

    async def stop(self) -> None:
        await self.channel.close()
        await self.process.drain()
        _left.append((self.backend, self.database))


_left: list[tuple[Backend, Database]] = []  # databases whose service ended


def drop_what_was_left() -> None:
    """Hundreds of databases would fill the memory that they are in. One that a service is on again stays."""
    while _left:
        backend, database = _left.pop()
        backend.drop_database(database, unused=True)


def arrived(event: Message, **attributes: Any) -> Any:
    """An event as it comes from the stream; `attributes` override its headers."""
    from datetime import UTC, datetime

    from chassis.events import Event, producer_of
    from chassis.values import new_id

    type_name = event.DESCRIPTOR.full_name
    record = getattr(event, event.DESCRIPTOR.fields[0].name)
    now = datetime.now(UTC)
    known = {
        "id": new_id(),
        "type": type_name,
        "subject": record.name,
        "version": int(getattr(record, "etag", "") or 1),
        "epoch": "00000000-0000-7000-8000-000000000001",
        "service": producer_of(type_name),
        "journey_id": getattr(record, "journey_id", ""),
        "actor": "users/ana",
        "event_time": event.event_time.ToDatetime(tzinfo=UTC) if event.HasField("event_time") else now,
        "record_time": now,
        "traceparent": "",
        "operation": "test",
        "elapsed_us": 1000,
        "message": event,
    }
    return Event(**(known | attributes))


async def start(service: str, backend: Backend, issuer: Issuer, people: list[Person] = PEOPLE, **given: Any) -> Running:
    """Starts a service with an empty database of its own and the company of the tests as its members.

    `given` overrides settings; `database` starts it again on the same data, `defined` another definition.
    """
    database, defined = given.pop("database", None), given.pop("defined", None)
    if database is None:
        database = await asyncio.to_thread(backend.create_database, service)
        await migrate.migrate(service, database.owner_url)
    grpc_port, admin_port = free_ports(2)
    settings = Settings(
        **{
            "database_url": database.url,
            "nats_url": backend.nats_url_for(service),
            "grpc_address": f"127.0.0.1:{grpc_port}",
            "admin_address": f"127.0.0.1:{admin_port}",
            "oidc_issuer": ISSUER,
            "oidc_audience": "crm",
            "oidc_jwks_url": issuer.jwks_url,
            "oidc_token_url": "",
            "client_id": f"services/{service}",
            "client_secret": "",
            "page_token_key": b"test",
            "privacy_key": b"private",
            "bootstrap_admin": ADMIN,
            "company_zone": "UTC",
            "pool_size": 8,
        }
        | given
    )
    provider = TracerProvider()
    process = Process(defined or definition(service), settings, provider)
    await process.start()
    running = Running(
        service, process, settings.grpc_address, settings.admin_address, database, issuer, provider, backend
    )
    await until(lambda: _ready(process), f"{service} is ready")
    await running.know(*people, teams=TEAMS)
    return running


def definition(service: str) -> Service:
    """A service's own definition, as its __main__ runs it."""
    return importlib.import_module(f"{package(service)}.__main__").SERVICE


async def _ready(process: Process) -> bool:
    return not await process.missing()


async def until(fact: Callable[[], Awaitable[Any]], said: str, seconds: float = 20) -> Any:
    """Waits until `fact` is true and returns it; fails with `said` otherwise."""
    last: Any = None
    try:
        async with asyncio.timeout(seconds):
            while not (last := await fact()):
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not in {seconds} s: {said}; last seen: {last!r}") from None
    return last
