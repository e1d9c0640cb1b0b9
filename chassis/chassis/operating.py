"""Does the operations that are under way, a part at a time, until stopped. See `operations`."""

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg

from chassis import telemetry
from chassis.errors import CrmError
from chassis.operation import Operation, State
from chassis.operations import Task
from chassis.saga import PASSING
from chassis.telemetry import log
from chassis.unattended import unattended
from chassis.values import Record
from chassis.work import Context, Work
from chassis.writing import LostRace

POLL_SECONDS = 0.2
PART_SECONDS = 20.0  # one that hangs would keep its transaction open for ever
FORGET_SECONDS = 60.0
MOST_ATTEMPTS = 12  # at one part: about ten minutes
ASK_SECONDS = 30  # longer than a part may take: whoever asks and dies is followed by another one
RACES = 5  # an answer is not asked for again because somebody else changed a record meanwhile

# The one that has waited longest: who began another takes turns with it. Locked: one part at a time, by one replica.
CLAIM = (
    "SELECT id::text AS id FROM operation WHERE state = 'RUNNING' AND due_time <= now() AND kind = any($1::text[])"
    " ORDER BY due_time, id LIMIT 1 FOR UPDATE SKIP LOCKED"
)
LEASE = (
    f"UPDATE operation SET due_time = now() + make_interval(secs => {ASK_SECONDS}), version = version + 1"
    f" WHERE id = (SELECT claimed.id::uuid FROM ({CLAIM}) claimed) RETURNING id::text AS id, version, kind"
)
LEASED = (
    "SELECT id::text AS id FROM operation WHERE id = $1::uuid AND version = $2::bigint AND state = 'RUNNING' FOR UPDATE"
)
WHOSE = "SELECT kind, caller, owner FROM operation WHERE id = $1::uuid"
LOCK = "SELECT 1 FROM operation WHERE id = $1::uuid FOR UPDATE"
POSTPONE = (
    "UPDATE operation SET attempts = attempts + 1, version = version + 1,"
    " due_time = now() + make_interval(secs => least(0.2 * 2 ^ attempts, 60)) WHERE id = $1::uuid AND state = 'RUNNING'"
    " RETURNING attempts"
)
FORGET = (
    "DELETE FROM operation_part p USING operation o WHERE o.id = p.operation_id AND o.expire_time < now()",
    "DELETE FROM operation WHERE end_time < now() - interval '30 days'",
)


class PartFailed(CrmError):
    """A part of the operation failed again and again; the log of the service says why."""


class Operating:
    """Runs operations of one service: those of tasks that ask outside, or those of tasks that do not."""

    def __init__(self, context: Context, tasks: Sequence[Task]) -> None:
        self._context, self._tasks = context, {task.kind: task for task in tasks}
        self._asks = any(task.ask for task in tasks)
        self._stopping = asyncio.Event()
        kinds: list[type[Record]] = [kind for kind in context.mappers if issubclass(kind, Operation)]
        self._kind: Any = kinds[0] if kinds else None

    async def run(self) -> None:
        forgotten = 0.0
        while self._tasks and not self._stopping.is_set():
            try:
                now = asyncio.get_running_loop().time()
                if now > forgotten + FORGET_SECONDS:
                    await self.forget()
                    forgotten = now
                if await self.do_next():
                    continue
            except Exception as away:
                log.warning("operations wait: %s", away or type(away).__name__)
            try:
                await asyncio.wait_for(self._stopping.wait(), POLL_SECONDS)
            except TimeoutError:
                continue

    def stop(self) -> None:
        """No part is begun any more; the one under way ends or is rolled back, and the next process goes on."""
        self._stopping.set()

    async def forget(self) -> None:
        """Results whose time is over, and what ended long ago."""
        for sql in FORGET:
            await self._context.database.fetch(sql, [])

    async def do_next(self) -> bool:
        """Does one part of the operation that has waited longest; whether there was one."""
        claimed: list[asyncpg.Record] = []
        try:
            async with asyncio.timeout(PART_SECONDS):
                if self._asks:
                    await self._ask(claimed)
                else:
                    await self._part(claimed, CLAIM, [list(self._tasks)])
        except LostRace:
            pass  # somebody changed one of the records: again, at once
        except CrmError as refused:
            await self._refused(claimed, refused)
        except Exception as failed:
            log.error("a part of an operation failed", exc_info=failed)
            await self._postpone(claimed)
        return bool(claimed)

    async def _ask(self, claimed: list[asyncpg.Record]) -> None:
        """Asks outside what the next part needs, then does that with the answer."""
        claimed += await self._context.database.fetch(LEASE, [list(self._tasks)])
        if not claimed:
            return
        key, version, ask = claimed[0]["id"], claimed[0]["version"], self._tasks[claimed[0]["kind"]].ask
        assert ask is not None
        with telemetry.span("operation asks"):
            work = await self._work(key)
            operation = await work.find_one(self._kind, id=key)
            assert operation is not None
            answer = None if operation.cancel_time else await ask(operation, work)
        for attempt in range(RACES):
            try:
                return await self._part([], LEASED, [key, version], answer)
            except LostRace:
                if attempt == RACES - 1:
                    raise

    async def _part(self, claimed: list[asyncpg.Record], claim: str, arguments: list[Any], *answer: Any) -> None:
        context = self._context
        async with context.database.transaction() as connection:
            claimed += await connection.fetch(claim, *arguments)
            if not claimed:
                return
            with telemetry.span("operation"):
                work = await self._work(claimed[0]["id"], connection)
                operation = await work.find_one(self._kind, id=claimed[0]["id"])
                assert operation is not None
                if operation.cancel_time:
                    work.emit(operation.end(State.CANCELLED, work.now))
                elif not await self._tasks[operation.kind].part(operation, work, *answer):
                    work.emit(operation.end(State.SUCCEEDED, work.now))
                else:
                    operation.due_time = work.now
                operation.attempts = 0
                work.prepare()
                await work.commit()
        if work.tells:
            context.told()

    async def _work(self, id: str, connection: asyncpg.Connection | None = None) -> Work:
        """A unit of work with the rights that whoever began the operation has now; NotPermitted, CallerUnknown."""
        row = (await self._context.database.fetch(WHOSE, [id], connection))[0]
        caller = await self._context.members.again(row["caller"] or row["owner"], row["owner"])
        task = self._tasks[row["kind"]]
        return Work(
            self._context,
            caller,
            reach=caller.reach(task.permission),
            operation=f"operation {row['kind']}",
            connection=connection,
        )

    async def _refused(self, claimed: list[asyncpg.Record], error: CrmError) -> None:
        if error.code in PASSING:
            await self._postpone(claimed, error)
        else:
            await self._give_up(claimed, error)

    async def _postpone(self, claimed: list[asyncpg.Record], error: CrmError | None = None) -> None:
        if not claimed:
            return
        rows = await self._context.database.fetch(POSTPONE, [claimed[0]["id"]])
        if rows and rows[0]["attempts"] >= MOST_ATTEMPTS:
            await self._give_up(claimed, error or PartFailed())

    async def _give_up(self, claimed: list[asyncpg.Record], error: CrmError) -> None:
        """In a transaction of its own: nothing of the part that failed stays."""
        if not claimed:
            raise error
        key = claimed[0]["id"]
        log.warning("operation %s given up: %s", key, error)

        async def end(work: Work) -> None:
            await work.context.database.fetch(LOCK, [key], work.connection)
            operation = await work.find_one(self._kind, id=key)
            if operation is not None and operation.state is State.RUNNING:
                work.emit(operation.give_up(error, work.now))

        await unattended(self._context, "operation", end)
