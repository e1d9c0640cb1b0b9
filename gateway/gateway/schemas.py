"""JSON schemas of the messages, as the codec reads and writes them, with the limits of buf.validate."""

from typing import Any

from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from gateway.codec import is_map
from gateway.contract import behaviors, is_output

Schema = dict[str, Any]
F = FieldDescriptor
INT64 = {"type": "string", "pattern": "^-?[0-9]+$", "format": "int64"}
NUMBER = {"oneOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]}
SCALARS: dict[int, Schema] = {
    F.TYPE_STRING: {"type": "string"},
    F.TYPE_BOOL: {"type": "boolean"},
    F.TYPE_BYTES: {"type": "string", "format": "byte"},
    **dict.fromkeys((F.TYPE_DOUBLE, F.TYPE_FLOAT), NUMBER),
    **{key: {"type": "integer", "format": "int32"} for key in (F.TYPE_INT32, F.TYPE_SINT32, F.TYPE_SFIXED32)},
    **{key: {"type": "integer", "format": "int32", "minimum": 0} for key in (F.TYPE_UINT32, F.TYPE_FIXED32)},
    **dict.fromkeys((F.TYPE_INT64, F.TYPE_SINT64, F.TYPE_SFIXED64, F.TYPE_UINT64, F.TYPE_FIXED64), INT64),
}
SPECIAL: dict[str, Schema] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": "^-?[0-9]+(\\.[0-9]{1,9})?s$"},
    "google.protobuf.FieldMask": {"type": "string", "description": "Field names separated by commas."},
    "google.protobuf.Struct": {"type": "object"},
    "google.protobuf.Value": {},
    "google.protobuf.ListValue": {"type": "array", "items": {}},
}
# buf.validate's words and JSON schema's.
STRING_WORDS = {"min_len": "minLength", "max_len": "maxLength", "pattern": "pattern"}
NUMBER_WORDS = {"gte": "minimum", "lte": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}
LIST_WORDS = {"min_items": "minItems", "max_items": "maxItems", "unique": "uniqueItems"}
MAP_WORDS = {"min_pairs": "minProperties", "max_pairs": "maxProperties"}
NUMBERS = ("int32", "uint32", "sint32", "float", "double")

UUID_OR_NOTHING = "^([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})?$"


class Schemas:
    """The components of one document; a message is described when something first refers to it."""

    def __init__(self, comments: dict[str, str]) -> None:
        self.comments = comments
        self.components: dict[str, Schema] = {}

    def reference(self, message: Descriptor, partial: bool = False, unchecked: bool = False) -> Schema:
        """A message by reference; `partial` is the form of a PATCH, where nothing is required, `unchecked` one that is
        not whole yet: nor have its values limits."""
        if message.full_name in SPECIAL:
            return SPECIAL[message.full_name]
        if message.full_name.startswith("google.protobuf.") and message.name.endswith("Value"):
            inner = SCALARS[message.fields_by_name["value"].type]
            return {"oneOf": [inner, {"type": "null"}]}
        name = message.full_name + (".Patch" if partial else ".Values" if unchecked else "")
        if name not in self.components:
            self.components[name] = {}  # stands for itself while a message that contains itself is described
            schema = self.message(message, set())
            if partial or unchecked:
                schema.pop("required", None)
            for values in schema["properties"].values() if unchecked else ():
                for word in (*STRING_WORDS.values(), *LIST_WORDS.values()):
                    values.pop(word, None)
            self.components[name] = schema
        return {"$ref": f"#/components/schemas/{name}"}

    def message(self, message: Descriptor, without: set[str]) -> Schema:
        """A message in place, less some of its fields."""
        fields = [field for field in message.fields if field.name not in without]
        schema: Schema = {"type": "object", "additionalProperties": False}
        if message.full_name in self.comments:
            schema["description"] = self.comments[message.full_name]
        schema["properties"] = {field.json_name: self.field(field) for field in fields}
        required = [field.json_name for field in fields if "REQUIRED" in behaviors(field)]
        if required:
            schema["required"] = required
        return schema

    def field(self, field: FieldDescriptor) -> Schema:
        """One field with its comment, its behaviour and its limits."""
        rules = field.GetOptions().Extensions[validate_pb2.field]
        if is_map(field):
            value = field.message_type.fields_by_name["value"]
            schema: Schema = {"type": "object", "additionalProperties": self.single(value, rules.map.values)}
            schema |= words(rules.map, MAP_WORDS)
        elif field.is_repeated:
            schema = {"type": "array", "items": self.single(field, rules.repeated.items)}
            schema |= words(rules.repeated, LIST_WORDS)
        else:
            schema = dict(self.single(field, rules))
        if field.full_name in self.comments:
            schema["description"] = self.comments[field.full_name]
        if is_output(field):
            schema["readOnly"] = True
        return schema

    def single(self, field: FieldDescriptor, rules: validate_pb2.FieldRules) -> Schema:
        """One value of a field, be it repeated or not."""
        if field.type == F.TYPE_MESSAGE:
            return self.reference(field.message_type, unchecked=rules.ignore == validate_pb2.IGNORE_ALWAYS)
        if field.type == F.TYPE_ENUM:
            return self.enum(field.enum_type)
        schema = dict(SCALARS[field.type])
        kind = rules.WhichOneof("type")
        if kind == "string":
            schema |= words(rules.string, STRING_WORDS)
            if rules.string.uuid:
                schema |= {"pattern": UUID_OR_NOTHING} if rules.ignore else {"format": "uuid"}
        elif kind in NUMBERS and "type" in schema:
            schema |= words(getattr(rules, kind), NUMBER_WORDS)
        return schema

    def enum(self, enum: EnumDescriptor) -> Schema:
        """By reference, with the comment of each value."""
        lines = [self.comments.get(enum.full_name, "")]
        for value in enum.values:
            text = self.comments.get(f"{enum.full_name}.{value.name}")
            lines.append(f"- `{value.name}`" + (f": {text}" if text else ""))
        schema = {"type": "string", "enum": [value.name for value in enum.values], "description": "\n".join(lines)}
        self.components[enum.full_name] = schema
        return {"$ref": f"#/components/schemas/{enum.full_name}"}


def words(rules: Any, names: dict[str, str]) -> Schema:
    """The rules that are set, in JSON schema's words."""
    return {theirs: getattr(rules, ours) for ours, theirs in names.items() if rules.HasField(ours)}
