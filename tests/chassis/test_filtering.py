"""Filters and page tokens: what is understood, and that nothing a caller sends breaks more than its own call."""

from datetime import UTC, datetime

import pytest
from chassis.errors import InvalidFields
from chassis.filtering import (
    LARGEST_PAGE,
    MOST_CONDITIONS,
    Condition,
    digest,
    make_token,
    page_size,
    parse,
    read_token,
    to_sql,
)
from chassis.values import new_id
from crm.leads.v1 import leads_pb2
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import BigInteger, Boolean, Column, Date, DateTime, Integer, MetaData, Numeric, Table, Text
from sqlalchemy.dialects.postgresql import JSONB, UUID

FILTERED = {"filter": True}
THINGS = Table(
    "things",
    MetaData(),
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("owner", Text(collation="C"), info=FILTERED),
    Column("state", Text, info=FILTERED | {"values": ["NEW", "DONE"]}),
    Column("journey_id", UUID(as_uuid=False), info=FILTERED),
    Column("open", Boolean, info=FILTERED),
    Column("count", Integer, info=FILTERED),
    Column("total", BigInteger, info=FILTERED),
    Column("amount", Numeric(19, 4), info=FILTERED),
    Column("create_time", DateTime(timezone=True), info=FILTERED),
    Column("due_date", Date, info=FILTERED),
    Column("roles", JSONB, info=FILTERED),
    Column("external_ids", JSONB, info=FILTERED),
    Column("secret", Text),
    info={"collection": "things"},
)
OPERATORS = ["=", "!=", "<", "<=", ">", ">=", ":"]
WORDS = st.from_regex(r"[A-Za-z0-9_./@-]{1,20}", fullmatch=True).filter(lambda word: word not in ("OR", "NOT"))
CONDITIONS = st.builds(
    Condition,
    st.sampled_from(list(THINGS.columns.keys())),
    st.sampled_from(OPERATORS),
    st.text(st.characters(exclude_characters="\0", codec="utf-8")),
)


def check_about_filter(refused: InvalidFields) -> None:
    assert [field for field, _ in refused.violations] == ["filter"]


def written(condition: Condition) -> str:
    quoted = condition.value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{condition.field} {condition.operator} "{quoted}"'


def asked(text: str) -> tuple[list[str], list[object]]:
    """The SQL of a filter on THINGS, and its parameters."""
    values: list[object] = []

    def bind(value: object, cast: str) -> str:
        values.append(value)
        return f"${len(values)}::{cast}"

    return to_sql(parse(text), THINGS, bind), values


@given(st.lists(CONDITIONS, max_size=MOST_CONDITIONS))
def test_what_is_written_is_what_is_read(conditions):
    assert parse(" AND ".join(map(written, conditions))) == conditions


@given(WORDS, st.sampled_from(OPERATORS))
def test_words_need_no_quotes_and_operators_no_spaces(word, operator):
    assert parse(f"owner{operator}{word}") == [Condition("owner", operator, word)]


@given(st.text())
@settings(max_examples=300)
def test_any_text_is_a_filter_or_is_told_to_be_none(text):
    try:
        asked(text)
    except InvalidFields as refused:
        check_about_filter(refused)


@given(st.sampled_from(list(THINGS.columns.keys())), st.sampled_from(OPERATORS), st.text() | st.integers().map(str))
@settings(max_examples=500)
def test_any_value_fits_its_column_or_is_told_not_to(field, operator, value):
    try:
        asked(written(Condition(field, operator, value)))
    except InvalidFields as refused:
        check_about_filter(refused)


@pytest.mark.parametrize(
    ("text", "sql", "values"),
    [
        ('owner = "users/ana"', "owner = $1::TEXT", ["users/ana"]),
        ("state != NEW", "state != $1::TEXT", ["NEW"]),
        ("count >= 3", "count >= $1::INTEGER", [3]),
        ("open = true", "open = $1::BOOLEAN", [True]),
        ("roles : agent", "roles @> $1::jsonb", ['["agent"]']),
        ("roles:agent", "roles @> $1::jsonb", ['["agent"]']),
        (
            "create_time > 2026-01-02T03:04:05Z",
            "create_time > $1::TIMESTAMP WITH TIME ZONE",
            [datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)],
        ),
    ],
)
def test_a_condition_becomes_sql_with_the_value_as_a_parameter(text, sql, values):
    assert asked(text) == ([sql], values)


def test_an_external_id_is_found_by_system_kind_and_id():
    (sql,), values = asked('external_ids : "erp/customer/4/5"')
    assert "FROM external_id" in sql
    assert values == ["erp", "customer", "4/5", "things"]


@pytest.mark.parametrize(
    "text",
    [
        "owner",
        "owner =",
        "= x",
        "owner = =",
        "owner x y",
        "owner = a owner = b",
        "owner = a AND",
        "owner = a OR owner = b",
        "NOT owner = a",
        "(owner = a)",
        'owner = "open end',
        "lower(owner) = a",
        "unknown = a",
        "secret = a",
        "owner : a",
        "roles = agent",
        "state = LATER",
        "open = yes",
        "count = many",
        "count = 99999999999",
        "total = 9223372036854775808",
        "amount = Infinity",
        "amount = NaN",
        "amount = 1e20",
        "amount = 1e999999999",
        "journey_id = x",
        "create_time = yesterday",
        "create_time = 2026-01-01",
        'create_time > "0001-01-01T00:00:00+14:00"',
        'create_time < "9999-12-31T23:59:59-14:00"',
        "due_date = 2026-02-30",
        'owner = "\0"',
        'roles : "\0"',
        "external_ids = a",
        'external_ids : "erp/4"',
        'external_ids : "erp/\0/4"',
        " AND ".join(["count = 1"] * (MOST_CONDITIONS + 1)),
    ],
)
def test_what_cannot_be_asked_is_told(text):
    with pytest.raises(InvalidFields) as refused:
        asked(text)
    assert refused.value.violations[0][0] == "filter"


@given(
    st.sampled_from(["owner", "state", "email", "journey_id", "create_time", "external_ids"]),
    st.sampled_from(OPERATORS),
    st.text(max_size=30) | st.datetimes(timezones=st.timezones()).map(lambda time: time.isoformat()),
)
@settings(max_examples=100, deadline=None)
async def test_the_database_understands_every_filter_that_was_accepted(leads, field, operator, value):
    request = leads_pb2.ListLeadsRequest(filter=written(Condition(field, operator, value)))
    try:
        await leads.call("LeadService/ListLeads", request)
    except InvalidFields as refused:
        check_about_filter(refused)


@pytest.mark.parametrize(
    ("asked_for", "given_size"), [(0, 50), (1, 1), (1000, 1000), (1001, LARGEST_PAGE), (2**31, 1000)]
)
def test_a_page_is_fifty_unless_asked_and_a_thousand_at_most(asked_for, given_size):
    assert page_size(asked_for) == given_size


def test_a_token_is_read_back():
    last, bound = new_id(), digest("leads", "", "users/ana")
    assert read_token(b"key", make_token(b"key", last, bound), bound) == last


@given(st.text())
def test_garbage_is_no_token(text):
    with pytest.raises(InvalidFields, match="page_token"):
        read_token(b"key", text, digest())


@given(st.integers(min_value=0), st.characters(codec="ascii"))
def test_a_changed_token_is_refused(position, letter):
    token = make_token(b"key", new_id(), digest())
    at = position % len(token)
    forged = token[:at] + letter + token[at + 1 :]
    if forged != token:
        with pytest.raises(InvalidFields, match="page_token"):
            read_token(b"key", forged, digest())


def test_a_token_signed_with_another_key_is_refused():
    with pytest.raises(InvalidFields, match="is not a page token"):
        read_token(b"key", make_token(b"other", new_id(), digest()), digest())


def test_a_token_of_another_filter_is_refused():
    with pytest.raises(InvalidFields, match="belongs to another"):
        read_token(b"key", make_token(b"key", new_id(), digest("a")), digest("b"))
