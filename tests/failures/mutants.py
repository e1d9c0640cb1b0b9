"""Services that break one promise each, for the checker: `python -m failures.mutants drops_request_ids leads`."""

import asyncio
import itertools
import runpy
import sys
from collections.abc import Callable

from nats.js.api import PubAck

from chassis import consumer, inbox, outbox, work

EVERY = 5  # events, of which one is mistreated


def drops_request_ids() -> None:
    """A repeated call is a new one."""
    work.Work._request_row = lambda *_: None


def skips_outbox_rows() -> None:
    """Some rows are marked as published, with the number of the one before, that never were."""
    publish, counted = outbox.JetStreamContext.publish_async, itertools.count(1)
    last: list[asyncio.Future[PubAck]] = []

    async def sometimes(self, subject, payload, headers):
        if last and not next(counted) % EVERY:
            return last[0]
        last[:] = [await publish(self, subject, payload, headers=headers)]
        return last[0]

    outbox.JetStreamContext.publish_async = sometimes


def takes_in_without_reacting() -> None:
    """The inbox row is there, the effect is not."""
    react, counted = inbox.Inbox._react, itertools.count(1)

    async def sometimes(self, *event):
        return await react(self, *event) if next(counted) % EVERY else False

    inbox.Inbox._react = sometimes


def acknowledges_before_committing() -> None:
    """A crash in between loses the event: here as if it came every few events."""
    together, counted = consumer.Consumer._together, itertools.count(1)

    async def sometimes(self, run):
        if next(counted) % EVERY:
            return await together(self, run)
        for message in run:
            await message.ack()
        return True

    consumer.Consumer._together = sometimes


MUTANTS: dict[str, Callable[[], None]] = {
    mutant.__name__: mutant
    for mutant in (drops_request_ids, skips_outbox_rows, takes_in_without_reacting, acknowledges_before_committing)
}

if __name__ == "__main__":
    MUTANTS[sys.argv[1]]()
    runpy.run_module(sys.argv[2], run_name="__main__", alter_sys=True)
