"""Operations: work on many records that goes on after the call that began it was answered.

An operation is a row that says what is to be done and how far it is. A task does a part at a time; what a part changed
and the progress are one transaction, so that whoever finds the operation next goes on behind it, after whatever crash.
Each part has the rights of whoever began it, as they are by then. A result is kept in parts, each fit for one answer.

A service that has some adds a kind of its own (see `operation.Operation`) to its records, stored in `spine.operation`;
its tasks to its Service; and RPCs that call the functions below.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from google.api import httpbody_pb2

from chassis.errors import FailedPrecondition, InvalidFields, RecordNotFound, ResourceExhausted
from chassis.operation import Operation, State
from chassis.work import Work

MOST_RUNNING = 5  # of one owner
PART_BYTES = 3_500_000  # a message is at most 4 MB on every hop

COUNT = (
    "SELECT count(*) AS running FROM (SELECT 1 FROM operation WHERE owner = $1::text AND state = 'RUNNING'"
    f" LIMIT {MOST_RUNNING}) r"
)
# Unversioned: it waits for the part that is under way and does not lose against the next one.
CANCEL = "UPDATE operation SET cancel_time = now() WHERE id = $1::uuid AND state = 'RUNNING' AND cancel_time IS NULL"
WRITE = (
    "INSERT INTO operation_part (operation_id, number, position, data)"
    " VALUES ($1::uuid, $2::integer, $3::bigint, $4::bytea)"
)
# An erasure's. What is being made may hold the person as well; it ends, and whoever wants it begins again.
FORGET_RESULTS = (
    "WITH gone AS (DELETE FROM operation_part RETURNING operation_id),"
    " told AS (UPDATE operation SET expire_time = now(), request = '{}', version = version + 1,"
    "  cancel_time = CASE state WHEN 'RUNNING' THEN now() ELSE cancel_time END"
    "  WHERE id IN (SELECT operation_id FROM gone))"
    " SELECT DISTINCT operation_id FROM gone"
)
READ = "SELECT data FROM operation_part WHERE operation_id = $1::uuid AND number = $2::integer ORDER BY position"


class TooManyOperations(ResourceExhausted):
    """You have as many operations under way as one may have; wait for one to end, or cancel one."""


class NoResult(FailedPrecondition):
    """The operation has no file: it did not succeed, or makes none."""


class ResultExpired(FailedPrecondition):
    """The file was kept for a limited time, or until a person was erased; begin the operation again."""


O = TypeVar("O", bound=Operation)  # noqa: E741


@dataclass(frozen=True)
class Task:
    """A kind of operation. `async part(operation, work)` does the next part, at most about a second of work, in the
    transaction that notes its progress, and says whether more is to come. `permission` is what whoever began it needs
    for each part. An error is the operation's end, unless trying again may help.

    What a part needs from outside is asked before, by `async ask(operation, work)`, while no transaction is open and no
    other operation waits: `part` is called with the answer besides."""

    kind: str
    permission: str
    part: Callable[..., Awaitable[bool]]
    ask: Callable[[Any, Work], Awaitable[Any]] | None = None


async def begin(kind: type[O], task: Task, request: Mapping[str, Any], work: Work, *, total: int = 0) -> O:
    """A new operation, run from this commit on. TooManyOperations if its owner has five under way."""
    caller = work.caller
    running = (await work.context.database.fetch(COUNT, [caller.actor], work.connection))[0]["running"]
    if running >= MOST_RUNNING:
        raise TooManyOperations(running=running)
    operation = kind(
        kind=task.kind,
        owner=caller.actor,
        team=caller.team,
        caller="" if caller.name == caller.actor else caller.name,
        request=dict(request),
        total_items=total,
        due_time=work.now,
    )
    work.emit(work.add(operation).started(work.now))
    return operation


async def cancel(kind: type[O], name: str, work: Work) -> O:
    """Ends it after the part that is under way. What has ended stays as it is."""
    operation = await work.get(kind, name)
    await work.execute(CANCEL, operation.id)
    return operation


async def write(operation: Operation, data: bytes, work: Work) -> None:
    """Adds to the result at most PART_BYTES, which stay together: a part ends before or behind them."""
    assert len(data) <= PART_BYTES
    if not operation.part_count or operation.part_bytes + len(data) > PART_BYTES:
        operation.part_count, operation.part_bytes = operation.part_count + 1, 0
    await work.execute(WRITE, operation.id, operation.part_count - 1, operation.byte_count, data)
    operation.part_bytes += len(data)
    operation.byte_count += len(data)


async def download(kind: type[O], tasks: Mapping[str, Task], name: str, part: int, work: Work) -> httpbody_pb2.HttpBody:
    """A part of the result, for its owner alone. NotPermitted if they may not do any more what the operation did."""
    operation = await work.get(kind, name)
    if (operation.owner, operation.caller or operation.owner) != (work.caller.actor, work.caller.name):
        raise RecordNotFound(name=name)  # it was made with rights that this caller may not have
    if operation.state is not State.SUCCEEDED or not operation.part_count:
        raise NoResult(name=name, state=operation.state.name)
    work.caller.reach(tasks[operation.kind].permission)
    if part >= operation.part_count:
        raise InvalidFields(("part", f"there are {operation.part_count}"))
    rows = await work.context.database.fetch(READ, [operation.id, part], work.connection)
    if not rows or operation.expire_time is None or operation.expire_time <= work.now:
        raise ResultExpired(name=name)
    work.taken = -(-operation.done_items // operation.part_count)
    return httpbody_pb2.HttpBody(content_type=operation.media_type, data=b"".join(row["data"] for row in rows))
