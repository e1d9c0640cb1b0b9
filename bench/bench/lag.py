"""How long after the commit of a lead its effect is committed in another service: its entry in insights' timeline.

Both times are Postgres' own, of the transactions that wrote the two rows (`track_commit_timestamp`)."""

from dataclasses import asdict, dataclass
from typing import Any

from bench.load import generate, summary
from bench.measure import WRITES_A_SECOND, request
from bench.operations import create
from bench.stand import Stand

CONNECTIONS = 32
LEADS = "SELECT 'leads/' || id, pg_xact_commit_timestamp(xmin) FROM leads WHERE create_time >= $1"
ENTRIES = (
    "SELECT subject, pg_xact_commit_timestamp(xmin) FROM timeline"
    " WHERE record_time >= $1 AND type = 'crm.leads.v1.LeadCreated'"
)


@dataclass
class Lag:
    """At `offered` creates a second (0: as many as are answered), milliseconds; `lost` leads had no effect."""

    load: str
    offered: float
    rate: float
    count: int
    p50: float
    p99: float
    max: float
    lost: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


async def lag(stand: Stand, load: str, seconds: int, offered: float = 0.0) -> Lag:
    """Creates leads for some seconds, waits until all is at rest, and compares."""
    await stand.rest()
    calls = await create(stand, WRITES_A_SECOND * seconds)
    since = await stand.databases["leads"].fetchval("SELECT clock_timestamp()")
    plan = {
        "port": stand.http_port, "connections": CONNECTIONS, "seconds": seconds, "once": True, "rate": offered,
        "requests": [request(stand, call) for call in calls],
    }  # fmt: skip
    result = await generate("http_load", plan)
    await stand.rest()
    made = {row[0]: row[1] for row in await stand.databases["leads"].fetch(LEADS, since)}
    told = {row[0]: row[1] for row in await stand.databases["insights"].fetch(ENTRIES, since)}
    waits = [(told[name] - at).total_seconds() for name, at in made.items() if name in told]
    if not waits:
        raise RuntimeError("no lead had an effect")
    took = summary(waits)
    p50, p99, most = (took[name] * 1000 for name in ("p50", "p99", "max"))
    rate = len(made) / result["seconds"]
    return Lag(load, offered, rate, len(waits), p50, p99, most, len(made) - len(waits))
