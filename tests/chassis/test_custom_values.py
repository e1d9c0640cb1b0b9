"""What definitions of fields allow, as rules: no database, no wire."""

from datetime import UTC, datetime, timedelta

import pytest
from chassis.custom_values import LARGEST_NUMBER, Definition, NumberRange, Option, Type, moment_of, settled, spelled
from chassis.errors import InvalidFields
from custom_drawn import definitions, valid_values
from hypothesis import given
from hypothesis import strategies as st


def known(*fields):
    return {field.slug: field for field in fields}


def field(type_, **more):
    return Definition(slug="f", type=type_, **more)


def tier(**more):
    options = [Option(value="gold"), Option(value="сребро"), Option(value="tin", archived=True)]
    return field(Type.ENUM, options=options, **more)


@pytest.mark.parametrize(
    ("type_", "value", "kept"),
    [
        (Type.STRING, "e\u0301", "é"),
        (Type.NUMBER, 5.0, 5),
        (Type.NUMBER, 0.1, 0.1),
        (Type.INTEGER, 7.0, 7),
        (Type.BOOL, False, False),
        (Type.DATE, "2024-02-29", "2024-02-29"),
        (Type.DATETIME, "2026-01-31T11:30:00+02:00", "2026-01-31T09:30:00Z"),
        (Type.DATETIME, "2026-01-31T09:30:00.5Z", "2026-01-31T09:30:00.500Z"),
    ],
)
def test_a_value_is_kept_in_its_one_spelling(type_, value, kept):
    assert settled({"f": value}, {}, known(field(type_))) == {"f": kept}


@pytest.mark.parametrize(
    ("definition", "value"),
    [
        (field(Type.STRING), 5),
        (field(Type.STRING, max_length=3), "four"),
        (field(Type.STRING), "a\0b"),
        (field(Type.NUMBER), "5"),
        (field(Type.NUMBER), True),
        (field(Type.NUMBER), 2.0 * LARGEST_NUMBER),
        (field(Type.NUMBER, range=NumberRange(minimum=1, maximum=3)), 3.5),
        (field(Type.INTEGER), 1.5),
        (field(Type.BOOL), 1),
        (field(Type.BOOL), "true"),
        (field(Type.DATE), "2026-02-30"),
        (field(Type.DATE), "20260131"),
        (field(Type.DATE), "2026-01-31T00:00:00Z"),
        (field(Type.DATETIME), "2026-01-31"),
        (field(Type.DATETIME), "2026-01-31T09:30:00"),
        (field(Type.DATETIME), "0001-01-01T00:00:00+14:00"),
        (tier(), "bronze"),
        (tier(), ["gold"]),
        (tier(), "tin"),
        (field(Type.MULTI_ENUM, options=[Option(value="a")]), "a"),
        (field(Type.MULTI_ENUM, options=[Option(value="a")]), ["a", "a"]),
        (field(Type.MULTI_ENUM, options=[Option(value="a")]), ["b"]),
        (field(Type.MULTI_ENUM, options=[Option(value="a")]), [["a"]]),
        (field(Type.STRING, archived=True), "x"),
        (field(Type.STRING), {"a": 1}),
    ],
)
def test_what_no_definition_allows_is_refused_by_its_path(definition, value):
    with pytest.raises(InvalidFields) as refused:
        settled({"f": value}, {}, known(definition))
    [(path, said)] = refused.value.violations
    assert path == "custom.f"
    assert said


def test_an_unknown_field_is_refused_with_those_that_there_are():
    with pytest.raises(InvalidFields) as refused:
        settled({"budgte": 1}, {}, known(field(Type.NUMBER), Definition(slug="old", type=Type.BOOL, archived=True)))
    assert list(refused.value.violations) == [("custom.budgte", "is not defined; defined are: f")]


@pytest.mark.parametrize("nothing", [None, "", []])
def test_what_says_nothing_is_not_kept(nothing):
    assert settled({"f": nothing, "undefined": nothing}, {"f": "x"}, known(field(Type.STRING))) == {}


def test_a_value_that_does_not_change_is_not_judged_again():
    before = {"f": "tin", "gone": 1}
    assert settled(before, before, known(tier())) == before
    assert settled({"gone": 1}, before, known(tier())) == {"gone": 1}
    with pytest.raises(InvalidFields):
        settled({"gone": 2}, before, known(tier()))
    with pytest.raises(InvalidFields):
        settled({"f": True}, {"f": 1}, known(field(Type.INTEGER)))


def test_an_archived_option_stays_where_it_was_chosen():
    some = field(Type.MULTI_ENUM, options=[Option(value="a"), Option(value="b", archived=True)])
    assert settled({"f": ["b", "a"]}, {"f": ["b"]}, known(some)) == {"f": ["b", "a"]}
    with pytest.raises(InvalidFields):
        settled({"f": ["b", "a"]}, {"f": ["a"]}, known(some))


def test_what_is_required_is_asked_of_who_makes_a_record_and_never_taken_away():
    needed = known(field(Type.STRING, required=True))
    assert settled({}, {}, needed) == {}
    with pytest.raises(InvalidFields):
        settled({}, {}, needed, whole=True)
    with pytest.raises(InvalidFields):
        settled({"f": None}, {"f": "x"}, needed)
    assert settled({}, {}, known(field(Type.STRING, required=True, archived=True)), whole=True) == {}


def test_all_values_of_a_record_together_are_bounded():
    many = [Definition(slug=f"f{number}", type=Type.STRING, max_length=1000) for number in range(70)]
    values = {one.slug: "x" * 1000 for one in many}
    with pytest.raises(InvalidFields, match="custom"):
        settled(values, {}, known(*many))
    values.popitem()
    assert settled(dict(list(values.items())[:60]), {}, known(*many))


@given(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)))  # noqa: DTZ001
def test_a_moment_is_read_as_it_is_spelled(at):
    assert moment_of(spelled(at)) == at


@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001
def test_an_offset_changes_the_spelling_and_not_the_moment(at, minutes):
    sign, size = "-" if minutes < 0 else "+", abs(minutes)
    said = f"{at.isoformat(timespec='microseconds')}{sign}{size // 60:02}:{size % 60:02}"
    assert moment_of(said) == at.replace(tzinfo=UTC) - timedelta(minutes=minutes)


@given(st.data())
def test_what_is_allowed_is_kept_and_settling_it_again_changes_nothing(data):
    fields = known(*data.draw(definitions()))
    values = data.draw(valid_values(fields))
    once = settled(values, {}, fields)
    assert set(once) == set(values)
    assert settled(once, {}, fields) == once
