"""Every service serves its own event log and its dead letters (crm.chassis.v1.EventLogService)."""

import msgspec
from crm.chassis.v1 import chassis_pb2

from chassis import telemetry
from chassis.errors import FailedPrecondition, RecordNotFound
from chassis.events import decode, headers
from chassis.inbox import Inbox
from chassis.outbox import READ
from chassis.work import Work

OPEN = "SELECT * FROM dead_letter WHERE settle_time IS NULL ORDER BY create_time, event_id LIMIT $1::bigint"
ONE = "SELECT * FROM dead_letter WHERE event_id = $1::uuid"
SETTLE = "UPDATE dead_letter SET settle_time = now(), discard_reason = $2::text WHERE event_id = $1::uuid"
FAILED = "UPDATE dead_letter SET error = $2::text, trace_id = $3::text WHERE event_id = $1::uuid"


class ReplayFailed(FailedPrecondition):
    """The event failed once more; it stays a dead letter."""


class AlreadySettled(FailedPrecondition):
    """This dead letter was replayed or discarded before."""


class EventLogService:
    descriptor = chassis_pb2.DESCRIPTOR.services_by_name["EventLogService"]

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    async def ReadEvents(self, request: chassis_pb2.ReadEventsRequest, work: Work) -> chassis_pb2.ReadEventsResponse:
        database = work.context.database
        rows = await database.fetch(READ, [request.after, request.limit or 500])
        return chassis_pb2.ReadEventsResponse(
            events=[
                chassis_pb2.Event(
                    position=row["position"],
                    headers=headers(row, work.context.service, database.epoch),
                    payload=row["payload"],
                )
                for row in rows
            ]
        )

    async def ListDeadLetters(
        self, request: chassis_pb2.ListDeadLettersRequest, work: Work
    ) -> chassis_pb2.ListDeadLettersResponse:
        rows = await work.context.database.fetch(OPEN, [request.page_size or 50])
        return chassis_pb2.ListDeadLettersResponse(dead_letters=[_letter(row) for row in rows])

    async def ReplayDeadLetter(
        self, request: chassis_pb2.ReplayDeadLetterRequest, work: Work
    ) -> chassis_pb2.DeadLetter:
        database = work.context.database
        row = await self._open(request.event_id, work)
        try:
            await self._inbox.apply(decode(msgspec.json.decode(row["headers"]), row["payload"]))
        except Exception as failed:
            said = f"{type(failed).__name__}: {failed}"[:2000]
            await database.fetch(FAILED, [request.event_id, said, telemetry.trace_id()])
            raise ReplayFailed(error=said) from failed
        return await self._settled(request.event_id, "", "REPLAYED", row, work)

    async def DiscardDeadLetter(
        self, request: chassis_pb2.DiscardDeadLetterRequest, work: Work
    ) -> chassis_pb2.DeadLetter:
        row = await self._open(request.event_id, work)
        return await self._settled(request.event_id, request.reason, "DISCARDED", row, work)

    async def _settled(self, event_id: str, reason: str, kind: str, row: dict, work: Work) -> chassis_pb2.DeadLetter:
        """The letter is settled, and the audit says by whom, in one commit."""
        await work.execute(SETTLE, event_id, reason)
        details = {"event": event_id, "type": row["type"], "error": row["error"], "reason": reason}
        await work.audit(kind, row["subject"], details)
        settled = row | {"settle_time": work.now, "discard_reason": reason}
        return _letter(settled)

    async def _open(self, event_id: str, work: Work) -> dict:
        rows = await work.context.database.fetch(ONE, [event_id])
        if not rows:
            raise RecordNotFound(event_id=event_id)
        if rows[0]["settle_time"] is not None:
            raise AlreadySettled(event_id=event_id)
        return dict(rows[0])


def _letter(row: dict) -> chassis_pb2.DeadLetter:
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
