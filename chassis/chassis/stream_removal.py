"""Removing from the stream what was erased from the outbox: durable, so it happens after NATS was away, too.

An erasure notes which message held the old payload, in its own transaction. The relay removes it for good (the server
overwrites it), unless its place holds another message by now.
"""

import nats.js.errors
from nats.js import JetStreamContext

from chassis.database import Database
from chassis.events import stream

BATCH = 500
STRAYS = 0  # in place of a position: look for copies that no row of the outbox knows

NEXT = (
    "SELECT event_id::text AS event_id, position, erasure::text AS erasure FROM stream_removal"
    " ORDER BY position DESC LIMIT $1::bigint"
)
LOOK_FOR_STRAYS = (
    "INSERT INTO stream_removal (event_id, position, erasure)"
    f" VALUES ('00000000-0000-0000-0000-000000000000', {STRAYS}, '00000000-0000-0000-0000-000000000000')"
    " ON CONFLICT DO NOTHING"
)
DONE = "DELETE FROM stream_removal WHERE event_id = $1::uuid AND position = $2::bigint"
# A relay that died between a publication and its mark leaves a copy behind whose position it did not note.
UNKNOWN = (
    "SELECT place FROM generate_series($1::bigint, $2::bigint) AS place"
    " WHERE NOT EXISTS (SELECT FROM outbox WHERE position = place)"
)
WHERE_NOW = "SELECT position FROM outbox WHERE id = $1::uuid"


class Removals:
    """The messages of one service's stream that are still to be removed."""

    def __init__(self, service: str, database: Database, jetstream: JetStreamContext) -> None:
        self._stream, self._database, self._jetstream = stream(service), database, jetstream

    async def work_off(self) -> None:
        """Removes what waits, oldest last; raises if NATS is away, and the rest waits on."""
        for row in await self._database.fetch(NEXT, [BATCH]):
            event_id, position = row["event_id"], row["position"]
            if position != STRAYS:
                await self._remove(position, event_id, row["erasure"])
            elif not await self._strays_removed():
                continue
            await self._database.fetch(DONE, [event_id, position])

    async def _remove(self, position: int, event_id: str, erasure: str) -> None:
        """Removes that message if it is still the one, and not the redacted one of a stream that was made anew."""
        headers = await self._headers_at(position)
        if headers.get("ce-id") == event_id and headers.get("ce-erasure") != erasure:
            await self._delete(position)

    async def _strays_removed(self) -> bool:
        """Removes copies of events that the stream has elsewhere; False if some of those events are on their way."""
        state = (await self._jetstream.stream_info(self._stream)).state
        all_known = True
        for row in await self._database.fetch(UNKNOWN, [max(state.first_seq, 1), state.last_seq]):
            event_id = (await self._headers_at(row["place"])).get("ce-id", "")
            if not event_id:
                continue
            now = await self._database.fetch(WHERE_NOW, [event_id])
            if now and now[0]["position"] is None:
                all_known = False
            elif now and now[0]["position"] != row["place"]:
                await self._delete(row["place"])
        return all_known

    async def _headers_at(self, position: int) -> dict[str, str]:
        try:
            return dict((await self._jetstream.get_msg(self._stream, position)).headers or {})
        except nats.js.errors.NotFoundError:
            return {}

    async def _delete(self, position: int) -> None:
        try:
            await self._jetstream.delete_msg(self._stream, position)
        except nats.js.errors.NotFoundError:
            return
        except nats.js.errors.APIError as refused:
            if "no message found" not in str(refused):
                raise
