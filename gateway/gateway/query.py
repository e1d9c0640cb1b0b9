"""Query parameters to request fields: `pageSize=20`, `page_size=20`, `states=NEW&states=WORKING`."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.codec import Codec, Values, is_map
from gateway.problems import Problem
from gateway.scalars import Invalid, decode_bool_text
from gateway.wellknown import TIMES_AND_MASKS, WRAPPERS

# Levels of a.b.c; request messages have two at most.
MAX_LEVELS = 4
MAX_PARAMETERS = 100

Parameter = tuple[tuple[str, ...], Callable[[str], Any], bool]


class Query:
    """The parameters of one route: all fields of the request but those in the path and the body."""

    def __init__(self, codec: Codec, request: Descriptor, taken: set[str], whole_body: bool) -> None:
        """`taken` holds the dotted names of fields that come from elsewhere; `whole_body` leaves none."""
        self._codec = codec
        self.parameters: dict[str, Parameter] = {}
        if not whole_body:
            self._add(request, (), (), taken)

    def _add(self, message: Descriptor, names: tuple[str, ...], shown: tuple[str, ...], taken: set[str]) -> None:
        for field in message.fields:
            path = (*names, field.name)
            if ".".join(path) in taken or is_map(field):
                continue
            json_path = (*shown, field.json_name)
            decode = self._text_decoder(field)
            if decode is not None:
                parameter = (path, decode, field.is_repeated)
                self.parameters[".".join(path)] = self.parameters[".".join(json_path)] = parameter
            elif len(path) < MAX_LEVELS and not field.is_repeated:
                self._add(field.message_type, path, json_path, taken)

    def _text_decoder(self, field: FieldDescriptor) -> Callable[[str], Any] | None:
        """Reads one value from its text; None for a message that has no text form."""
        if field.type == FieldDescriptor.TYPE_BOOL:
            return decode_bool_text
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            name = field.message_type.full_name
            if name == "google.protobuf.BoolValue":
                return lambda text: {"value": decode_bool_text(text)}
            if name not in TIMES_AND_MASKS and name not in WRAPPERS:
                return None
        return self._codec.value_decoder(field)

    def read(self, raw: bytes, values: Values) -> None:
        """Adds the parameters of a query string to the request's values. Raises Problem."""
        try:
            pairs = parse_qsl(
                raw.decode("latin-1"), keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS
            )
        except UnicodeDecodeError:
            raise Problem.invalid("", "the query is not UTF-8") from None
        except ValueError:
            raise Problem.invalid("", f"the query may have {MAX_PARAMETERS} parameters") from None
        for name, text in pairs:
            parameter = self.parameters.get(name)
            if parameter is None:
                raise Problem.invalid(name, "unknown query parameter")
            path, decode, repeated = parameter
            try:
                value = decode(text)
            except Invalid as error:
                raise Problem.invalid(name, error.reason) from None
            if not put(values, path, [value] if repeated else value):
                raise Problem.invalid(name, "is given twice")


def put(values: Values, path: tuple[str, ...], value: Any) -> bool:
    """Sets the value at a path of nested constructor arguments; lists grow. False if another value stands there."""
    for name in path[:-1]:
        inner = values.get(name)
        if inner is None:
            inner = values[name] = {}
        values = inner
    present = values.get(path[-1])
    if isinstance(value, list) and present:
        present.extend(value)
        return True
    values[path[-1]] = value
    return present in (None, "", value)
