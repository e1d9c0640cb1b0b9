"""Dataclass ↔ row: derived once from the fields and the table, and complete."""

from dataclasses import dataclass, field
from datetime import UTC, date
from enum import Enum
from typing import ClassVar

import pytest
from chassis.database import TIME, enum_column, record_columns
from chassis.records import Mapper
from chassis.values import ExternalId, Money, Record
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Date, MetaData, Numeric, Table, Text
from sqlalchemy.dialects.postgresql import JSONB, UUID


class Colour(Enum):
    RED = 1
    BLUE = 2


@dataclass(frozen=True, kw_only=True)
class Line:
    text: str
    count: int = 1


@dataclass(kw_only=True)
class Thing(Record):
    """One field of every kind a record may have."""

    collection: ClassVar[str] = "things"

    title: str
    colour: Colour = Colour.RED
    price: Money | None = None
    due_date: date | None = None
    journey_id: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    external_ids: list[ExternalId] = field(default_factory=list)


def table(*more: Column) -> Table:
    return Table(
        "things",
        MetaData(),
        *record_columns(),
        Column("title", Text),
        enum_column("colour", Colour),
        Column("price", Numeric(19, 4)),
        Column("price_currency", Text),
        Column("due_date", Date),
        Column("journey_id", UUID(as_uuid=False)),
        Column("labels", JSONB),
        Column("lines", JSONB),
        Column("external_ids", JSONB),
        *more,
    )


MAPPER = Mapper(Thing, table())
TIMES = st.none() | st.datetimes(timezones=st.just(UTC))
THINGS = st.builds(
    Thing,
    id=st.uuids().map(str),
    version=st.integers(0, 2**62),
    create_time=TIMES,
    update_time=TIMES,
    title=st.text(),
    colour=st.sampled_from(Colour),
    price=st.none() | st.builds(Money, amount=st.decimals(0, 10**6, places=4), currency=st.just("EUR")),
    due_date=st.none() | st.dates(),
    journey_id=st.just("") | st.uuids().map(str),
    labels=st.dictionaries(st.text(), st.text(), max_size=3),
    lines=st.lists(st.builds(Line, text=st.text(), count=st.integers(-9, 9)), max_size=3),
    external_ids=st.lists(st.builds(ExternalId, system=st.text(), kind=st.text(), id=st.text()), max_size=2),
)


@given(THINGS)
def test_a_record_survives_the_way_into_its_row_and_back(thing):
    assert MAPPER.load(dict(zip(MAPPER.columns, MAPPER.dump(thing), strict=True))) == thing


def test_money_takes_two_columns():
    assert [name for name in MAPPER.columns if name.startswith("price")] == ["price", "price_currency"]


def test_a_list_is_dumped_the_same_whatever_the_order_of_its_keys():
    one, other = Thing(title="x", labels={"a": "1", "b": "2"}), Thing(title="x", labels={"b": "2", "a": "1"})
    place = MAPPER.columns.index("labels")
    assert MAPPER.dump(one)[place] == MAPPER.dump(other)[place]


def test_a_column_that_no_field_fills_is_an_error_at_the_start():
    with pytest.raises(TypeError, match="forgotten"):
        Mapper(Thing, table(Column("forgotten", TIME)))


def test_a_field_without_a_column_is_an_error_at_the_start():
    short = Table("things", MetaData(), *record_columns())
    with pytest.raises(TypeError, match="no column for the field title"):
        Mapper(Thing, short)
