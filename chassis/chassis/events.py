"""Events: facts in the past tense, CloudEvents in binary mode, written with the change they tell of.

A message of `proto/crm/<service>/v1/events.proto` is the payload; its full name is the CloudEvents type and the NATS
subject. Reactions are functions marked with `@on`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import cache, cached_property
from importlib import import_module
from inspect import iscoroutinefunction
from typing import Any
from uuid import UUID

from google.protobuf.message import DecodeError, Message

from chassis.errors import InvalidArgument
from chassis.settings import SERVICES, package

# NATS takes 1 MB with headers unless it is told otherwise. An event it refuses would hold up all events after it.
MOST_BYTES = 900_000


class Keep(Enum):
    """What a reaction keeps of a record's events."""

    LATEST = "latest"  # snapshots: an older version of the same record is ignored
    EVERY = "every"  # facts: each event once, in any order


latest, every = Keep.LATEST, Keep.EVERY


@dataclass(frozen=True)
class Event:
    """An event as it arrives: what happened (`message`) and what is known about the happening."""

    id: str
    type: str
    subject: str
    version: int
    epoch: str
    service: str
    journey_id: str
    actor: str
    event_time: datetime
    record_time: datetime
    traceparent: str
    operation: str
    elapsed_us: int
    message: Message
    position: int = 0
    erasure: str = ""  # the erasure that redacted it; it was published again since
    again: bool = False  # it was applied before, with what is erased now

    @property
    def trace_id(self) -> str:
        return self.traceparent[3:35]

    def outdates(self, other: "Event") -> bool:
        """Whether the record, as it is told here, is newer."""
        return (self.epoch, self.version) > (other.epoch, other.version)


# SQL with its arguments.
Statement = tuple[Any, ...]


@dataclass(frozen=True)
class Reaction:
    """A function of a service that reacts to events of some types."""

    types: tuple[str, ...]  # empty: of every type
    keep: Keep
    run: Callable[..., Any]
    rewrites: bool = False  # runs again for an event that was redacted since: it keeps what the event said
    among: str = ""  # SQL that chooses the subjects it is for

    @property
    def name(self) -> str:
        return self.run.__name__

    @cached_property
    def notes(self) -> bool:
        """Whether it only says what is to be written."""
        return not iscoroutinefunction(self.run)

    def subjects(self, producer: str) -> list[str]:
        """The NATS subjects of one producer's stream this reaction needs."""
        prefix = f"crm.{package(producer)}.v1."
        return [f"{prefix}>"] if not self.types else [name for name in self.types if name.startswith(prefix)]


def on(
    *messages: type[Message], keep: Keep, rewrites: bool = False, among: str = ""
) -> Callable[[Callable[..., Any]], Reaction]:
    """Marks `async def reaction(event_message, work)` as reacting to these event messages; none means all.

    One that has nothing to do with most records says so in SQL: `among` selects, of the subjects `$1::text[]`, those it
    is for, and is asked once for a run of events in place of a question for each.

    One that only writes one statement is a plain `def reaction(event_message, event)` that returns it, or None if there
    is nothing to write. Those of a run of events are written together, so their order must leave no mark."""

    def mark(run: Callable[..., Any]) -> Reaction:
        return Reaction(tuple(message.DESCRIPTOR.full_name for message in messages), keep, run, rewrites, among)

    return mark


def reactions_of(module: Any) -> list[Reaction]:
    """The reactions a module declares, in order."""
    return [value for value in vars(module).values() if isinstance(value, Reaction)]


def stream(service: str) -> str:
    return f"crm-{service}"


def producer_of(type_name: str) -> str:
    """`crm.service_desk.v1.CaseOpened` → `service-desk`."""
    middle = type_name.split(".")[1]
    return next(name for name in SERVICES if package(name) == middle)


# Outbox column → header. The payload travels as the body.
HEADERS = {
    "id": "ce-id",
    "type": "ce-type",
    "subject": "ce-subject",
    "version": "ce-dataversion",
    "journey_id": "ce-correlationid",
    "actor": "ce-actor",
    "event_time": "ce-time",
    "record_time": "ce-recordedtime",
    "traceparent": "traceparent",
    "causation_id": "ce-causationid",
    "origin": "ce-origin",
    "operation": "ce-operation",
    "elapsed_us": "ce-elapsedus",
    "erasure": "ce-erasure",
}


def headers(row: Any, service: str, epoch: str) -> dict[str, str]:
    """The headers of an outbox row. `ce-id` is also `Nats-Msg-Id`, so that JetStream drops a second publication; a
    redacted event is another message, or it would be dropped for the one that it replaces."""
    values = {header: _header(row[column]) for column, header in HEADERS.items() if row[column] not in (None, "")}
    return values | {
        "Nats-Msg-Id": f"{values['ce-id']}/{row['erasure']}" if row["erasure"] else values["ce-id"],
        "ce-specversion": "1.0",
        "ce-source": f"services/{service}",
        "ce-partitionkey": values["ce-subject"],
        "ce-epoch": epoch,
        "content-type": "application/protobuf",
    }


def _header(value: Any) -> str:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)


@cache
def message_class(full_name: str) -> type[Message]:
    """The class of an event by its type; KeyError if there is none."""
    found = re.fullmatch(r"crm\.([a-z_]+)\.v1\.([A-Za-z]+)", full_name)
    if not found or found[1] not in map(package, SERVICES):
        raise KeyError(full_name)
    return getattr(import_module(f"crm.{found[1]}.v1.events_pb2"), found[2])


class RecordTooLarge(InvalidArgument):
    """The record is too large to be told to the other services; make its texts or lists shorter."""


def payload_of(event: Message) -> bytes:
    """An event's message as it is stored and sent; RecordTooLarge if NATS would not take it."""
    payload = event.SerializeToString(deterministic=True)
    if len(payload) > MOST_BYTES:
        raise RecordTooLarge(bytes=len(payload), most=MOST_BYTES)
    return payload


def types_of(producer: str) -> set[str]:
    """The event types of a service that this release knows; none for a service without events."""
    try:
        module = import_module(f"crm.{package(producer)}.v1.events_pb2")
    except ModuleNotFoundError:
        return set()
    return {message.full_name for message in module.DESCRIPTOR.message_types_by_name.values()}


def is_event(type_name: str, producer: str) -> bool:
    """Whether a service may call an event so, whichever release it runs."""
    return bool(re.fullmatch(rf"crm\.{package(producer)}\.v1\.[A-Z][A-Za-z0-9]*", type_name))


class JunkEvent(ValueError):
    """A message that is not one of our events."""


def decode(values: dict[str, str], payload: bytes, position: int = 0) -> Event:
    """An arrived message as an Event; JunkEvent if it is not one."""
    try:
        kind = message_class(values["ce-type"])
        return Event(
            id=str(UUID(values["ce-id"])),
            type=values["ce-type"],
            subject=values["ce-subject"],
            version=int(values["ce-dataversion"]),
            epoch=values["ce-epoch"],
            service=values["ce-source"].removeprefix("services/"),
            journey_id=values.get("ce-correlationid", ""),
            actor=values.get("ce-actor", ""),
            event_time=datetime.fromisoformat(values["ce-time"]),
            record_time=datetime.fromisoformat(values["ce-recordedtime"]),
            traceparent=values.get("traceparent", ""),
            operation=values.get("ce-operation", ""),
            elapsed_us=int(values.get("ce-elapsedus", "0")),
            message=kind.FromString(payload),
            position=position,
            erasure=values.get("ce-erasure", ""),
        )
    except (KeyError, ValueError, AttributeError, DecodeError) as junk:
        raise JunkEvent(f"not an event of the suite: {junk!r}") from junk
