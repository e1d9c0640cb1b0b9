"""Small installations of two services, and what is done to them."""

from dataclasses import dataclass
from pathlib import Path

import asyncpg
import msgspec
import nats
from chassis.testing import Database
from crmctl.backups import restoring
from crmctl.backups.installation import Installation
from crmctl.backups.manifest import Manifest, verify
from crmctl.backups.progress import bars

SERVICES = ("leads", "service-desk")
EVENT = (
    "INSERT INTO outbox (id, type, subject, version, actor, event_time, record_time, traceparent, causation_id, origin,"
    " operation, elapsed_us, payload, position) VALUES ($1, 'crm.leads.v1.LeadCreated', $2, 1, 'users/ana', now(),"
    " now(), '', '', '', '', 0, '', $3)"
)
SEAL = (
    "INSERT INTO audit_seal SELECT 1, id, 'event', subject, actor, sha256('1'), sha256('2'), sha256('3'), now()"
    " FROM outbox LIMIT 1"
)
RIGHTS = (
    "SELECT relname::text, a.grantee::regrole::text, a.privilege_type FROM pg_class CROSS JOIN LATERAL"
    " aclexplode(coalesce(relacl, acldefault('r', relowner))) a WHERE relnamespace = 'public'::regnamespace"
    " AND relkind IN ('r', 'p', 'S') UNION ALL SELECT proname::text, a.grantee::text, a.privilege_type FROM pg_proc"
    " CROSS JOIN LATERAL aclexplode(coalesce(proacl, acldefault('f', proowner))) a"
    " WHERE pronamespace = 'public'::regnamespace UNION ALL SELECT defaclobjtype::text, a.grantee::text,"
    " a.privilege_type FROM pg_default_acl CROSS JOIN LATERAL aclexplode(defaclacl) a"
    " WHERE defaclrole = current_user::regrole ORDER BY 1, 2, 3"
)


@dataclass
class Place:
    """An installation of two services: their databases, and where their files are."""

    databases: dict[str, Database]
    installation: Installation

    async def fetch(self, service: str, sql: str, *arguments: object) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.databases[service].owner_url)
        try:
            return await connection.fetch(sql, *arguments)
        finally:
            await connection.close()

    async def subjects(self, service: str) -> set[str]:
        return {row["subject"] for row in await self.fetch(service, "SELECT subject FROM outbox")}

    async def tables(self, service: str) -> int:
        return len(await self.fetch(service, "SELECT FROM pg_tables WHERE schemaname = 'public'"))


async def restore(folder: Path, target: Place, lost_to: Path | None = None) -> list:
    manifest = verify(folder)
    restoring.require_known_schema(manifest, list(manifest.databases))
    with bars() as progress:
        return await restoring.restore_all(target.installation, folder, manifest, lost_to, progress)


async def restore_one(service: str, folder: Path, target: Place) -> list:
    with bars() as progress:
        return await restoring.restore_one(service, target.installation, folder, verify(folder), progress)


def rewritten(folder: Path, **changes: object) -> None:
    """Another manifest, sealed as if it had always been so."""
    msgspec.structs.replace(Manifest.read(folder), **changes).write(folder)


def redumped(folder: Path, service: str, **changes: object) -> None:
    databases = Manifest.read(folder).databases
    rewritten(folder, databases=databases | {service: msgspec.structs.replace(databases[service], **changes)})


async def published(url: str, stream: str, event: str) -> None:
    client = await nats.connect(url)
    await client.jetstream().add_stream(name=stream, subjects=["crm.leads.v1.>"])
    headers = {"ce-id": event, "ce-type": "crm.leads.v1.LeadCreated", "ce-subject": "leads/late", "ce-time": "2026"}
    await client.jetstream().publish("crm.leads.v1.LeadCreated", b"", headers=headers)
    await client.close()
