"""The Postgres servers below: settings that keep what was acknowledged, room for connections and rows, the clock."""

import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from crmctl.doctor.findings import Findings
from crmctl.doctor.installation import Installation
from crmctl.doctor.processes import Process, ahead, skewed

PART = "postgres"
POOL_SIZE = 16  # the settings' own default
# Postgres stops at 2,000 million transactions without a vacuum that freezes.
AGE_WARN, AGE_FAIL = 1_000_000_000, 1_800_000_000
BUSY_WARN, BUSY_FAIL = 0.8, 0.95
DISK_WARN, DISK_FAIL = 0.15, 0.05  # free
KEPT = ("fsync", "full_page_writes", "synchronous_commit")

SERVER = (
    "SELECT extract(epoch FROM clock_timestamp())::float8 AS clock, pg_is_in_recovery() AS standby,"
    " current_setting('server_version') AS version,"
    " current_setting('default_transaction_read_only') AS read_only,"
    " current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,"
    " current_setting('synchronous_commit') AS synchronous_commit,"
    " current_setting('synchronous_standby_names') AS synchronous_standby_names,"
    " (SELECT count(*) FROM pg_stat_replication) AS standbys,"
    " current_setting('max_connections')::int AS most,"
    " current_setting('superuser_reserved_connections')::int"
    " + coalesce(current_setting('reserved_connections', true)::int, 0) AS reserved,"
    " (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' OR backend_type IS NULL) AS used,"
    " pg_database_size(current_database()) AS bytes,"
    " (SELECT age(datfrozenxid) FROM pg_database WHERE datname = current_database()) AS age"
)


@dataclass
class Server:
    """One server, of one or more services, as the last of their databases showed it. No addresses in here."""

    row: dict[str, Any]
    services: list[str] = field(default_factory=list)
    bytes: int = 0


async def server(service: str, url: str, connection: Any, servers: dict[str, Server], found: Findings) -> None:
    """What the server says; judged once, when all databases were asked. What is of the database is judged here."""
    began = time.time()
    row = dict(await connection.fetchrow(SERVER))
    skewed(service, "database clock", ahead(row.pop("clock"), began, time.time()), found)
    size, age = int(row.pop("bytes")), int(row.pop("age"))
    figures: dict[str, Any] = {"bytes": size, "transactions": age}
    do = "Let autovacuum work: end transactions that stand open for days, then VACUUM (FREEZE)."
    said = f"Its database has not been frozen for {age / 1e6:,.0f} million transactions; Postgres stops at 2,000"
    if age > AGE_FAIL:
        found.fail(service, "database", f"{said}, soon.", do, "#postgres", **figures)
    elif age > AGE_WARN:
        found.warn(service, "database", f"{said}.", do, "#postgres", **figures)
    else:
        found.ok(service, "database", f"Postgres answers; the database has {size / 1e6:,.0f} MB.", **figures)
    address = urlsplit(url)
    one = servers.setdefault(f"{address.hostname}:{address.port}", Server(row))
    one.services.append(service)
    one.bytes += size


def judge(one: Server, installation: Installation, processes: list[Process], found: Findings) -> None:
    """Everything that concerns the whole server."""
    figures = one.row | {"services": sorted(one.services), "bytes": one.bytes}
    figures["synchronous_standby_names"] = bool(one.row["synchronous_standby_names"])
    part = PART if len(one.services) == len(installation.services) else f"{PART} of {', '.join(sorted(one.services))}"
    _writes(part, one, found, figures)
    _standby(part, one, installation, found)
    _connections(part, one, processes, found)
    _disk(part, one, installation, found)


def _writes(part: str, one: Server, found: Findings, figures: dict[str, Any]) -> None:
    if one.row["standby"] or one.row["read_only"] == "on":
        said = "This server is a standby, or read-only: nothing can be written."
        do = "Point DATABASE_URL_<SERVICE> to the primary; after a failover, restart what still knows the old one."
        found.fail(part, "settings", said, do, "#postgres", **figures)
        return
    off = [name for name in KEPT if one.row[name] == "off"]
    if off:
        said = f"{', '.join(off)} is off: what was acknowledged may be lost, or damaged, when the server ends."
        found.fail(part, "settings", said, "Set it to on and reload Postgres, tonight.", "#postgres", **figures)
    else:
        found.ok(part, "settings", f"Postgres {one.row['version']} keeps what it acknowledged.", **figures)


def _standby(part: str, one: Server, installation: Installation, found: Findings) -> None:
    named, copies = bool(one.row["synchronous_standby_names"]), int(one.row["standbys"])
    page = "#backup-restore-and-what-may-be-lost"
    if named and not copies:
        said = "A synchronous standby is wanted and none is connected: every write waits for it."
        do = "Bring the standby back, or take it out of synchronous_standby_names and reload, knowing what it costs."
        found.fail(part, "standby", said, do, page, standbys=copies)
    elif named:
        found.ok(part, "standby", f"A synchronous standby is wanted, and {copies} copy.", standbys=copies)
    elif installation.local:
        found.ok(part, "standby", "None, as usual on one's own machine: its disk is all there is.", standbys=copies)
    else:
        said = "No synchronous standby: with the primary, changes may be lost of which other services know."
        do = "Add one (synchronous_standby_names), or know that crmctl ops reconcile will be needed."
        found.warn(part, "standby", said, do, page, standbys=copies)


def wanted(services: Iterable[str], processes: list[Process]) -> int:
    """Connections that the pools of these services' processes may open; of a service that says nothing, one's."""
    total = 0
    for service in services:
        pools = [one.number("crm_pool_size") for one in processes if one.name.split()[0] == service]
        total += sum(int(size) if size else POOL_SIZE for size in pools) or POOL_SIZE
    return total


def _connections(part: str, one: Server, processes: list[Process], found: Findings) -> None:
    free, used, pools = one.row["most"] - one.row["reserved"], one.row["used"], wanted(one.services, processes)
    figures: dict[str, Any] = {"most": free, "used": used, "pools": pools}
    do = "Raise max_connections, lower database.poolSize or the replicas, or put PgBouncer in between."
    if used >= BUSY_FAIL * free:
        said = f"{used:,} of {free:,} connections are taken: calls fail for want of one."
        found.fail(part, "connections", said, do, "#postgres", **figures)
    elif pools > free:
        said = f"The pools may open {pools:,} connections and Postgres takes {free:,}: under load calls will fail."
        found.warn(part, "connections", said, do, "#postgres", **figures)
    elif used >= BUSY_WARN * free:
        found.warn(part, "connections", f"{used:,} of {free:,} connections are taken.", do, "#postgres", **figures)
    else:
        said = f"{used:,} of {free:,} connections are taken; the pools may open {pools:,}."
        found.ok(part, "connections", said, **figures)


def _disk(part: str, one: Server, installation: Installation, found: Findings) -> None:
    if installation.data_dir is None:
        said = f"The databases have {one.bytes / 1e9:,.1f} GB; Postgres does not say what its disk has left."
        found.ok(part, "disk", said, bytes=one.bytes)
        return
    disk = shutil.disk_usage(installation.data_dir)
    free = disk.free / disk.total
    figures: dict[str, Any] = {"bytes": one.bytes, "free_bytes": disk.free, "total_bytes": disk.total}
    said = f"{free:.0%} of the data folder's disk is free ({disk.free / 1e9:,.0f} GB)."
    do = "Make room: a full disk stops Postgres and NATS, and so everything."
    if free < DISK_FAIL:
        found.fail(part, "disk", said, do, "#postgres", **figures)
    elif free < DISK_WARN:
        found.warn(part, "disk", said, do, "#postgres", **figures)
    else:
        found.ok(part, "disk", said, **figures)
