"""What the relay of a leads service has published."""

import nats
from nats.js.errors import NotFoundError


async def published(leads, count: int = 0) -> bool:
    """Whether the relay has nothing left, and at least `count` rows are marked with a stream position."""
    row = (await leads.rows("SELECT count(*) AS all, count(position) AS marked FROM outbox"))[0]
    return row["all"] == row["marked"] >= count


async def on_the_stream(broker, stream: str = "crm-leads") -> list:
    """Every message of the stream, in order."""
    client = await nats.connect(broker.nats_url)
    try:
        jetstream = client.jetstream()
        state = (await jetstream.stream_info(stream)).state
        found = []
        for number in range(state.first_seq, state.last_seq + 1) if state.messages else ():
            try:
                found.append(await jetstream.get_msg(stream, number))
            except NotFoundError:
                continue
        return found
    finally:
        await client.close()
