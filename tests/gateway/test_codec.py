"""The codec against google.protobuf.json_format, which defines what proto3 JSON means in Python."""

import copy
import json
import math
import time
from typing import Any

import pytest
from crm.leads.v1 import leads_pb2
from gateway.codec import Codec, Unsupported
from gateway.contract import Contract
from gateway.scalars import Invalid
from google.protobuf import json_format, struct_pb2
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from gateway import json_text

CODEC = Codec()
F = FieldDescriptor
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
SCALARS = {
    F.TYPE_STRING: TEXT,
    F.TYPE_BOOL: st.booleans(),
    F.TYPE_BYTES: st.binary(max_size=9),
    # JSON has one "NaN"; a double has one with a sign, too.
    F.TYPE_DOUBLE: st.floats().map(lambda value: math.nan if math.isnan(value) else value),
    # json_format cannot read the largest floats that it writes.
    F.TYPE_FLOAT: st.floats(width=32, min_value=-(2.0**127), max_value=2.0**127) | st.just(float("inf")),
    **dict.fromkeys((F.TYPE_INT32, F.TYPE_SINT32, F.TYPE_SFIXED32), st.integers(-(2**31), 2**31 - 1)),
    **dict.fromkeys((F.TYPE_UINT32, F.TYPE_FIXED32), st.integers(0, 2**32 - 1)),
    **dict.fromkeys((F.TYPE_INT64, F.TYPE_SINT64, F.TYPE_SFIXED64), st.integers(-(2**63), 2**63 - 1)),
    **dict.fromkeys((F.TYPE_UINT64, F.TYPE_FIXED64), st.integers(0, 2**64 - 1)),
}
SECONDS = st.integers(-62_135_596_800, 253_402_300_799)
NANOS = st.one_of(st.integers(0, 999_999_999), st.integers(0, 999).map(lambda n: n * 1_000_000))
PATH = st.from_regex(r"[a-z]{1,5}(_[a-z]{1,5}){0,2}", fullmatch=True)
JSON = st.recursive(
    st.none() | st.booleans() | TEXT | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
SPECIAL = {
    "google.protobuf.Timestamp": st.fixed_dictionaries({"seconds": SECONDS, "nanos": NANOS}),
    "google.protobuf.Duration": st.tuples(st.integers(0, 315_575_999_999), NANOS, st.sampled_from([1, -1])).map(
        lambda t: {"seconds": t[0] * t[2], "nanos": t[1] * t[2]}
    ),
    "google.protobuf.FieldMask": st.lists(PATH, max_size=3).map(lambda paths: {"paths": paths}),
}

many = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))


def values(message: Descriptor, depth: int = 2) -> st.SearchStrategy[dict[str, Any]]:
    """Constructor arguments of `message`, some fields left out, no oneof set twice."""
    if message.full_name in SPECIAL:
        return SPECIAL[message.full_name]
    if message.full_name == "google.protobuf.Struct":
        return st.dictionaries(TEXT, JSON, max_size=3).map(lambda d: {"fields": {k: value_of(v) for k, v in d.items()}})
    if message.full_name == "google.protobuf.Value":
        return JSON.map(value_of)
    if message.full_name == "google.protobuf.ListValue":
        return st.lists(JSON, max_size=3).map(lambda items: {"values": [value_of(item) for item in items]})
    fields = [f for f in message.fields if depth or f.type != F.TYPE_MESSAGE]
    return st.fixed_dictionaries({}, optional={f.name: field_values(f, depth) for f in fields}).map(
        lambda chosen: without_second_choices(message, chosen)
    )


def value_of(plain: Any) -> dict[str, Any]:
    """A JSON value as constructor arguments of google.protobuf.Value."""
    if isinstance(plain, dict):
        return {"struct_value": {"fields": {key: value_of(item) for key, item in plain.items()}}}
    if isinstance(plain, list):
        return {"list_value": {"values": [value_of(item) for item in plain]}}
    names = {type(None): "null_value", bool: "bool_value", str: "string_value", float: "number_value"}
    return {names[type(plain)]: 0 if plain is None else plain}


def field_values(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    if field.type == F.TYPE_MESSAGE and field.message_type.GetOptions().map_entry:
        entry = field.message_type.fields_by_name
        return st.dictionaries(single_values(entry["key"], 0), single_values(entry["value"], depth - 1), max_size=2)
    single = single_values(field, depth - 1)
    return st.lists(single, max_size=3) if field.is_repeated else single


def single_values(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    if field.type == F.TYPE_MESSAGE:
        return values(field.message_type, max(depth, 0))
    if field.type == F.TYPE_ENUM:
        return st.sampled_from([value.number for value in field.enum_type.values])
    return SCALARS[field.type]


def without_second_choices(message: Descriptor, chosen: dict[str, Any]) -> dict[str, Any]:
    for oneof in message.oneofs:
        for field in [f for f in oneof.fields if f.name in chosen][1:]:
            del chosen[field.name]
    return chosen


def build(cls: type, chosen: dict[str, Any]) -> Message:
    return cls(**copy.deepcopy(chosen))


def write(message: Message) -> bytes:
    return json_text.render(CODEC.encoder(message.DESCRIPTOR)(message))


def read(cls: type, raw: bytes) -> Message:
    return cls(**CODEC.decoder(cls.DESCRIPTOR)(json_text.parse(raw)))


@pytest.fixture(scope="module")
def everything(contract: Contract) -> type:
    return GetMessageClass(contract.pool.FindMessageTypeByName("crm.everything.v1.Everything"))


def messages(everything: type) -> st.SearchStrategy[Message]:
    """Random messages of the test type and of the suite's own."""
    leads = [leads_pb2.Lead, leads_pb2.ImportLeadsResponse, leads_pb2.UpdateLeadRequest, leads_pb2.LeadSettings]
    types = st.sampled_from([everything, *leads])
    return types.flatmap(lambda cls: values(cls.DESCRIPTOR).map(lambda chosen: build(cls, chosen)))


def refusal(raw: bytes | str, cls: type) -> Invalid:
    with pytest.raises(Invalid) as caught:
        read(cls, raw.encode() if isinstance(raw, str) else raw)
    return caught.value


@many
@given(st.data())
def test_what_is_written_equals_json_format(everything: type, data: st.DataObject) -> None:
    message = data.draw(messages(everything))
    expected = json_format.MessageToDict(message, always_print_fields_with_no_presence=True)
    assert json.loads(write(message)) == expected


@many
@given(st.data())
def test_what_json_format_writes_is_read_as_it_reads_it(everything: type, data: st.DataObject) -> None:
    message = data.draw(messages(everything))
    for snake in (False, True):
        text = json_format.MessageToJson(message, preserving_proto_field_name=snake)
        # Not-a-number differs from itself, so the two messages are compared on the wire.
        assert wire(read(type(message), text.encode())) == wire(json_format.Parse(text, type(message)()))


def public_messages(contract: Contract) -> list[type]:
    return sorted(
        {cls for rpc in contract.public for cls in (rpc.request_class, rpc.reply_class)},
        key=lambda cls: cls.DESCRIPTOR.full_name,
    )


@settings(parent=many, max_examples=400)
@given(st.data())
def test_every_request_and_answer_of_the_suite_survives_the_round_trip(contract: Contract, data: st.DataObject) -> None:
    """Written as json_format writes, read as json_format reads, and read back as it was."""
    cls = data.draw(st.sampled_from(public_messages(contract)))
    assume(cls.DESCRIPTOR.full_name != "google.api.HttpBody")
    message = build(cls, data.draw(values(cls.DESCRIPTOR)))
    text = write(message)
    assert json.loads(text) == json_format.MessageToDict(message, always_print_fields_with_no_presence=True)
    assert wire(read(cls, text)) == wire(message) == wire(json_format.Parse(text, cls()))


GUESSES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.just("2026-01-31T09:30:00Z"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)


@many
@given(st.data(), GUESSES)
def test_what_is_accepted_means_the_same_to_json_format(everything: type, data: st.DataObject, value: Any) -> None:
    """The codec may be stricter, never different, and nothing but Invalid escapes from it."""
    key = data.draw(st.sampled_from([field.json_name for field in everything.DESCRIPTOR.fields]))
    assume((key, value) != ("values", None))  # json_format stumbles over null for a repeated Value
    raw = json.dumps({key: value}).encode()
    try:
        message = read(everything, raw)
    except Invalid:
        return
    assert wire(message) == wire(json_format.Parse(raw, everything()))


def wire(message: Message) -> bytes:
    return message.SerializeToString(deterministic=True)


def test_an_empty_message_prints_its_lists_and_strings_but_no_unset_message() -> None:
    assert json.loads(write(leads_pb2.ListLeadsResponse())) == {"leads": [], "nextPageToken": ""}
    assert "createTime" not in json.loads(write(leads_pb2.Lead()))


def test_null_means_not_set() -> None:
    assert read(leads_pb2.Lead, b'{"company": null, "contactTime": null, "labels": null}') == leads_pb2.Lead()


def test_null_is_a_value_where_the_field_is_any_json(everything: type) -> None:
    assert read(everything, b'{"value": null}').value.WhichOneof("kind") == "null_value"


def test_both_spellings_are_read_but_not_at_once() -> None:
    assert read(leads_pb2.Lead, b'{"display_name": "a"}') == read(leads_pb2.Lead, b'{"displayName": "a"}')
    assert refusal('{"display_name": "a", "displayName": "b"}', leads_pb2.Lead).field == "displayName"


def test_an_empty_object_sets_a_message_field() -> None:
    assert read(leads_pb2.CreateLeadRequest, b'{"lead": {}}').HasField("lead")


def test_an_enum_is_read_by_number_too(everything: type) -> None:
    assert read(everything, b'{"color": 7}') == read(everything, b'{"color": "DARK_BLUE"}')


@pytest.mark.parametrize(
    ("raw", "field", "reason"),
    [
        ('{"nope": 1}', "nope", "unknown field"),
        ('{"inner": {"nope": 1}}', "inner.nope", "unknown field"),
        ('{"inners": [{}, {"number": "x"}]}', "inners[1].number", "must be an integer"),
        ('{"byNumber": {"1": {"text": 5}}}', "byNumber.1.text", "must be a string, not a number"),
        ('{"byNumber": {"one": {}}}', "byNumber.one", "must be an integer"),
        ('{"byNumber": {"1": {}, "01": {}}}', "byNumber", "has two keys of one value"),
        ('{"plainText": 1}', "plainText", "must be a string, not a number"),
        ('{"texts": "a"}', "texts", "must be a list, not a string"),
        ('{"texts": ["a", null]}', "texts[1]", "must be a string, not null"),
        ('{"labels": []}', "labels", "must be an object, not a list"),
        ('{"inner": []}', "inner", "must be an object, not a list"),
        ('{"flag": "true"}', "flag", "must be true or false, not a string"),
        ('{"i32": 2147483648}', "i32", "must be from -2147483648 to 2147483647"),
        ('{"u64": -1}', "u64", "must be from 0 to 18446744073709551615"),
        ('{"i64": 123456789012345678901234567890}', "i64", "must be from"),
        ('{"i32": 1.5}', "i32", "must be an integer"),
        ('{"i32": true}', "i32", "must be an integer, not a boolean"),
        ('{"double": "nan"}', "double", "must be a number"),
        ('{"single": 1e39}', "single", "is too large"),
        ('{"color": "GREEN"}', "color", "must be one of COLOR_UNSPECIFIED, RED"),
        ('{"color": 3}', "color", "must be one of"),
        ('{"data": "!"}', "data", "must be base64"),
        ('{"at": "yesterday"}', "at", "must be a time like"),
        ('{"at": "2026-02-30T00:00:00Z"}', "at", "is not a time"),
        ('{"at": "0001-01-01T00:00:00+01:00"}', "at", "must be in the years"),
        ('{"takes": "5"}', "takes", "must be seconds like"),
        ('{"takes": "315576000001s"}', "takes", "must be within"),
        ('{"mask": "a,,b"}', "mask", "must be field names"),
        ('{"chosenText": "a", "chosenNumber": 1}', "chosenNumber", "cannot be given beside chosenText"),
        ("[]", "", "must be an object, not a list"),
        ('{"flag": true, "flag": false}', "flag", "is given twice"),
        ('{"inner": {"text": "a:b", "text": "c"}}', "text", "is given twice"),
        ('{"flag" : true, "flag": false}', "flag", "is given twice"),
        ('{"flag"\n: true, "plainText": "\\":", "flag": false}', "flag", "is given twice"),
    ],
)
def test_a_wrong_value_is_refused_with_its_path_and_the_reason(
    everything: type, raw: str, field: str, reason: str
) -> None:
    error = refusal(raw, everything)
    assert (error.field, error.reason[: len(reason)]) == (field, reason)


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b'{"double": NaN}', b'{"double": 1e999}', b'{"a": 1} x', b'{"i32": ' + b"9" * 5000 + b"}"],
)
def test_a_text_that_is_not_json_is_refused(everything: type, raw: bytes) -> None:
    assert refusal(raw, everything).reason.startswith("is not JSON")


@pytest.mark.parametrize(
    "raw", [b'{"plainText": "\xff"}', b'{"plainText": "\xed\xa0\x80"}', b'{"plainText": "\\ud800"}']
)
def test_text_that_is_not_unicode_is_refused(everything: type, raw: bytes) -> None:
    refusal(raw, everything)


def test_a_colon_inside_a_string_is_no_duplicate() -> None:
    assert read(leads_pb2.Lead, b'{"note": "a: b", "labels": {"note": "c:d"}}').labels == {"note": "c:d"}


def test_nesting_is_accepted_to_the_limit_and_refused_beyond_it(everything: type) -> None:
    def nested(levels: int) -> str:
        return '{"value":' + "[" * levels + "]" * levels + "}"

    assert read(everything, nested(json_text.MAX_DEPTH - 1).encode()).HasField("value")
    assert "nested deeper" in refusal(nested(json_text.MAX_DEPTH), everything).reason
    assert "nested deeper" in refusal("[" * 200_000, everything).reason


def test_a_message_with_any_is_refused_when_it_is_compiled() -> None:
    with pytest.raises(Unsupported):
        CODEC.encoder(AnyMessage.DESCRIPTOR)


def test_a_value_that_json_cannot_carry_is_not_written() -> None:
    with pytest.raises(ValueError, match="NaN"):
        write(struct_pb2.Value(number_value=float("nan")))


def test_the_codec_is_faster_than_json_format(capsys: pytest.CaptureFixture[str]) -> None:
    lead = leads_pb2.Lead(
        name="leads/0190b5a0-7c3e-7000-8000-000000000001", etag="12", display_name="Ana Souza", owner="users/ana",
        state=leads_pb2.Lead.QUALIFIED, create_time={"seconds": 1_760_000_000, "nanos": 123456000},
        update_time={"seconds": 1_760_000_000}, contact_time={"seconds": 1_750_000_000}, email="ana@example.com",
        channel="channels/organic_search", labels={"size": "large"},
        external_ids=[{"system": "olist", "kind": "lead", "id": "0123456789abcdef"}],
    )  # fmt: skip
    page = leads_pb2.ListLeadsResponse(leads=[lead] * 50)
    rows = {
        "write one": (lambda: write(lead), lambda: reference(lead)),
        "read one": (lambda: read(leads_pb2.Lead, raw), lambda: json_format.Parse(raw, leads_pb2.Lead())),
        "write 50": (lambda: write(page), lambda: reference(page)),
    }
    raw = write(lead)
    for name, (ours, theirs) in rows.items():
        fast, slow = best(ours, theirs)
        with capsys.disabled():
            print(
                f"\n  codec, {name}: {fast * 1e6:.1f} us, json_format {slow * 1e6:.1f} us, {slow / fast:.1f}x", end=""
            )
        assert slow > 1.5 * fast  # two to five times where it has a processor to itself


def reference(message: Message) -> str:
    return json_format.MessageToJson(message, always_print_fields_with_no_presence=True, indent=None)


def best(*calls: Any) -> list[float]:
    """Seconds each call takes, the best of seven rounds in turn, since the machine has other things to do."""
    least = [float("inf")] * len(calls)
    for _ in range(7):
        for place, call in enumerate(calls):
            start = time.process_time()
            for _ in range(40):
                call()
            least[place] = min(least[place], (time.process_time() - start) / 40)
    return least
