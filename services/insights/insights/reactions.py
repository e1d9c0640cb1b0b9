"""What insights does when others speak: it takes everything in."""

from chassis.events import every, on
from chassis.work import Work
from google.protobuf.message import Message

from insights.projection import effect


@on(keep=every, rewrites=True)
async def take_in(_: Message, work: Work) -> None:
    """One statement an event, and the same rows whatever the order of events."""
    await work.execute(*effect(work.event))
