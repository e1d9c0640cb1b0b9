"""JSON to protobuf and back, compiled once per message from its descriptor.

The text is read and written by msgspec; in between stand closures that know their fields. Written: lowerCamel keys,
enums by name, 64-bit integers as strings, every field that has no presence (an empty list is `[]`), and those with
presence only when set. Read: both spellings of a key, null as "not set". The result of reading is the keyword
arguments of the message's constructor, so that one call in C builds the whole tree.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from gateway.scalars import SCALARS, Decode, Encode, Invalid, enumeration, kind, map_key, same
from gateway.wellknown import special

Values = dict[str, Any]


class Unsupported(Exception):
    """A message that the codec cannot spell, found when it is compiled."""


class Codec:
    """Decoders and encoders by message type. Compile all at start-up: the first use of a type is slow."""

    def __init__(self) -> None:
        self._decoders: dict[str, Decode] = {}
        self._encoders: dict[str, Encode] = {}

    def decoder(self, message: Descriptor) -> Callable[[Any], Values]:
        """Reads a parsed JSON value as constructor arguments of `message`; raises Invalid with path and reason."""
        return self._once(self._decoders, message, self._compile_decoder, 0)

    def encoder(self, message: Descriptor) -> Callable[[Message], Any]:
        """Writes a message as a value that `json_text.render` accepts."""
        return self._once(self._encoders, message, self._compile_encoder, 1)

    def _once(self, known: dict[str, Any], message: Descriptor, compile: Callable, side: int) -> Any:
        name = message.full_name
        if name == "google.protobuf.Any":
            raise Unsupported("google.protobuf.Any has no place in a message of the suite: name the type")
        if name not in known:
            # A message that contains itself meets this forward while it is being compiled.
            known[name] = lambda value: known[name](value)
            pair = special(message)
            known[name] = pair[side] if pair else compile(message)
        return known[name]

    # Reading

    def _compile_decoder(self, message: Descriptor) -> Decode:
        fields: dict[str, tuple[str, Decode, bool]] = {}
        for field in message.fields:
            entry = (field.name, self.field_decoder(field), takes_null(field))
            fields[field.json_name] = fields[field.name] = entry
        choices = [{f.name: f.json_name for f in oneof.fields} for oneof in message.oneofs if len(oneof.fields) > 1]
        get = fields.get

        def decode(value: Any) -> Values:
            if type(value) is not dict:
                raise Invalid(f"must be an object, not {kind(value)}")
            out: Values = {}
            for key, item in value.items():
                entry = get(key)
                if entry is None:
                    raise Invalid("unknown field").under(key)
                name, convert, null = entry
                if name in out:
                    raise Invalid("is given twice, in two spellings").under(key)
                try:
                    # The constructor reads None as "not set".
                    out[name] = convert(item) if item is not None or null else None
                except Invalid as error:
                    error.under(key)
                    raise
            for choice in choices:
                check_choice(choice, out)
            return out

        return decode

    def field_decoder(self, field: FieldDescriptor) -> Decode:
        """Reads the value of one field, list or map."""
        if is_map(field):
            return self._map_decoder(field)
        single = self.value_decoder(field)
        return repeated(single) if field.is_repeated else single

    def value_decoder(self, field: FieldDescriptor) -> Decode:
        """Reads one value of a field, be it repeated or not."""
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            return self.decoder(field.message_type)
        if field.type == FieldDescriptor.TYPE_ENUM:
            named = enumeration(field.enum_type)[0]
            if field.enum_type.full_name == "google.protobuf.NullValue":
                return lambda value: 0 if value is None else named(value)
            return named
        return SCALARS[field.type][0]

    def _map_decoder(self, field: FieldDescriptor) -> Decode:
        key_field = field.message_type.fields_by_name["key"]
        key_of, convert = map_key(key_field)[0], self.value_decoder(field.message_type.fields_by_name["value"])

        def decode(value: Any) -> Values:
            if type(value) is not dict:
                raise Invalid(f"must be an object, not {kind(value)}")
            out = {}
            for key, item in value.items():
                try:
                    out[key_of(key)] = convert(item)
                except Invalid as error:
                    error.under(key)
                    raise
            if len(out) != len(value):
                raise Invalid("has two keys of one value")
            return out

        return decode

    # Writing

    def _compile_encoder(self, message: Descriptor) -> Encode:
        always = [field for field in message.fields if not field.has_presence]
        keys = tuple(field.json_name for field in always)
        values = getter([field.name for field in always])
        changes = [(f.json_name, convert) for f in always if (convert := self.field_encoder(f)) is not None]
        optional = [(f.name, f.json_name, self.field_encoder(f) or same) for f in message.fields if f.has_presence]

        if not changes and not optional:
            return lambda value: dict(zip(keys, values(value), strict=True))

        def encode(value: Message) -> Values:
            out = dict(zip(keys, values(value), strict=True))
            for key, convert in changes:
                out[key] = convert(out[key])
            has = value.HasField
            for name, key, convert in optional:
                if has(name):
                    out[key] = convert(getattr(value, name))
            return out

        return encode

    def field_encoder(self, field: FieldDescriptor) -> Encode | None:
        """Writes the value of one field; None if it is JSON already."""
        if is_map(field):
            return self._map_encoder(field)
        single = self._value_encoder(field)
        if not field.is_repeated:
            return single
        return list if single is None else lambda items: [single(item) for item in items]

    def _value_encoder(self, field: FieldDescriptor) -> Encode | None:
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            return self.encoder(field.message_type)
        if field.type == FieldDescriptor.TYPE_ENUM:
            if field.enum_type.full_name == "google.protobuf.NullValue":
                return lambda value: None
            return enumeration(field.enum_type)[1]
        return SCALARS[field.type][1]

    def _map_encoder(self, field: FieldDescriptor) -> Encode:
        key = map_key(field.message_type.fields_by_name["key"])[1]
        item = self._value_encoder(field.message_type.fields_by_name["value"])
        if key is None and item is None:
            return dict
        key, item = key or same, item or same
        return lambda entries: {key(name): item(entries[name]) for name in entries}


def repeated(single: Decode) -> Decode:
    """A decoder of lists whose items `single` reads."""

    def decode(value: Any) -> list[Any]:
        if type(value) is not list:
            raise Invalid(f"must be a list, not {kind(value)}")
        out: list[Any] = []
        try:
            for item in value:
                out.append(single(item))
        except Invalid as error:
            error.inside(len(out))
            raise
        return out

    return decode


def check_choice(choice: dict[str, str], out: Values) -> None:
    """At most one field of a oneof may be given."""
    given = [name for name in choice if out.get(name) is not None]
    if len(given) > 1:
        raise Invalid(f"cannot be given beside {choice[given[0]]}").under(choice[given[1]])


def is_map(field: FieldDescriptor) -> bool:
    return field.type == FieldDescriptor.TYPE_MESSAGE and field.message_type.GetOptions().map_entry


def takes_null(field: FieldDescriptor) -> bool:
    """True where null is a value of its own and not the absence of one."""
    if field.is_repeated:
        return False
    if field.type == FieldDescriptor.TYPE_ENUM:
        return field.enum_type.full_name == "google.protobuf.NullValue"
    return field.type == FieldDescriptor.TYPE_MESSAGE and field.message_type.full_name == "google.protobuf.Value"


def getter(names: list[str]) -> Callable[[Message], tuple[Any, ...]]:
    """All the named attributes as a tuple, fetched in C."""
    if len(names) > 1:
        return attrgetter(*names)
    if names:
        only = attrgetter(names[0])
        return lambda message: (only(message),)
    return lambda message: ()
