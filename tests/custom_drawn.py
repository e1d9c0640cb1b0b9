"""Definitions of fields, and values that they allow, for properties."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from chassis.custom_values import Definition, NumberRange, Option, Type, spelled
from hypothesis import strategies as st

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
CHOICE = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=";"), min_size=1, max_size=10)
SLUGS = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True)


def _composed(text: str) -> bool:
    """Whether a text is in the spelling in which it is kept."""
    import unicodedata

    return unicodedata.normalize("NFC", text) == text


TEXT, CHOICE = TEXT.filter(_composed), CHOICE.filter(_composed)


@st.composite
def definitions(draw: st.DrawFn) -> list[Definition]:
    """Some definitions, each of a slug of its own."""
    return [
        Definition(
            slug=slug,
            type=(kind := draw(st.sampled_from(Type))),
            range=NumberRange(minimum=-1000, maximum=1000) if kind is Type.NUMBER and draw(st.booleans()) else None,
            options=[Option(value=one) for one in draw(st.lists(CHOICE, min_size=1, max_size=4, unique=True))]
            if kind in (Type.ENUM, Type.MULTI_ENUM)
            else [],
            indexed=draw(st.booleans()),
        )
        for slug in draw(st.lists(SLUGS, min_size=1, max_size=5, unique=True))
    ]


def valid_values(fields: Mapping[str, Definition]) -> st.SearchStrategy[dict[str, Any]]:
    """Values that these definitions allow, in the spelling in which they are kept."""
    return st.fixed_dictionaries({}, optional={slug: _value(one) for slug, one in fields.items()})


def _value(one: Definition) -> st.SearchStrategy[Any]:
    most = int(one.range.maximum) if one.range else 10**15
    choices = [option.value for option in one.options] or [""]
    moments = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
    return {
        Type.STRING: TEXT,
        Type.NUMBER: st.floats(-most, most, allow_nan=False) | st.integers(-most, most),
        Type.INTEGER: st.integers(-most, most),
        Type.BOOL: st.booleans(),
        Type.DATE: st.dates().map(lambda day: day.isoformat()),
        Type.DATETIME: moments.map(spelled),
        Type.ENUM: st.sampled_from(choices),
        Type.MULTI_ENUM: st.lists(st.sampled_from(choices), min_size=1, unique=True),
    }[one.type]
