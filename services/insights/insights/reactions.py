"""What insights does when others speak: it takes everything in."""

from chassis.events import Event, Statement, every, on
from google.protobuf.message import Message

from insights.projection import effect


@on(keep=every, rewrites=True)
def take_in(_: Message, event: Event) -> Statement:
    """One statement an event, and the same rows whatever the order of events."""
    return effect(event)
