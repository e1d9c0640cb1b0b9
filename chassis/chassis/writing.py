"""What a unit of work writes, and how: in one statement if it can be, else in a transaction."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import asyncpg

from chassis import statements, telemetry
from chassis.database import Database
from chassis.records import Mapper
from chassis.values import ExternalId, Record

MOST_EVENTS_IN_ONE_STATEMENT = 8
Statement = tuple[str, tuple[Any, ...]]


class LostRace(Exception):
    """Somebody else wrote between our read and our write; the edge runs the handler again."""


@dataclass
class Kept:
    """A record this work has loaded or made, and the row it had when it was loaded."""

    record: Record
    mapper: Mapper
    row: list[Any] | None  # None: new
    external_ids: frozenset[ExternalId] = field(default=frozenset())

    @property
    def new(self) -> bool:
        return self.row is None

    @property
    def changed(self) -> bool:
        return self.row is None or self.mapper.dump(self.record) != self.row


@dataclass(frozen=True)
class Writing:
    """Changed records, rows of the outbox, further statements, and the row of the request id."""

    changed: list[Kept]
    events: list[list[Any]]
    statements: list[Statement]
    request: list[Any] | None

    async def of_its_own(self, database: Database) -> None:
        """A transaction of its own: one statement and one round trip where a single record changed."""
        if self._fits_one_statement():
            await self._flush(database)
        else:
            async with database.transaction() as connection:
                with telemetry.client_span("postgresql", "WRITE"):
                    await self.on(connection)

    async def on(self, connection: asyncpg.Connection) -> None:
        """Within the caller's transaction: request id, statements, records by kind, external ids, events. Rows are
        written in the order of their keys, so that two that write the same rows wait instead of locking up."""
        if self.request:
            await connection.execute(statements.INSERT_REQUEST, *self.request)
        for sql, arguments in _runs(self.statements):
            await connection.executemany(sql, arguments)
        in_order = sorted(self.changed, key=lambda kept: kept.record.name)
        for sql, rows in _runs(sorted(map(_record_row, in_order), key=itemgetter(0))):
            if len(await connection.fetchmany(sql, rows)) != len(rows):
                raise LostRace()
        gone = [_id_row(k.record, key) for k in self.changed for key in k.external_ids - external_ids(k.record)]
        come = [_id_row(k.record, key) for k in self.changed for key in external_ids(k.record) - k.external_ids]
        if gone:
            await connection.executemany(statements.DELETE_EXTERNAL_ID, sorted(gone))
        if come:
            await connection.executemany(statements.INSERT_EXTERNAL_ID, sorted(come))
        if self.events:
            await connection.executemany(statements.INSERT_EVENT, self.events)

    def _fits_one_statement(self) -> bool:
        if self.statements or len(self.changed) != 1:
            return False
        kept = self.changed[0]
        same_ids = kept.new or external_ids(kept.record) == kept.external_ids
        return same_ids and len(self.events) <= MOST_EVENTS_IN_ONE_STATEMENT

    async def _flush(self, database: Database) -> None:
        kept = self.changed[0]
        ids = [_id_row(kept.record, key) for key in external_ids(kept.record)] if kept.new else []
        sql = statements.flush(
            kept.mapper, new=kept.new, events=len(self.events), external_ids=len(ids), request=self.request is not None
        )
        arguments = list(_record_row(kept)[1])
        for row in (*self.events, *ids, *([self.request] if self.request else [])):
            arguments += row
        rows = await database.fetch(sql, arguments)
        if rows[0][0] == 0:
            raise LostRace()


def _record_row(kept: Kept) -> Statement:
    """The statement of one record and its parameters; an update names the version it expects."""
    row = kept.mapper.dump(kept.record)
    if kept.new:
        return statements.insert_record(kept.mapper), tuple(row)
    return statements.update_record(kept.mapper), (*row, kept.record.version - 1)


def external_ids(record: Record) -> frozenset[ExternalId]:
    return frozenset(getattr(record, "external_ids", ()))


def _id_row(record: Record, key: ExternalId) -> list[Any]:
    return [record.collection, key.system, key.kind, key.id, record.id]


def _runs(queued: Iterable[Statement]) -> list[tuple[str, list[tuple[Any, ...]]]]:
    """Neighbours with the same SQL as one batch: one round trip each."""
    runs: list[tuple[str, list[tuple[Any, ...]]]] = []
    for sql, arguments in queued:
        if runs and runs[-1][0] == sql:
            runs[-1][1].append(arguments)
        else:
            runs.append((sql, [arguments]))
    return runs
