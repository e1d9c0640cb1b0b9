"""Every service serves its own event log and its dead letters (crm.chassis.v1.EventLogService)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from crm.chassis.v1 import chassis_pb2

from chassis import telemetry
from chassis.audit import INSERT as INSERT_ENTRY
from chassis.audit import entry
from chassis.errors import FailedPrecondition, RecordNotFound
from chassis.events import decode
from chassis.filtering import digest, make_token, read_token
from chassis.inbox import TAKE_IN, Inbox, storable
from chassis.outbox import told
from chassis.spine import DEAD_LETTER
from chassis.work import Work

OPEN = (
    f"SELECT {DEAD_LETTER} FROM dead_letter WHERE settle_time IS NULL AND ($1::text = '' OR type = $1::text)"
    " AND (create_time, event_id) > ($2::timestamptz, $3::uuid) ORDER BY create_time, event_id LIMIT $4::bigint"
)
BEGINNING = f"{datetime.min.replace(tzinfo=UTC).isoformat()} {UUID(int=0)}"
ONE = f"SELECT {DEAD_LETTER} FROM dead_letter WHERE event_id = $1::uuid"
SETTLE = (
    "UPDATE dead_letter SET settle_time = now(), discard_reason = $2::text"
    f" WHERE event_id = $1::uuid AND settle_time IS NULL RETURNING {DEAD_LETTER}"
)
FAILED = (
    "UPDATE dead_letter SET error = $2::text, trace_id = $3::text"
    f" WHERE event_id = $1::uuid AND settle_time IS NULL RETURNING {DEAD_LETTER}"
)
PAGE = 50


class ReplayFailed(FailedPrecondition):
    """The event failed once more; it stays a dead letter."""


class AlreadySettled(FailedPrecondition):
    """This dead letter was replayed or discarded before."""


class AlreadyApplied(FailedPrecondition):
    """The event was applied in the meantime and cannot be discarded; replay it to settle its letter."""


class EventLogService:
    descriptor = chassis_pb2.DESCRIPTOR.services_by_name["EventLogService"]

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    async def ReadEvents(self, request: chassis_pb2.ReadEventsRequest, work: Work) -> chassis_pb2.ReadEventsResponse:
        return chassis_pb2.ReadEventsResponse(
            events=await told(work.context.service, work.context.database, request.after, request.limit or 500)
        )

    async def ListDeadLetters(
        self, request: chassis_pb2.ListDeadLettersRequest, work: Work
    ) -> chassis_pb2.ListDeadLettersResponse:
        key, size = work.context.page_token_key, request.page_size or PAGE
        bound_to = digest("dead letters", request.type)
        after = read_token(key, request.page_token, bound_to) if request.page_token else BEGINNING
        moment, _, event_id = after.partition(" ")
        found = [request.type, datetime.fromisoformat(moment), event_id, size + 1]
        rows = await work.context.database.fetch(OPEN, found)
        more, rows = len(rows) > size, rows[:size]
        last = f"{rows[-1]['create_time'].isoformat()} {rows[-1]['event_id']}" if more else ""
        return chassis_pb2.ListDeadLettersResponse(
            dead_letters=[_letter(row) for row in rows],
            next_page_token=make_token(key, last, bound_to) if more else "",
        )

    async def ReplayDeadLetter(
        self, request: chassis_pb2.ReplayDeadLetterRequest, work: Work
    ) -> chassis_pb2.DeadLetter:
        row = await self._open(request.event_id, work)
        try:
            new = await self._inbox.apply(decode(msgspec.json.decode(row["headers"]), row["payload"]))
        except Exception as failed:
            said = storable(f"{type(failed).__name__}: {failed}")[:2000]
            async with work.context.database.transaction() as connection:
                await _update(connection, FAILED, request.event_id, said, telemetry.trace_id())
                await _audit(connection, "REPLAY_FAILED", row, work, error=said)
            raise ReplayFailed(error=said) from failed
        async with work.context.database.transaction() as connection:
            settled = await _update(connection, SETTLE, request.event_id, "")
            await _audit(connection, "REPLAYED", row, work, error=row["error"], had_effect=new)
        return _letter(settled)

    async def DiscardDeadLetter(
        self, request: chassis_pb2.DiscardDeadLetterRequest, work: Work
    ) -> chassis_pb2.DeadLetter:
        row = await self._open(request.event_id, work)
        async with work.context.database.transaction() as connection:
            settled = await _update(connection, SETTLE, request.event_id, request.reason)
            # Given up for good: it has no effect either when its stream is published again.
            if not await connection.fetch(TAKE_IN, [request.event_id]):
                raise AlreadyApplied(event_id=request.event_id)
            await _audit(connection, "DISCARDED", row, work, error=row["error"], reason=request.reason)
        return _letter(settled)

    async def _open(self, event_id: str, work: Work) -> dict:
        rows = await work.context.database.fetch(ONE, [event_id])
        if not rows:
            raise RecordNotFound(event_id=event_id)
        if rows[0]["settle_time"] is not None:
            raise AlreadySettled(event_id=event_id)
        return dict(rows[0])


async def _update(connection: asyncpg.Connection, sql: str, event_id: str, *values: str) -> asyncpg.Record:
    """The letter as it stands afterwards. Of two at once the second finds it settled."""
    row = await connection.fetchrow(sql, event_id, *values)
    if row is None:
        raise AlreadySettled(event_id=event_id)
    return row


async def _audit(connection: asyncpg.Connection, kind: str, row: Mapping[str, Any], work: Work, **more: object) -> None:
    """Who did it, in the same commit."""
    details = {"event": str(row["event_id"]), "type": row["type"], **more}
    await connection.execute(INSERT_ENTRY, *entry(kind, work.caller, work.operation, row["subject"], details))


def _letter(row: Mapping[str, Any]) -> chassis_pb2.DeadLetter:
    letter = chassis_pb2.DeadLetter(
        event_id=str(row["event_id"]),
        type=row["type"],
        subject=row["subject"],
        error=row["error"],
        trace_id=row["trace_id"],
        deliveries=row["deliveries"],
        discard_reason=row["discard_reason"],
    )
    letter.create_time.FromDatetime(row["create_time"])
    if row["settle_time"]:
        letter.settle_time.FromDatetime(row["settle_time"])
    return letter
