"""Settings come from the environment; a missing or wrong one is told in one sentence."""

import os
import sys
from dataclasses import dataclass

SERVICES = ("directory", "leads", "sales", "marketing", "service-desk", "contracts", "insights")


def package(service: str) -> str:
    """`service-desk` → `service_desk`: how Python, proto and SQL spell it."""
    return service.replace("-", "_")


def variable(prefix: str, service: str) -> str:
    """The setting about one service: `UPSTREAM_SERVICE_DESK`."""
    return f"{prefix}_{package(service).upper()}"


def stop(sentence: str) -> None:
    """Ends the process with one sentence for the person who started it."""
    sys.exit(sentence)


def installed(text: str | None = None) -> tuple[str, ...]:
    """The services of this installation, from the setting SERVICES (`directory,leads,sales`); all without it. Ends the
    process if it names something else, or lacks directory, which knows the people."""
    chosen = {name.strip() for name in (os.environ.get("SERVICES", "") if text is None else text).split(",")} - {""}
    if unknown := sorted(chosen - set(SERVICES)):
        stop(f"SERVICES: there is no service {unknown[0]}; there are {', '.join(SERVICES)}.")
    if chosen and "directory" not in chosen:
        stop("SERVICES: directory belongs to every installation; it knows the people and their roles.")
    return tuple(name for name in SERVICES if name in chosen or not chosen)


def required(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        stop(f"The setting {name} is missing.")
    return value


@dataclass(frozen=True)
class Settings:
    """What a service process is told. Addresses are `host:port`."""

    database_url: str
    nats_url: str
    grpc_address: str
    admin_address: str
    oidc_issuer: str
    oidc_audience: str
    oidc_jwks_url: str
    oidc_token_url: str
    client_id: str
    client_secret: str
    page_token_key: bytes
    privacy_key: bytes  # of the keyed hashes by which erased people are recognised; the same in every service
    bootstrap_admin: str
    company_zone: str
    pool_size: int
    oidc_lifetime_seconds: int = 15 * 60  # a token that is made for longer is refused
    # Records that a person, or a system, may read within an hour before it is noticed, and before it is refused.
    read_alarm: int = 2_000
    read_limit: int = 10_000
    system_read_alarm: int = 100_000
    system_read_limit: int = 1_000_000
    company_country: str = ""  # ISO 3166-1 alpha-2: where phone numbers without a country code are
    database_url_direct: str = ""  # past a pooler; needed only behind one

    @classmethod
    def read(cls) -> "Settings":
        get = os.environ.get
        return cls(
            database_url=required("DATABASE_URL"),
            nats_url=required("NATS_URL"),
            grpc_address=required("GRPC_ADDRESS"),
            admin_address=required("ADMIN_ADDRESS"),
            oidc_issuer=required("OIDC_ISSUER"),
            oidc_audience=get("OIDC_AUDIENCE", "crm"),
            oidc_jwks_url=required("OIDC_JWKS_URL"),
            oidc_token_url=get("OIDC_TOKEN_URL", ""),
            client_id=get("CLIENT_ID", ""),
            client_secret=get("CLIENT_SECRET", ""),
            page_token_key=required("PAGE_TOKEN_KEY").encode(),
            privacy_key=get("PRIVACY_KEY", "").encode(),
            bootstrap_admin=get("BOOTSTRAP_ADMIN", ""),
            company_zone=get("COMPANY_ZONE", "UTC"),
            company_country=get("COMPANY_COUNTRY", ""),
            pool_size=int(get("POOL_SIZE", "16")),
            oidc_lifetime_seconds=int(get("OIDC_LIFETIME_SECONDS", str(cls.oidc_lifetime_seconds))),
            read_alarm=int(get("READ_ALARM", "2000")),
            read_limit=int(get("READ_LIMIT", "10000")),
            system_read_alarm=int(get("SYSTEM_READ_ALARM", "100000")),
            system_read_limit=int(get("SYSTEM_READ_LIMIT", "1000000")),
            database_url_direct=get("DATABASE_URL_DIRECT", ""),
        )


def upstream(service: str) -> str:
    """Where a neighbour listens, from `UPSTREAM_<SERVICE>`; empty if it is not part of this installation."""
    return os.environ.get(variable("UPSTREAM", service), "")
