"""Local times of São Paulo, also where the clocks jump."""

from datetime import UTC, datetime, timedelta

import pytest
from crmctl.olist.clock import ZONE, instant, time_of, timestamp
from crmctl.olist.files import Row, Wrong
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIRST, LAST = (datetime.fromisoformat(local) for local in ("1990-01-01", "2030-01-01"))


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("2018-05-08 20:17:59", "2018-05-08T23:17:59Z"),
        ("2018-01-22", "2018-01-22T02:00:00Z"),  # Summer in the south: two hours behind.
        ("2017-10-14 23:59:59", "2017-10-15T02:59:59Z"),
        ("2017-10-15 00:00:00", "2017-10-15T03:00:00Z"),  # Skipped: clocks went from 24:00 to 01:00.
        ("2017-10-15", "2017-10-15T03:00:00Z"),
        ("2017-10-15 00:30:00", "2017-10-15T03:00:00Z"),
        ("2017-10-15 01:00:00", "2017-10-15T03:00:00Z"),
        ("2018-02-17 23:30:00", "2018-02-18T01:30:00Z"),  # Shown twice: the first one.
    ],
)
def test_a_local_time_is_the_instant_it_was_or_the_next_that_was_real(local: str, utc: str) -> None:
    assert timestamp(instant(datetime.fromisoformat(local))) == utc


@given(st.datetimes(FIRST, LAST))
def test_every_time_that_was_real_is_shown_again_by_its_instant(local: datetime) -> None:
    found = instant(local)
    shown = found.astimezone(ZONE).replace(tzinfo=None)
    assert shown == local or (local < shown <= local + timedelta(hours=1) and shown.minute == shown.second == 0)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "won_date is empty"),
        ("soon", "is not a time like"),
        ("2018-02-30", "is not a time like"),
        ("9999-12-31 23:00:00", "is not a time like"),
        ("2026-01-03", "lies in the future"),
    ],
)
def test_what_is_no_time_of_the_past_is_told(text: str, reason: str) -> None:
    with pytest.raises(Wrong, match=reason):
        time_of(Row("f.csv", 2, {"won_date": text}), "won_date", NOW)
