"""Watching: what the feed says, within one caller's reach.

A record is told as it became if the caller could see it then and still can, and as gone if he could see it before and
cannot see it now. What leaves while he is away is told as gone only: he is not shown what it was meanwhile.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from chassis import filtering
from chassis.feed import Entry, Mark, Watching, WatchOutdated
from chassis.identity import Reach
from chassis.work import Work

HEARTBEAT_SECONDS = 15.0


@dataclass(frozen=True)
class Change:
    """What a watcher is told: a record as it became, or the name of one that is gone, or only that the watch lives."""

    token: str
    record: Any = None
    gone: str = ""


async def watch(work: Work, collection: str, resume_token: str) -> AsyncIterator[Change]:
    """The changes of a collection's records, from a token on or from now; the first one says that the watch is open.
    Ends when the process does. WatchOutdated, InvalidFields for tokens that cannot be continued."""
    key, bound_to = work.context.page_token_key, _bound(work, collection)
    after = _mark(key, resume_token, bound_to) if resume_token else None
    clock = asyncio.get_running_loop().time
    watching: Watching = await work.context.feed.open(after)
    try:
        yield Change(filtering.make_token(key, str(watching.mark), bound_to))
        quiet_since = clock()
        while (batch := await watching.next(quiet_since + HEARTBEAT_SECONDS - clock())) is not None:
            for entry in batch.entries:
                if found := told(work, collection, entry):
                    token = filtering.make_token(key, str(entry.mark), bound_to)
                    yield Change(token, record=found[0], gone=found[1])
                    quiet_since = clock()
            if clock() - quiet_since >= HEARTBEAT_SECONDS:
                yield Change(filtering.make_token(key, str(batch.last), bound_to))
                quiet_since = clock()
    finally:
        watching.close()


def told(work: Work, collection: str, entry: Entry) -> tuple[Any, str] | None:
    """What the caller is told of an event: the record, or its name if it is gone; None if it does not concern him."""
    if not entry.subject.startswith(f"{collection}/"):
        return None
    if _sees(work, entry.record):
        return (entry.record, "") if _sees(work, entry.latest) else None
    return (None, entry.subject) if entry.before is not None and _sees(work, entry.before) else None


def _sees(work: Work, record: Any) -> bool:
    return work.caller.sees(work.reach, record.owner, record.team)


def _bound(work: Work, collection: str) -> str:
    """A token continues this caller's watch, within this reach: else what came into his reach by another way than a
    change would be missing."""
    caller = work.caller
    teams = caller.subtree if work.reach is Reach.SUBTREE else caller.teams
    return filtering.digest("watch", collection, caller.name, caller.actor, work.reach, sorted(teams))


def _mark(key: bytes, token: str, bound_to: str) -> Mark:
    text, bound = filtering.open_token(key, token, "resume_token")
    if bound != bound_to:
        raise WatchOutdated()
    return Mark.parse(text)
