"""Which processes a local stack has, and what each is told in its environment."""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from chassis.settings import SERVICES, package, variable
from chassis.stack.folder import DataFolder
from chassis.stack.issuer import AUDIENCE
from chassis.stack.ports import HOST, free_ports
from chassis.stack.secrets_file import Secrets

BOOTSTRAP_ADMIN = "users/admin"
OUTSIDE = {"leads": ("SMTP_URL", "SMS_GATEWAY", "ENRICHMENT_SOURCES", "PROSPECT_SOURCES")}


@dataclass(frozen=True)
class Program:
    """One process: the name of its log, its command, its whole environment, and `host:port` of its /readyz."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    admin_address: str


@dataclass(frozen=True)
class Addresses:
    """Where everything listens, as `host:port`; chosen once per start, so that a restarted child is found again."""

    http: str
    grpc: str
    gateway_admin: str
    issuer: str
    sink: str
    postgres_port: int
    nats_port: int
    services: dict[str, str]
    services_admin: dict[str, str]

    @classmethod
    def choose(cls, http_port: int, grpc_port: int, services: Sequence[str] = SERVICES) -> "Addresses":
        """The two public ports as given (0 is any), everything else on free ones; all are different."""
        any_http, any_grpc, postgres_port, nats_port, *rest = free_ports(7 + 2 * len(services), {http_port, grpc_port})
        free = [f"{HOST}:{port}" for port in rest]
        return cls(
            http=f"{HOST}:{http_port or any_http}",
            grpc=f"{HOST}:{grpc_port or any_grpc}",
            gateway_admin=free[0],
            issuer=free[1],
            sink=free[2],
            postgres_port=postgres_port,
            nats_port=nats_port,
            services=dict(zip(services, free[3::2], strict=True)),
            services_admin=dict(zip(services, free[4::2], strict=True)),
        )

    @property
    def issuer_url(self) -> str:
        """The `iss` of every token of this stack."""
        return f"http://{self.issuer}"


@dataclass(frozen=True)
class Stores:
    """Addresses with credentials: each service's database as its owner and as its data role, and NATS."""

    owner_urls: dict[str, str]
    urls: dict[str, str]
    nats_urls: dict[str, str]
    nats_admin_url: str


@dataclass(frozen=True)
class Plan:
    """What `starter.Stack` runs: `tools` before the services, `preparations` in between, each to its successful end."""

    tools: list[Program]
    preparations: list[Program]
    services: list[Program]


def build(folder: DataFolder, addresses: Addresses, stores: Stores, known: Secrets) -> Plan:
    """The plan of the services that have an address."""
    common = _environment() | _telemetry(addresses) | _identity(addresses)
    upstreams = {variable("UPSTREAM", service): address for service, address in addresses.services.items()}
    programs = []
    for service in addresses.services:
        neighbours = {name: at for name, at in upstreams.items() if name != variable("UPSTREAM", service)}
        told = {
            "DATABASE_URL": stores.urls[service],
            "NATS_URL": stores.nats_urls[service],
            "GRPC_ADDRESS": addresses.services[service],
            "ADMIN_ADDRESS": addresses.services_admin[service],
            "CLIENT_ID": f"services/{service}",
            "CLIENT_SECRET": known.clients[f"services/{service}"],
            "PAGE_TOKEN_KEY": known.page_token_key,
            "PRIVACY_KEY": known.privacy_key,
            "BOOTSTRAP_ADMIN": BOOTSTRAP_ADMIN,
            "OTEL_SERVICE_NAME": service,
        }
        # Past a pooler, if the given database is behind one.
        if direct := os.environ.get(f"{variable('DATABASE_URL', service)}_DIRECT"):
            told["DATABASE_URL_DIRECT"] = direct
        # Files belong to contracts; a company's own place for them is a setting and wins.
        files = {"FILES_URL": os.environ.get("FILES_URL") or folder.files.as_uri()} if service == "contracts" else {}
        # Passwords of servers outside belong to the one service that writes to them.
        outside = {name: os.environ[name] for name in OUTSIDE.get(service, ()) if name in os.environ}
        programs.append(
            Program(
                service,
                _module(service),
                common | neighbours | told | files | outside,
                addresses.services_admin[service],
            )
        )
    gateway = common | upstreams | {
        "HTTP_ADDRESS": addresses.http,
        "GRPC_ADDRESS": addresses.grpc,
        "ADMIN_ADDRESS": addresses.gateway_admin,
        "OTEL_SERVICE_NAME": "gateway",
    }  # fmt: skip
    programs.append(Program("gateway", _module("gateway"), gateway, addresses.gateway_admin))
    return Plan(
        tools=_tools(folder, addresses), preparations=_preparations(stores, addresses.services), services=programs
    )


def _tools(folder: DataFolder, addresses: Addresses) -> list[Program]:
    own = _environment()
    issuer = own | {"CRM_DATA_DIR": str(folder.path), "ISSUER_ADDRESS": addresses.issuer}
    sink = own | {"SINK_ADDRESS": addresses.sink}
    return [
        Program("issuer", (sys.executable, "-m", "chassis.stack.issuer"), issuer, addresses.issuer),
        Program("telemetry-sink", (sys.executable, "-m", "chassis.stack.telemetry_sink"), sink, addresses.sink),
    ]


def _preparations(stores: Stores, services: Iterable[str]) -> list[Program]:
    own = _environment() | {"SERVICES": ",".join(services)}
    owners = {f"{variable('DATABASE_URL', service)}_OWNER": url for service, url in stores.owner_urls.items()}
    migrate, streams = own | owners, own | {"NATS_URL": stores.nats_admin_url}
    return [
        Program("migrate", (sys.executable, "-m", "chassis.migrate", "--all"), migrate, ""),
        Program("streams", (sys.executable, "-m", "chassis.streams"), streams, ""),
    ]


def _module(name: str) -> tuple[str, ...]:
    """`python -m service_desk service-desk`: the command line shows the name people use, however Python spells it."""
    module = package(name)
    return (sys.executable, "-m", module) if module == name else (sys.executable, "-m", module, name)


def _environment() -> dict[str, str]:
    """Ours, without the addresses that are meant for the starter, and with import paths that hold in another folder."""
    hidden = ("DATABASE_URL", "NATS_URL", "UPSTREAM_", "CRM_TOKEN", "CLIENT_", *OUTSIDE["leads"])
    env = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    if env.get("PYTHONPATH"):
        env["PYTHONPATH"] = os.pathsep.join(os.path.abspath(path) for path in env["PYTHONPATH"].split(os.pathsep))
    return env | {"PYTHONUNBUFFERED": "1"}


def _telemetry(addresses: Addresses) -> dict[str, str]:
    """All spans into the local sink, unless the environment already says where telemetry goes."""
    if any(name.startswith("OTEL_EXPORTER_OTLP") for name in os.environ):
        return {}
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{addresses.sink}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_BSP_SCHEDULE_DELAY": "500",  # ms: who looks for a trace has just made it
        "OTEL_TRACES_SAMPLER": os.environ.get("OTEL_TRACES_SAMPLER", "always_on"),
    }


def _identity(addresses: Addresses) -> dict[str, str]:
    return {
        "OIDC_ISSUER": addresses.issuer_url,
        "OIDC_AUDIENCE": AUDIENCE,
        "OIDC_JWKS_URL": f"{addresses.issuer_url}/jwks.json",
        "OIDC_TOKEN_URL": f"{addresses.issuer_url}/token",
    }
