"""The passwords of a local stack: generated once, kept in `secrets.json` of the data folder."""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from chassis.settings import SERVICES
from chassis.stack.databases import Passwords
from chassis.stack.errors import StackError
from chassis.stack.folder import write_private
from chassis.stack.nats_accounts import ADMIN

# Other systems that the sample, the importer and the examples act as; anybody else gets tokens from `crmctl token`.
SERVICE_ACCOUNTS = ("importer", "erp")


@dataclass(frozen=True)
class Secrets:
    """Of Postgres' superuser, each service's two roles, the NATS users and OIDC clients; and the key of page tokens."""

    postgres: str
    databases: dict[str, Passwords]
    nats: dict[str, str]
    clients: dict[str, str]
    page_token_key: str
    privacy_key: str  # of the hashes by which erased people are recognised; lost, no erasure can be applied again

    @classmethod
    def load(cls, path: Path) -> "Secrets":
        """Read the file; whatever it lacks (all of it at the first start) is generated and written back."""
        try:
            known = json.loads(path.read_text()) if path.exists() else {}
        except (OSError, ValueError) as problem:
            raise StackError(
                f"{path} cannot be read ({problem}): restore it, or choose another --data-dir."
            ) from problem
        accounts = [f"services/{service}" for service in SERVICES]
        accounts += [f"serviceAccounts/{account}" for account in SERVICE_ACCOUNTS]
        roles = [role for service in SERVICES for role in (f"{service}_owner", service)]
        roles_of = _filled(known.get("databases", {}), roles)
        found = cls(
            postgres=known.get("postgres") or _new(),
            databases={name: Passwords(owner=roles_of[f"{name}_owner"], data=roles_of[name]) for name in SERVICES},
            nats=_filled(known.get("nats", {}), [ADMIN, *SERVICES]),
            clients=_filled(known.get("clients", {}), accounts),
            page_token_key=known.get("page_token_key") or _new(),
            privacy_key=known.get("privacy_key") or _new(),
        )
        complete = vars(found) | {"databases": roles_of}
        if complete != known:
            write_private(path, json.dumps(complete, indent=2) + "\n")
        return found


def _filled(known: dict[str, str], names: list[str]) -> dict[str, str]:
    return known | {name: _new() for name in names if name not in known}


def _new() -> str:
    """32 hexadecimal digits: needs no escaping in a URL, in SQL or in JSON."""
    return secrets.token_hex(16)
