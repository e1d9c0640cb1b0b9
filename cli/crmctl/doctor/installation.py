"""Where everything is that doctor looks at: a local suite by its data folder, others by their addresses.

Settings are those of services, migrations and the gateway: DATABASE_URL_<SERVICE>_OWNER (or DATABASE_URL_<SERVICE>),
NATS_URL, UPSTREAM_<SERVICE>, OIDC_JWKS_URL, TLS_FOLDER; and ADMIN_<SERVICE>, ADMIN_GATEWAY for admin ports. A given
address goes before that of the local suite.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chassis.settings import installed, variable

from crmctl.local import local_stack
from crmctl.problem import Problem

GATEWAY = "gateway"


@dataclass(frozen=True)
class Installation:
    """Addresses; what is not known is empty. `admin` is `host:port` by service and gateway, and a name that stands for
    many pods (a headless service) is one address; `grpc` is each service's own port."""

    services: tuple[str, ...]
    admin: Mapping[str, str] = field(default_factory=dict)
    grpc: Mapping[str, str] = field(default_factory=dict)
    databases: Mapping[str, str] = field(default_factory=dict)
    nats_url: str = ""
    url: str = ""
    jwks_url: str = ""
    tls_folder: Path | None = None
    data_dir: Path | None = None  # of a local suite
    pids: Mapping[str, int] = field(default_factory=dict)

    @property
    def local(self) -> bool:
        return self.data_dir is not None


def find(url: str, data_dir: Path | None, admin: Sequence[str], env: Mapping[str, str] = os.environ) -> Installation:
    """What the settings name, and of a local suite whatever they do not. Raises Problem if that is nothing at all."""
    given = admin_ports(admin) | _named("ADMIN", (*installed(), GATEWAY), env)
    owners = {one: env.get(f"{variable('DATABASE_URL', one)}_OWNER", "") for one in installed()}
    databases = _named("DATABASE_URL", installed(), env) | {one: at for one, at in owners.items() if at}
    stack = None
    if data_dir is not None or not (given or databases or env.get("NATS_URL")):
        stack = local_stack(data_dir)
        if stack is None:
            raise Problem(
                "Name a local suite with --data-dir, or addresses: --admin leads=HOST:PORT (ADMIN_LEADS), "
                "DATABASE_URL_<SERVICE>_OWNER, NATS_URL."
            )
    book = stack.addresses if stack else {}
    services = tuple(book["services"]) if stack else installed()
    issuer = f"{book['issuer']}/jwks.json" if stack else ""
    return Installation(
        services=services,
        admin=book.get("admin", {}) | given,
        grpc=book.get("services", {}) | _named("UPSTREAM", services, env),
        databases=({one: stack.database_url(one) for one in services} if stack else {}) | databases,
        nats_url=env.get("NATS_URL", "") or (stack.nats_url if stack else ""),
        url=url or (stack.url if stack else ""),
        jwks_url=env.get("OIDC_JWKS_URL", "") or issuer,
        tls_folder=Path(env["TLS_FOLDER"]) if env.get("TLS_FOLDER") else None,
        data_dir=stack.data_dir if stack else None,
        pids=book.get("pids", {}),
    )


def admin_ports(given: Sequence[str]) -> dict[str, str]:
    """`leads=localhost:8090` and so on. Raises Problem if one is not of that form, or names no part of the suite."""
    found = {}
    for one in given:
        part, _, address = one.partition("=")
        host, _, port = address.rpartition(":")
        if part not in (*installed(), GATEWAY):
            raise Problem(f"--admin {one}: there is no {part}; there are {', '.join((*installed(), GATEWAY))}.")
        if not host or not port.isdecimal():
            raise Problem(f"--admin {one}: give NAME=HOST:PORT, such as leads=localhost:8090.")
        found[part] = address
    return found


def _named(prefix: str, parts: Sequence[str], env: Mapping[str, str]) -> dict[str, str]:
    return {one: env[variable(prefix, one)] for one in parts if env.get(variable(prefix, one))}
