"""Cells of files as values, without any server."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from leads.domain.cells import DateOrder, day, likely_order, moment, number, several, truth, whole
from leads.domain.import_mapping import Column, LeadImportMapping, full_name
from leads.domain.import_vocabulary import FIELDS, NAMES, plain, understood

NONE, DMY, MDY = DateOrder
FORMS = {
    DMY: ("{d:02}.{m:02}.{y:04}", "{d}/{m}/{y:04}", "{d}-{m}-{y:04} г."),
    MDY: ("{m}/{d}/{y:04}", "{m:02}-{d:02}-{y:04}"),
}
EARLY = datetime.fromisoformat("1000-01-01T00:00:00")
PLAIN = ("{y:04}-{m:02}-{d:02}", "{y:04}/{m}/{d}", "{y:04}年{m}月{d}日")


@given(st.dates(date(1000, 1, 1), date(9999, 12, 31)), st.sampled_from([DMY, MDY]))
def test_a_day_is_read_in_each_of_its_spellings(one, order):
    for form in (*FORMS[order], *PLAIN):
        assert day(form.format(y=one.year, m=one.month, d=one.day), order) == one.isoformat()
    for form in PLAIN:
        assert day(form.format(y=one.year, m=one.month, d=one.day), NONE) == one.isoformat()


@given(st.datetimes(min_value=EARLY))
def test_a_moment_is_read_as_it_was_written(at):
    at = at.replace(microsecond=0)
    for cell in (f"{at:%Y-%m-%d %H:%M:%S}", f"{at:%Y-%m-%dT%H:%M:%S}Z", f"{at:%Y-%m-%d %H:%M:%S}.123"):
        cell = cell.rjust(19 if "." not in cell and "Z" not in cell else len(cell), "0")
        found = moment(cell, NONE)
        assert datetime.fromisoformat(found) == at.replace(tzinfo=UTC)
    assert moment("2026-03-02 9:30 +0200", NONE) == "2026-03-02T09:30:00+02:00"


@pytest.mark.parametrize("cell", ["02/03/2026", "2026-02-30", "32.01.2026", "soon", "", "2026", "20260302", "1/2/26"])
def test_what_could_be_two_days_or_none_is_refused(cell):
    with pytest.raises(ValueError, match="is no day"):
        day(cell, NONE)


@pytest.mark.parametrize("cell", ["2026-01-31 25:00", "2026-01-31 tomorrow", "2026-01-31 09:61"])
def test_what_is_no_clock_is_no_moment(cell):
    with pytest.raises(ValueError, match="is no moment"):
        moment(cell, NONE)


@given(st.lists(st.dates(date(1000, 1, 1), date(9999, 12, 31)), max_size=20), st.sampled_from([DMY, MDY]))
def test_a_likely_order_reads_the_days_it_was_told_from_as_they_were_meant(days, order):
    cells = [FORMS[order][0].format(y=one.year, m=one.month, d=one.day) for one in days]
    if (found := likely_order(cells)) is not NONE:
        assert [day(cell, found) for cell in cells] == [one.isoformat() for one in days]
    else:
        assert all(one.day <= 12 for one in days)


@given(st.integers(-(10**14), 10**14))
def test_a_whole_number_is_read_with_and_without_spaces(value):
    for cell in (str(value), f"{value:,}".replace(",", " "), f"{value:,}".replace(",", "\u00a0")):
        assert whole(cell, NONE) == value


def test_numbers_that_could_be_two_are_none():
    assert (number("1234.5", NONE), number("1 234,5", NONE), number("-7", NONE)) == (1234.5, 1234.5, -7)
    for cell in ("1,234", "1.234,5", "1,2,3", "a", "1e5", ".", "nan"):
        with pytest.raises(ValueError, match="is no number"):
            number(cell, NONE)
    for cell in ("1.200", "1,2", "x", ""):
        with pytest.raises(ValueError, match="is no whole number"):
            whole(cell, NONE)


def test_yes_and_no_are_read_in_four_languages():
    assert [truth(cell, NONE) for cell in ("Да", "是", "SIM", "yes", "true")] == [True] * 5
    assert [truth(cell, NONE) for cell in ("не", "否", "Não", "no", "FALSE")] == [False] * 5
    with pytest.raises(ValueError, match="neither"):
        truth("може би", NONE)
    assert several("a; b；c|", NONE) == ["a", "b", "c"]


def test_a_name_is_put_together_as_people_write_it():
    assert full_name("Ана", "Петрова") == "Ана Петрова"
    assert full_name("小龙", "李") == "李小龙"
    assert full_name("", "李") == "李"
    assert full_name("Ana", "") == "Ana"


def test_of_several_columns_of_one_field_the_first_that_says_something_counts():
    columns = [Column(column=one, field="phone") for one in ("mobile", "office")] + [
        Column(column="n", field="display_name")
    ]
    mapping = LeadImportMapping(display_name="x", columns=columns)
    assert mapping.read({"n": "A", "mobile": " ", "office": "+359 2 1"}, {})["phone"] == "+359 2 1"
    assert mapping.read({"n": "A", "mobile": "+1", "office": "+2"}, {})["phone"] == "+1"


def test_no_name_of_a_column_means_two_fields_and_each_is_found_as_it_is_written():
    for field, names in NAMES.items():
        for name in names.split(";"):
            assert FIELDS[plain(name)] == field
    assert plain(" Endereço de E-mail: ") == "endereco de e mail"
    assert plain("Бележка") == "бележка"
    assert plain("й") != plain("и")
    assert understood(["ID", "Record ID", "Name"], []) == {"ID": "key", "Name": "display_name"}
