"""What people of a customer see of a message, and what they may send: nothing marked `internal_use` in the contract."""

from collections.abc import Iterator
from typing import Any

from crm.options.v1 import options_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from chassis.errors import InvalidFields


def internal_fields(answer: Descriptor) -> frozenset[str]:
    """The names of the fields that are kept back of an answer: its own, and those of the records it lists."""
    kinds = [answer, *(item.message_type for item in answer.fields if item.message_type is not None)]
    return frozenset(item.name for kind in kinds for item in kind.fields if _internal(item))


def redact(message: Message) -> None:
    """Clears what is the company's own business, at every depth."""
    for item, value in message.ListFields():
        if _internal(item):
            message.ClearField(item.name)
        else:
            for part in _parts(item, value):
                redact(part)


def refuse_internal(request: Any, resource: str) -> None:
    """InvalidFields for each such field that a request sets, or names in its mask. `resource` is the field of an Update
    request that holds the record; else empty."""
    found = [path for path, item in _set_fields(request, "") if _internal(item)]
    if resource:
        kind = request.DESCRIPTOR.fields_by_name[resource].message_type
        named = [kind.fields_by_name.get(path.split(".")[0]) for path in request.update_mask.paths]
        found += [f"{resource}.{item.name}" for item in named if item is not None and _internal(item)]
    if found:
        raise InvalidFields(*((path, "is not yours to set") for path in dict.fromkeys(found)))


def _set_fields(message: Message, prefix: str) -> Iterator[tuple[str, FieldDescriptor]]:
    for item, value in message.ListFields():
        yield f"{prefix}{item.name}", item
        for part in _parts(item, value):
            yield from _set_fields(part, f"{prefix}{item.name}.")


def _parts(item: FieldDescriptor, value: Any) -> list[Message]:
    if item.message_type is None or item.message_type.GetOptions().map_entry:
        return []
    return list(value) if item.is_repeated else [value]


def _internal(item: FieldDescriptor) -> bool:
    return bool(item.GetOptions().Extensions[options_pb2.internal_use])
