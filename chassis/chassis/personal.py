"""Personal data as the contracts mark them: fields about a person are blanked, texts about others are rid of the name.

Works on messages (events, kept answers), on records of the domain and on plain values of JSON, by the same two rules:
what is about the person alone loses every field marked personal; in everything else the person's marks are replaced.
"""

import sys
from collections.abc import Callable, Collection, Mapping
from copy import copy
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property
from typing import Any

from crm.chassis.v1 import personal_pb2
from crm.options.v1 import options_pb2
from google.api import field_behavior_pb2
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from chassis import convert
from chassis.persons import GONE, Mark, MarkKind, Person, Recogniser, is_name
from chassis.records import Mapper
from chassis.settings import package
from chassis.values import ExternalId, Record

EXTERNAL_ID = "crm.type.v1.ExternalId"


def is_personal(item: FieldDescriptor) -> bool:
    return bool(item.GetOptions().Extensions[options_pb2.personal])


def is_required(item: FieldDescriptor) -> bool:
    return field_behavior_pb2.REQUIRED in item.GetOptions().Extensions[field_behavior_pb2.field_behavior]


@dataclass(frozen=True)
class Kind:
    """One kind of record: its class, how it is stored, and its message, if the contracts have one."""

    record: type[Record]
    mapper: Mapper
    message: Descriptor | None

    @cached_property
    def personal(self) -> list[FieldDescriptor]:
        return [item for item in self.message.fields if is_personal(item)] if self.message else []

    @cached_property
    def links(self) -> dict[str, int]:
        """Field → how it leads to the person (PersonLink)."""
        found = {}
        for item in self.message.fields if self.message else ():
            if link := item.GetOptions().Extensions[options_pb2.person]:
                found[item.name] = link
        return found

    @property
    def is_person(self) -> bool:
        """Whether such a record is somebody: it has an address of theirs."""
        return any(item.name == "email" for item in self.personal)

    @cached_property
    def updated(self) -> Callable[..., Any] | None:
        """The event that tells of a change, `LeadUpdated`; None for facts that never change."""
        return getattr(sys.modules[self.record.__module__], f"{self.record.__name__}Updated", None)


def kinds(service: str, mappers: Mapping[type[Record], Mapper]) -> list[Kind]:
    pool = descriptor_pool.Default()
    found = []
    for record, mapper in mappers.items():
        try:
            message = pool.FindMessageTypeByName(f"crm.{package(service)}.v1.{record.__name__}")
        except KeyError:
            message = None
        found.append(Kind(record, mapper, message))
    return found


def _none(_: str) -> Collection[str]:
    return ()


class Eraser:
    """Takes a person out of messages, records and values."""

    def __init__(self, key: bytes, person: Person, impersonal: Callable[[str], Collection[str]] = _none) -> None:
        """`impersonal`: by collection, the slugs of company-defined fields that say nothing about a person. What stands
        under any other is the person's own."""
        self._impersonal = impersonal
        self._own, self._retained = set(person.records), set(person.retained)
        self._recogniser = Recogniser(key, person.marks)

    # ---- messages

    def message(self, message: Message) -> bool:
        """Redacts a message; whether that changed it. Fields this release does not know go with the rest."""
        before = message.SerializeToString(deterministic=True)
        if self._is_retained(message):
            return False
        message.DiscardUnknownFields()
        self._redact(message, own=self._is_own(message))
        return message.SerializeToString(deterministic=True) != before

    def _redact(self, message: Message, own: bool) -> None:
        own = own or getattr(message, "name", "") in self._own
        somebody = not own and "email" in message.DESCRIPTOR.fields_by_name
        for item, value in message.ListFields():
            if own and is_personal(item):
                blank(message, item)
            elif own and convert.is_struct(item):
                self._redact_custom(message, item)
            elif item.message_type is not None and item.message_type.GetOptions().map_entry:
                self._redact_map(value, item, own)
            elif item.message_type is not None and item.is_repeated:
                self._redact_all(message, item, own)
            elif item.message_type is not None:
                self._redact(value, own)
            elif item.type != FieldDescriptor.TYPE_STRING or (somebody and self._theirs(item, value)):
                continue
            elif item.is_repeated:
                value[:] = [self.text(one) for one in value]
            else:
                setattr(message, item.name, self.text(value))

    def _redact_custom(self, message: Message, item: FieldDescriptor) -> None:
        values = getattr(message, item.name)
        for slug in set(values.fields) - set(self._impersonal(getattr(message, "name", "").split("/")[0])):
            del values.fields[slug]
        self._redact(values, own=False)
        if not values.fields:
            message.ClearField(item.name)

    def _redact_map(self, value: Any, item: FieldDescriptor, own: bool) -> None:
        of_messages = item.message_type.fields_by_name["value"].message_type is not None
        for key in list(value):
            if of_messages:
                self._redact(value[key], own)
            elif isinstance(value[key], str):
                value[key] = self.text(value[key])

    def _redact_all(self, message: Message, item: FieldDescriptor, own: bool) -> None:
        kept = []
        for one in getattr(message, item.name):
            if item.message_type.full_name == EXTERNAL_ID and self.text(one.id) != one.id:
                continue  # a key that names the person is no key any more
            self._redact(one, own)
            kept.append(type(one)())
            kept[-1].CopyFrom(one)
        message.ClearField(item.name)
        getattr(message, item.name).extend(kept)

    def _theirs(self, item: FieldDescriptor, value: Any) -> bool:
        """Whether it is somebody else's own name or address that happens to be the same."""
        return is_personal(item) and isinstance(value, str) and self._recogniser.is_one(value)

    def _is_own(self, message: Message) -> bool:
        """An event is about the record that is its first field."""
        first = message.DESCRIPTOR.fields[0] if message.DESCRIPTOR.fields else None
        if first is None or first.message_type is None or first.is_repeated:
            return False
        return getattr(getattr(message, first.name), "name", "") in self._own

    def _is_retained(self, message: Message) -> bool:
        first = message.DESCRIPTOR.fields[0] if message.DESCRIPTOR.fields else None
        inner = getattr(message, first.name) if first is not None else None
        return bool(self._retained & {getattr(message, "name", ""), getattr(inner, "name", "")})

    # ---- records

    def record(self, record: Record, kind: Kind) -> list[str]:
        """Takes the person out of a record; the names of the fields that changed."""
        if record.name in self._retained:
            return []
        before = copy(record)
        own = record.name in self._own
        blanked = {item.name: item for item in kind.personal} if own else {}
        for item in fields(record):
            value = getattr(record, item.name)
            if item.name in blanked:
                setattr(record, item.name, nothing(blanked[item.name], value))
            elif own and item.name == "custom":
                kept = self._impersonal(record.collection)
                record.custom = {slug: self.value(one) for slug, one in value.items() if slug in kept}  # type: ignore[attr-defined]
            elif item.name not in ("id", "owner", "team", "journey_id"):
                if kind.is_person and not own and isinstance(value, str) and self._recogniser.is_one(value):
                    continue
                setattr(record, item.name, self.value(value))
        if hasattr(record, "normalise") and own:
            record.normalise()
        return [item.name for item in fields(record) if getattr(record, item.name) != getattr(before, item.name)]

    # ---- values

    def text(self, text: str) -> str:
        return text if is_name(text) else self._recogniser.without(text)

    def value(self, value: Any) -> Any:
        """A value of JSON or of a record, without the person."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            kept = [one for one in value if not (isinstance(one, ExternalId) and self.text(one.id) != one.id)]
            return [self.value(one) for one in kept]
        if isinstance(value, dict):
            return {key: self.value(one) for key, one in value.items()}
        if is_dataclass(value) and not isinstance(value, type):
            changed = {item.name: self.value(getattr(value, item.name)) for item in fields(value)}
            return replace(value, **changed)
        return value


def blank(message: Message, item: FieldDescriptor) -> None:
    """Empties a field; a required text says that it was erased."""
    if is_required(item) and item.type == FieldDescriptor.TYPE_STRING and not item.is_repeated:
        setattr(message, item.name, GONE)
    else:
        message.ClearField(item.name)


def nothing(item: FieldDescriptor, value: Any) -> Any:
    """What a blanked field of a record holds."""
    if isinstance(value, str):
        return GONE if is_required(item) else ""
    return type(value)() if isinstance(value, list | dict) else None


# ---- persons on the wire


def from_wire(message: personal_pb2.Person) -> Person:
    return Person(
        records=list(message.records),
        references=list(message.references),
        ties=list(message.ties),
        marks=marks_from(message.marks),
        retained=list(message.retained),
    )


def marks_from(marks: Any) -> list[Mark]:
    return [Mark(kind=MarkKind(one.kind), length=one.length, digest=one.digest) for one in marks if one.kind]


def to_wire(person: Person) -> personal_pb2.Person:
    return convert.to_message(person, personal_pb2.Person)
