"""The rules of messages to people: how often, how long tried, which go together, and what they say."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from leads.domain.delivery import (
    HOUR,
    LEASE,
    LONGEST_WAIT,
    MOST_TRIES,
    DeliveryNotFailed,
    DeliveryState,
    NotificationDelivery,
    NotificationPreferences,
    Way,
    next_message,
    wait_after,
)
from leads.domain.notification import NotificationKind
from leads.domain.wording import DIGESTS, LANGUAGES, LINES, LONGEST_SMS, REST, News, letter, line, plain, short, subject

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
MINUTES = st.integers(0, 600).map(lambda minutes: NOW + timedelta(minutes=minutes))


def delivery(**fields):
    known = {"notification": "notifications/n", "lead": "leads/l", "owner": "users/ana", "due_time": NOW}
    return NotificationDelivery(**(known | {"kind": NotificationKind.LEAD_ASSIGNED, "way": Way.EMAIL} | fields))


def preferences(**fields):
    return NotificationPreferences(id="ana", owner="users/ana", **fields)


@given(st.lists(MINUTES, max_size=80), st.integers(1, 12))
def test_no_hour_has_more_messages_than_the_limit(wishes, most):
    """Whenever something is told, and however often: each goes when the limit allows it."""
    wanted, sent = preferences(most_per_hour=most), []
    for wish in sorted(wishes):
        sent.append(wanted.allowed_from(sent, max([wish, *sent])))
    for at in sent:
        assert len([one for one in sent if at - HOUR < one <= at]) <= most


def test_below_the_limit_nothing_waits():
    assert preferences(most_per_hour=2).allowed_from([NOW - timedelta(minutes=1)], NOW) == NOW
    assert preferences().allowed_from([NOW] * 9, NOW) == NOW
    assert preferences().allowed_from([NOW] * 10, NOW) == NOW + HOUR  # ten, unless they say otherwise


def test_a_short_message_needs_a_number_and_a_wish():
    kind = NotificationKind.SLA_BREACHED
    assert not preferences().wants(kind, Way.SMS)
    assert preferences(phone_number="+359888123456").wants(kind, Way.SMS)
    assert not preferences(phone_number="+359888123456", sms_kinds=[]).wants(kind, Way.SMS)
    assert preferences().wants(kind, Way.EMAIL)
    assert not preferences(email_kinds=[]).wants(kind, Way.EMAIL)


def test_what_fails_is_tried_again_ever_later_and_given_up_at_last():
    one, waits, at = delivery(), [], NOW
    while one.state is not DeliveryState.FAILED:
        one.claim("m", at)
        assert (one.state, one.due_time) == (DeliveryState.SENDING, at + LEASE)
        told = one.failed("SMTP 451", at, for_good=False)
        if one.due_time:
            assert told is None
            waits.append(one.due_time - at)
            at = one.due_time
    assert told is not None
    assert (one.tries, one.due_time, one.error) == (MOST_TRIES, None, "SMTP 451")
    assert waits == sorted(waits)
    assert sum(waits, timedelta()) == timedelta(seconds=11_010)


def test_what_is_refused_for_good_is_not_tried_again():
    one = delivery()
    one.claim("m", NOW)
    assert one.failed("SMTP 550", NOW, for_good=True) is not None
    assert one.state is DeliveryState.FAILED


def test_only_what_failed_is_tried_again_by_hand_as_the_same_message():
    one = delivery()
    with pytest.raises(DeliveryNotFailed):
        one.retry(NOW)
    one.claim("m", NOW)
    one.failed("SMTP 550", NOW, for_good=True)
    one.retry(NOW)
    assert (one.state, one.tries, one.due_time, one.message) == (DeliveryState.WAITING, 0, NOW, "m")


@given(st.integers(-5, 10_000))
def test_waits_are_bounded_on_both_sides(tries):
    assert timedelta(seconds=30) <= wait_after(tries) <= LONGEST_WAIT


def test_new_ones_go_together_and_tried_ones_as_they_went():
    new = [delivery(), delivery()]
    assert next_message(new) == new
    first = [delivery(message="a", due_time=NOW), delivery(message="a", due_time=NOW)]
    second = [delivery(message="b", due_time=NOW + LEASE)]
    assert next_message([*second, *new, *first]) == first


def test_every_kind_is_worded_in_every_language():
    for language in LANGUAGES:
        assert set(LINES[language]) == set(NotificationKind)
        assert "{count}" in DIGESTS[language]
        assert "{count}" in REST[language]
        for kind in NotificationKind:
            said = line(News(kind=kind, display_name="Мария {due} 李", company="Rosa", due=NOW), language)
            assert "Мария {due} 李, Rosa" in said
            assert ("2026-03-02 09:00" in said) == ("{due}" in LINES[language][kind])


@given(
    st.text(max_size=400), st.text(max_size=400), st.sampled_from(LANGUAGES), st.sampled_from(list(NotificationKind))
)
def test_whatever_a_lead_is_called_it_stays_on_its_line(name, company, language, kind):
    news = News(kind=kind, display_name=name, company=company, due=NOW, link="https://crm.example/leads/1")
    said = line(news, language)
    assert len(said.splitlines()) == 1
    assert len(letter([news], language).splitlines()) == 2
    assert len(short([news], language)) <= LONGEST_SMS
    assert short([news], language).endswith(news.link)


def test_a_name_brings_no_controls_along():
    assert plain("a\r\nBcc: everybody\u202e@x\u200b") == "a Bcc: everybody @x"


def test_a_digest_says_how_much_and_not_everything():
    news = [News(kind=NotificationKind.LEAD_ASSIGNED, display_name=f"L{number}") for number in range(60)]
    assert subject(news, "en") == "News of your leads: 60"
    text = letter(news, "en")
    assert "L49" in text
    assert "L50" not in text
    assert "and 10 more" in text
