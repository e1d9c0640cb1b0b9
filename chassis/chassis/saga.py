"""Sagas: work that crosses services, in steps that survive any crash.

A saga is a row. Each step is either a call to a neighbour (made outside of any transaction, idempotent by the
saga's id) or a unit of work of this service. A step's result is stored before the next begins; whoever finds a
saga due goes on where it stopped.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import asyncpg
import msgspec

from chassis import telemetry
from chassis.errors import CrmError, Unavailable
from chassis.identity import service_caller
from chassis.rpc_client import Neighbours
from chassis.spine import SAGA
from chassis.telemetry import log
from chassis.work import Context, Work
from chassis.writing import LostRace

LEASE_SECONDS = 40  # longer than any call may take
POLL_SECONDS = 1.0
LONGEST_BACKOFF_SECONDS = 60
# What asking again may help against. INTERNAL is among them: nobody knows what the neighbour did before it failed.
PASSING = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "INTERNAL")

LEASE = (
    "UPDATE saga SET due_time = now() + make_interval(secs => $2::integer) WHERE id = $1::uuid AND step = 0"
    f" AND attempts = 0 AND due_time > now() RETURNING {SAGA}"
)
DUE = (
    "UPDATE saga SET due_time = now() + make_interval(secs => $1::integer) WHERE id IN (SELECT id FROM saga"
    f" WHERE due_time <= now() ORDER BY due_time LIMIT 20 FOR UPDATE SKIP LOCKED) RETURNING {SAGA}"
)
ADVANCE = (
    "UPDATE saga SET step = step + 1, data = $3::jsonb, attempts = 0, error = ''"
    " WHERE id = $1::uuid AND step = $2::integer RETURNING 1"
)
FINISH = "UPDATE saga SET due_time = NULL, step = step + 1, error = $3::text WHERE id = $1::uuid AND step = $2::integer"
# A refusal is no answer to keep: a repeated call shall begin again and be told, not read the record.
FORGET_CALL = "DELETE FROM request WHERE subject = $1::text AND answer IS NULL"
# The database's clock says when a saga is due: those of two replicas may differ.
POSTPONE = (
    "UPDATE saga SET attempts = attempts + 1, error = $2::text,"
    " due_time = now() + make_interval(secs => $3::double precision) WHERE id = $1::uuid"
)


@dataclass(frozen=True)
class Call:
    """A step that asks a neighbour: `async (data, neighbours) -> data`. Called again until it answers."""

    name: str
    run: Callable[[dict[str, Any], "Asking"], Awaitable[dict[str, Any]]]


@dataclass(frozen=True)
class Saga:
    """A kind of saga: calls in order, then the unit of work that ends it.

    `finish(data, work)` stores the outcome. `give_up(data, error, work)` undoes what the beginning promised when a
    neighbour refuses for good.
    """

    kind: str
    calls: tuple[Call, ...]
    finish: Callable[[dict[str, Any], Work], Awaitable[None]]
    give_up: Callable[[dict[str, Any], CrmError, Work], Awaitable[None]]


@dataclass(frozen=True)
class Asking:
    """What a step needs to call a neighbour: the way there, the saga's id as request id, and for whom it acts."""

    neighbours: Neighbours
    saga_id: str
    actor: str

    async def ask(self, service: str, method: str, request: Any, answer: type[Any]) -> Any:
        return await self.neighbours.call(service, method, request, answer, actor=self.actor)


class Sagas:
    """Runs sagas: at once after the commit that began them, and whenever one is found due."""

    def __init__(self, context: Context, kinds: list[Saga], neighbours: Neighbours) -> None:
        self._context, self._neighbours = context, neighbours
        self._kinds = {kind.kind: kind for kind in kinds}
        self._stopping = asyncio.Event()
        self._running: set[asyncio.Task[CrmError | None]] = set()

    def begin(self, saga_id: str) -> "asyncio.Task[CrmError | None]":
        """Runs a fresh saga in the background. The task answers the error for which it was given up, if any."""
        task = asyncio.create_task(self._lease_and_run(saga_id))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def run(self) -> None:
        """Finds due sagas until stopped."""
        while not self._stopping.is_set():
            try:
                rows = await self._context.database.fetch(DUE, [LEASE_SECONDS]) if self._kinds else []
                await asyncio.gather(*(self._run(row) for row in rows))
            except Exception as away:
                log.warning("sagas wait: %s", away)
            try:
                await asyncio.wait_for(self._stopping.wait(), POLL_SECONDS)
            except TimeoutError:
                continue

    async def stop(self) -> None:
        """Lets running steps end; the rest is found due by the next process."""
        self._stopping.set()
        if self._running:
            await asyncio.wait(self._running, timeout=5)

    async def _lease_and_run(self, saga_id: str) -> CrmError | None:
        rows = await self._context.database.fetch(LEASE, [saga_id, LEASE_SECONDS])
        return await self._run(rows[0]) if rows else None

    async def _run(self, row: asyncpg.Record) -> CrmError | None:
        kind, data = self._kinds[row["kind"]], msgspec.json.decode(row["data"])
        step = row["step"]
        attributes: dict[str, Any] = {telemetry.SAGA: kind.kind, telemetry.RECORD: row["subject"]}
        if row["journey_id"]:
            attributes[telemetry.JOURNEY] = str(row["journey_id"])
        first = row["attempts"] == 0 and step == 0
        parent = row["traceparent"] if first else ""
        with telemetry.span(f"saga {kind.kind}", traceparent=parent, linked=row["traceparent"], **attributes):
            asking = Asking(self._neighbours, str(row["id"]), row["actor"])
            try:
                for call in kind.calls[step:]:
                    step_name: dict[str, Any] = {telemetry.SAGA_STEP: call.name}
                    with telemetry.span(f"saga step {call.name}", **step_name):
                        data = await call.run(data, asking)
                    encoded = msgspec.json.encode(data).decode()
                    if not await self._context.database.fetch(ADVANCE, [row["id"], step, encoded]):
                        return None  # another process went on with it
                    step += 1
                await self._end(row, step, "", partial(kind.finish, data))
            except CrmError as refused:
                if refused.code in PASSING:
                    await self._postpone(row, refused)
                    return None
                log.warning("saga %s of %s given up: %s", kind.kind, row["subject"], refused)
                await self._end(row, step, str(refused), partial(kind.give_up, data, refused))
                return refused
            except Exception as failed:
                log.error("saga %s of %s failed", kind.kind, row["subject"], exc_info=failed)
                await self._postpone(row, failed)
        return None

    async def _end(self, row: asyncpg.Record, step: int, error: str, last: Callable[[Work], Awaitable[None]]) -> None:
        """The last unit of work and the end of the saga in one transaction."""
        caller = service_caller(self._context.service, row["actor"])
        for attempt in range(5):
            try:
                async with self._context.database.transaction() as connection:
                    if await connection.execute(FINISH, row["id"], step, error) != "UPDATE 1":
                        return
                    if error:
                        await connection.execute(FORGET_CALL, row["subject"])
                    work = Work(self._context, caller, operation=f"saga {row['kind']}", connection=connection)
                    await last(work)
                    work.prepare()
                    await work.commit()
                if work.tells:
                    self._context.told()
                return
            except LostRace:
                await asyncio.sleep(0.01 * 2**attempt)
        raise Unavailable()

    async def _postpone(self, row: asyncpg.Record, error: Exception) -> None:
        wait = min(0.2 * 2 ** min(row["attempts"], 12), LONGEST_BACKOFF_SECONDS)
        said = f"{type(error).__name__}: {error}"[:2000]
        try:
            await self._context.database.fetch(POSTPONE, [row["id"], said, wait])
        except CrmError as away:
            log.warning("saga %s: its lease will run out: %s", row["kind"], away)
