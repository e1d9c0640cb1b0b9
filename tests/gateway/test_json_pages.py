"""Pages as text: what the gateway would have made of the message, for every list of every service."""

import importlib
import json
from dataclasses import fields
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from chassis.answers import as_message
from chassis.convert import message_class
from chassis.lists import Page
from chassis.records import Mapper, sql_type
from chassis.settings import SERVICES, package
from chassis.values import Money, Record
from crm.leads.v1 import leads_pb2
from gateway.codec import Codec
from gateway.transcode import text_or_message
from hypothesis import given, settings
from hypothesis import strategies as st
from tree import contract

from chassis import json_pages
from gateway import json_text


def lists() -> list[tuple[type[Record], Any, Any]]:
    """Each kind of record that a List method shows: the kind, its table, the method's answer."""
    answers = {
        (method.output_type.file.package, item.message_type.name): method.output_type
        for _, method in contract()
        if method.name.startswith("List")
        for item in method.output_type.fields
        if item.is_repeated and item.message_type is not None
    }
    return [
        (kind, table, answer)
        for service in SERVICES
        for kind, table in importlib.import_module(f"{package(service)}.tables").RECORDS.items()
        if (answer := answers.get((f"crm.{package(service)}.v1", kind.__name__)))
    ]


NAMES = [kind.__name__ for kind, _, _ in lists()]
MOMENTS = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
TEXTS = st.text(max_size=8)
MONEY = st.builds(
    Money,
    amount=st.decimals(-(10**14), 10**14, places=4).map(Decimal),
    currency=st.sampled_from(["EUR", "BGN", "BRL", "CNY"]),
)
st.register_type_strategy(datetime, MOMENTS)
st.register_type_strategy(str, TEXTS)
st.register_type_strategy(Money, MONEY)
st.register_type_strategy(int, st.integers(-(2**31), 2**31 - 1))
st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))
st.register_type_strategy(date, st.dates())


class Row(tuple):
    """Values by position and by column, as asyncpg gives them."""

    names: tuple[str, ...]

    def __getitem__(self, key: Any) -> Any:
        return tuple.__getitem__(self, self.names.index(key) if isinstance(key, str) else key)


def rows(mapper: Mapper) -> st.SearchStrategy[list[Row]]:
    given = {}
    for item in fields(mapper.kind):
        column = mapper.table.columns.get(item.name)
        is_key = column is not None and sql_type(column) == "UUID"
        given[item.name] = st.uuids().map(str) if is_key else st.from_type(mapper.hints[item.name])
    kind = type("AsRow", (Row,), {"names": tuple(mapper.columns)})
    return st.lists(st.builds(mapper.kind, **given).map(mapper.dump).map(kind), max_size=3)


@pytest.mark.parametrize(("kind", "table", "answer"), lists(), ids=NAMES)
def test_a_page_as_text_says_what_its_message_says(kind, table, answer):
    mapper = Mapper(kind, table)
    write = json_pages.writer(mapper, answer)
    if kind.__name__ in (
        "Erasure",
        "LeadBulkEdit",
        "LeadImportMapping",
    ):  # bytes in the one, values of a lead in the others
        assert write is None
        return
    encode, message = Codec().encoder(answer), message_class(answer)

    @given(rows(mapper), TEXTS)
    @settings(max_examples=25, deadline=None)
    def check(found, token):
        said = json_text.render(encode(as_message(Page(mapper, found, token), message)))
        assert json.loads(write(found, token)) == json.loads(said)

    check()


def test_an_answer_is_a_text_or_a_message_of_an_older_replica():
    read = text_or_message(leads_pb2.ListLeadsResponse)
    page = leads_pb2.ListLeadsResponse(leads=[leads_pb2.Lead(display_name="Ана")], next_page_token="{")
    assert read(b'{"leads":[]}') == b'{"leads":[]}'
    assert read(page.SerializeToString()) == page
    assert read(b"") == leads_pb2.ListLeadsResponse()


def test_a_page_longer_than_a_message_may_be_is_no_text():
    kind, table, answer = next(found for found in lists() if found[0].__name__ == "Lead")
    mapper = Mapper(kind, table)
    lead = kind(display_name="Ана", note="x" * 10_000, contact_time=datetime(2026, 1, 1, tzinfo=UTC))
    lead.create_time = lead.update_time = lead.contact_time
    write = json_pages.writer(mapper, answer)
    row = mapper.dump(lead)
    assert write([row] * 300, "")
    assert write([row] * 400, "") is None
