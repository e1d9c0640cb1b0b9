"""What the checker looks at, and what it found."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import asyncpg
import nats
from nats.js import JetStreamContext


@dataclass(frozen=True)
class Evidence:
    """Where to look: the journal, each service's database (as its owner or above), NATS (as its administrator)."""

    journal: Path
    databases: dict[str, str]
    nats_url: str
    named: frozenset[str] = frozenset()  # subjects that reconciliation listed after a restore
    # The moment (seconds since 1970) of the backup that all was restored from: what was answered later may be gone.
    cut: float = float("inf")

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["Opened"]:
        async with AsyncExitStack() as stack:
            connections = {}
            for service, url in self.databases.items():
                connections[service] = await asyncpg.connect(url)
                stack.push_async_callback(connections[service].close)
            client = await nats.connect(self.nats_url)
            stack.push_async_callback(client.close)
            calls = [json.loads(line) for line in self.journal.read_text().splitlines()]
            yield Opened(calls, connections, client.jetstream(), set(self.named), self.cut)


@dataclass
class Opened:
    """The same, connected."""

    calls: list[dict[str, Any]]
    databases: dict[str, asyncpg.Connection]
    jetstream: JetStreamContext
    named: set[str]
    cut: float = float("inf")

    async def rows(self, service: str, sql: str, *arguments: Any) -> list[asyncpg.Record]:
        """The rows; none if the service is no part of what is checked."""
        return await self.databases[service].fetch(sql, *arguments) if service in self.databases else []

    async def all(self, service: str, table: str) -> dict[str, asyncpg.Record]:
        """A table by the ids of its rows."""
        return {str(row["id"]): row for row in await self.rows(service, f"SELECT * FROM {table}")}


@dataclass
class Findings:
    """Sentences, by what is wrong; and how much was looked at."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    unapplied: list[str] = field(default_factory=list)  # events without their effect
    orphans: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)  # sagas
    differing: list[str] = field(default_factory=list)  # copies that say something else than the original
    writes: int = 0
    events: int = 0
    effects: int = 0
    excused: int = 0  # named by reconciliation
    beyond: int = 0  # acknowledged writes that the cut did not reach

    @property
    def all(self) -> list[str]:
        return [said for one in fields(self) if isinstance(found := getattr(self, one.name), list) for said in found]
