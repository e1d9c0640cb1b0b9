"""Ids, slugs and business times: the values every record is made of."""

import threading
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from chassis.errors import InvalidFields
from chassis.values import business_time, derived_id, id_of, is_uuid, new_id, slug
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_ids_of_one_process_grow_strictly():
    made = [new_id() for _ in range(20_000)]
    assert made == sorted(set(made))


def test_ids_made_by_many_threads_are_all_different():
    made: list[str] = []
    threads = [threading.Thread(target=lambda: made.extend(new_id() for _ in range(2000))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 8000


def test_an_id_has_the_version_and_variant_bits_of_rfc_9562():
    for _ in range(1000):
        made = uuid.UUID(new_id())
        assert (made.version, made.variant) == (7, uuid.RFC_4122)


def test_an_id_begins_with_the_milliseconds_of_its_making():
    before = datetime.now(UTC).timestamp() * 1000
    made = uuid.UUID(new_id()).int >> 80
    assert before - 1 <= made <= datetime.now(UTC).timestamp() * 1000 + 50  # ids made in a burst run a little ahead


def test_a_derived_id_is_the_same_each_time_and_another_for_another_name():
    assert derived_id("leads/1") == derived_id("leads/1") != derived_id("leads/2")
    assert is_uuid(derived_id("leads/1"))


@given(st.text())
def test_only_lower_case_uuids_are_uuids(text):
    assert not is_uuid(text) or str(uuid.UUID(text)) == text


def test_an_upper_case_uuid_names_no_record():
    assert not is_uuid(new_id().upper())


def test_the_id_of_a_name_is_what_follows_the_last_slash():
    assert id_of("leads/x") == "x"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("North Team", "north-team"),
        ("Équipe  d'été", "equipe-d-ete"),
        ("  --A_b--  ", "a_b"),
        ("x" * 100, "x" * 63),
    ],
)
def test_a_slug_keeps_what_ascii_can_say(text, expected):
    assert slug(text) == expected


@pytest.mark.parametrize("text", ["Отдел продаж", "销售团队", "", "!!!"])
def test_a_name_that_ascii_cannot_say_gets_an_id_as_its_slug(text):
    assert is_uuid(slug(text))


@given(st.text())
def test_every_slug_can_be_an_id(text):
    made = slug(text)
    assert 1 <= len(made) <= 63
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-")


def test_a_business_time_not_given_is_now():
    assert business_time(None, NOW, "win_time") == NOW


@given(st.datetimes(max_value=datetime(2026, 3, 2, 12), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis wants it
def test_a_business_time_may_be_any_past_and_a_day_ahead(given_time):
    assert business_time(given_time, NOW, "win_time") == given_time


def test_a_business_time_more_than_a_day_ahead_is_refused_with_its_field():
    with pytest.raises(InvalidFields) as refused:
        business_time(NOW + timedelta(days=1, microseconds=1), NOW, "win_time")
    assert refused.value.violations == [("win_time", "lies more than a day in the future")]
