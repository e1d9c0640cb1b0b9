"""Work that nobody asks for: what a chore does because its time has come."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from chassis import telemetry
from chassis.identity import service_caller
from chassis.telemetry import log
from chassis.work import Context, Work

T = TypeVar("T")
FORGET_SECONDS = 3600.0


async def unattended(context: Context, operation: str, do: Callable[[Work], Awaitable[T]]) -> T:
    """Does one unit of work in a transaction of its own, from its first read on: what it locks stays locked until its
    commit. LostRace if somebody else changed what it read; then nothing was done."""
    with telemetry.span(operation):
        async with context.database.transaction() as connection:
            work = Work(context, service_caller(context.service), operation=operation, connection=connection)
            result = await do(work)
            work.prepare()
            await work.commit()
        if work.tells:
            context.told()
        return result


def forgetting(what: str, delete: str) -> Callable[[Context], Awaitable[None]]:
    """The chore that forgets `what` is old: once an hour it runs `delete`, which takes a batch and returns its rows,
    until there are none."""

    async def forget(context: Context) -> None:
        while True:
            try:
                while await context.database.fetch(delete, []):
                    pass
            except Exception as away:
                log.warning("old %s stay for now: %s", what, away or type(away).__name__)
            await asyncio.sleep(FORGET_SECONDS)

    return forget
