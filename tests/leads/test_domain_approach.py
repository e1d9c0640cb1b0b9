"""What is recommended for a lead, without a database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from leads.approaching import first_within
from leads.domain.approach import (
    BANDS,
    LEAST,
    Cause,
    Counted,
    Situation,
    Step,
    band_of,
    options,
    recommend,
)
from leads.domain.interaction import InteractionKind
from leads.domain.lead import Lead
from leads.domain.state import State

NOW = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CALL, EMAIL, VISIT, SMS, CHAT = (InteractionKind[name] for name in ("CALL", "EMAIL", "VISIT", "SMS", "CHAT"))


def situation(own=(), **fields):
    about = {
        "display_name": "李", "owner": "users/ana", "state": State.WORKING, "phone": "0888 123 456",
        "email": "li@rosa.example", "channel": "channels/fair", "contact_time": NOW - 9 * DAY,
    }  # fmt: skip
    more = {name: fields.pop(name) for name in ("earliest", "times", "cadence_kind", "cadence_time") if name in fields}
    known = {"lead": Lead(**(about | fields)), "now": NOW, "earliest": NOW, "times": [NOW + HOUR] * len(BANDS)}
    return Situation(**(known | more), own=dict(own))


def tried(kind, hour, tries, answers, segment="channels/web"):
    return Counted(kind=kind, hour=hour, segment=segment, tries=tries, answers=answers)


HISTORY = [tried(CALL, 9, 100, 20), tried(CALL, 15, 100, 60), tried(EMAIL, 9, 100, 30)]


def causes(found):
    return [reason.cause for reason in found.reasons]


def test_the_way_and_the_hours_that_were_answered_most_are_recommended_with_their_counts():
    found = recommend(HISTORY, situation(), NOW)
    assert (found.kind, found.start_hour, found.end_hour, found.contact_time) == (CALL, 15, 17, NOW + HOUR)
    assert (found.enough_data, found.tries, found.segment, found.count_time) == (True, 300, "channels/fair", NOW)
    assert [(one.kind, one.start_hour, one.tries, one.answers) for one in found.options] == [
        (CALL, 15, 100, 60), (EMAIL, 9, 100, 30), (CALL, 9, 100, 20),
    ]  # fmt: skip
    assert "60 of 100 tries answered" in found.reasons[1].sentence


def test_what_leads_of_its_channel_answer_counts_more_the_more_they_are():
    few = [*HISTORY, tried(EMAIL, 9, 4, 4, "channels/fair")]
    many = [*HISTORY, tried(EMAIL, 9, 80, 80, "channels/fair")]
    assert recommend(few, situation(), NOW).kind is CALL
    found = recommend(many, situation(), NOW)
    assert (found.kind, found.options[0].segment_tries, found.options[0].segment_answers) == (EMAIL, 80, 80)
    assert "80 of 80 with leads of channels/fair" in found.reasons[1].sentence
    assert recommend(many, situation(channel="channels/web"), NOW).options[0].segment_tries < 180


def test_what_a_lead_does_itself_outweighs_what_others_do():
    found = recommend(HISTORY, situation(own={EMAIL: (4, 4), CALL: (4, 0)}), NOW)
    assert found.kind is EMAIL
    assert Cause.OWN_ANSWERS in causes(found)
    assert "answered 4 of 4 tries by e-mail" in found.reasons[2].sentence


def test_too_few_tries_recommend_nothing_and_say_so():
    for history in ([], [tried(CALL, 9, LEAST - 1, LEAST - 1), tried(EMAIL, 9, 1, 1)]):
        found = recommend(history, situation(), None)
        assert (found.kind, found.enough_data, found.contact_time, found.start_hour) == (None, False, None, 0)
        assert causes(found) == [Cause.STATE, Cause.NOT_ENOUGH_DATA]
        assert "Not enough data" in found.reasons[1].sentence
        assert all("Not enough data" in one.unfit for one in found.options)


@pytest.mark.parametrize(
    ("fields", "unfit"),
    [
        ({"phone": ""}, {CALL: "phone"}),
        ({"email": ""}, {EMAIL: "e-mail"}),
        ({"phone": "", "email": ""}, {CALL: "phone", EMAIL: "e-mail"}),
        ({"times": [None] * len(BANDS)}, {CALL: "at work", EMAIL: "at work"}),
    ],
)
def test_a_way_that_does_not_reach_the_lead_is_not_recommended(fields, unfit):
    found = recommend(HISTORY, situation(**fields), NOW)
    assert found.kind not in unfit
    assert {one.kind for one in found.options if one.unfit} == set(unfit)
    assert all(unfit[one.kind] in one.unfit for one in found.options if one.unfit)
    if len(unfit) == 2:
        assert causes(found) == [Cause.STATE, Cause.OUT_OF_REACH]
        assert found.enough_data


def test_a_chat_is_never_ours_to_begin():
    assert recommend([tried(CHAT, 9, 100, 100)], situation(), NOW).kind is None


@pytest.mark.parametrize(
    ("fields", "step"),
    [
        ({}, Step.FIRST_CONTACT),
        ({"state": State.NURTURING}, Step.WAIT),
        ({"state": State.NURTURING, "cadence_kind": EMAIL}, Step.CADENCE_STEP),
        ({"owner": "", "state": State.NEW}, Step.ASSIGN),
        ({"call_back_time": NOW + DAY}, Step.CALL_BACK),
        ({"last_inbound_time": NOW - HOUR}, Step.ANSWER),
        ({"last_inbound_time": NOW - DAY, "last_outbound_time": NOW - HOUR}, Step.FOLLOW_UP),
        ({"last_outbound_time": NOW - HOUR, "own": {CALL: (2, 1)}}, Step.QUALIFY),
        ({"last_outbound_time": NOW - HOUR, "own": {CALL: (2, 0)}}, Step.FOLLOW_UP),
        ({"state": State.QUALIFIED, "cadence_kind": EMAIL}, Step.CONVERT),
        ({"cadence_kind": EMAIL}, Step.CADENCE_STEP),
        ({"cadence_kind": EMAIL, "last_inbound_time": NOW}, Step.ANSWER),
    ],
)
def test_the_step_follows_from_where_the_lead_stands(fields, step):
    found = recommend(HISTORY, situation(**fields), NOW)
    assert found.step is step
    if step in (Step.WAIT, Step.ASSIGN):
        assert (found.kind, found.contact_time) == (None, None)


def test_a_promise_is_kept_at_its_time_whatever_rates_say():
    found = recommend([tried(EMAIL, 9, 100, 99)], situation(call_back_time=NOW + DAY, earliest=NOW + 5 * DAY), NOW)
    assert (found.step, found.kind, found.contact_time) == (Step.CALL_BACK, CALL, NOW + DAY)
    assert (found.start_hour, found.end_hour) == (0, 0)
    late = recommend(HISTORY, situation(call_back_time=NOW - DAY), NOW)
    assert (late.kind, late.contact_time) == (CALL, NOW)


def test_a_cadence_says_the_way_and_rates_the_hours():
    found = recommend(HISTORY, situation(cadence_kind=CALL, cadence_time=NOW + DAY), NOW)
    assert (found.step, found.kind, found.start_hour) == (Step.CADENCE_STEP, CALL, 15)
    assert found.contact_time == NOW + DAY
    assert Cause.GIVEN in causes(found)
    unknown = recommend(HISTORY, situation(cadence_kind=VISIT), NOW)
    assert (unknown.kind, unknown.start_hour) == (VISIT, 0)


def test_limits_of_contacts_are_told():
    found = recommend(HISTORY, situation(earliest=NOW + DAY), NOW)
    assert Cause.LIMITS in causes(found)
    assert "2026-11-27 09:30" in found.reasons[-1].sentence
    answer = recommend(HISTORY, situation(earliest=NOW + DAY, last_inbound_time=NOW), NOW)
    assert Cause.LIMITS not in causes(answer)


SOME = st.builds(
    lambda kind, hour, segment, answers, more: tried(kind, hour, answers + more, answers, segment),
    st.sampled_from([*InteractionKind]),
    st.integers(0, 23),
    st.sampled_from(["channels/fair", "channels/web", ""]),
    st.integers(0, 50),
    st.integers(1, 50),
)


@given(st.lists(SOME, max_size=30), st.data())
def test_counts_are_those_of_a_recount_rates_are_chances_and_order_leaves_no_mark(history, data):
    it = situation()
    found = recommend(history, it, NOW)
    assert recommend(data.draw(st.permutations(history)), it, NOW) == found
    assert found.tries == sum(one.tries for one in history)
    for one in found.options:
        of_cell = [c for c in history if c.kind is one.kind and band_of(c.hour) == (one.start_hour, one.end_hour)]
        here = [c for c in of_cell if c.segment == "channels/fair"]
        assert (one.tries, one.answers) == (sum(c.tries for c in of_cell), sum(c.answers for c in of_cell))
        assert (one.segment_tries, one.segment_answers) == (sum(c.tries for c in here), sum(c.answers for c in here))
        assert 0 < one.rate < 1
    cells = {(one.kind, band_of(one.hour)) for one in history}
    assert {(one.kind, (one.start_hour, one.end_hour)) for one in found.options} == cells
    fit = [one for one in found.options if not one.unfit]
    assert found.kind == (fit[0].kind if fit else None)
    assert not fit or fit[0].rate == max(one.rate for one in fit)


@given(st.lists(SOME, min_size=1, max_size=20))
def test_more_answers_of_the_same_tries_never_lower_a_rate(history):
    first = history[0]
    if first.answers == first.tries:
        return
    better = [replace(first, answers=first.answers + 1), *history[1:]]
    rates = {(one.kind, one.start_hour): one.rate for one in options(history, situation())}
    assert all(one.rate >= rates[one.kind, one.start_hour] for one in options(better, situation()))


@given(
    st.integers(0, 2 * 365 * 24 * 60).map(lambda minutes: NOW + timedelta(minutes=minutes)),
    st.sampled_from(BANDS),
    st.sampled_from(["UTC", "Europe/Sofia", "America/Sao_Paulo", "Asia/Shanghai"]),
)
def test_the_first_time_within_hours_is_within_them_and_not_before(earliest, band, name):
    zone = ZoneInfo(name)
    at = first_within(band, earliest, zone, lambda moment: moment)
    assert at is not None
    assert at >= earliest
    assert band[0] <= at.astimezone(zone).hour < band[1]
    assert at - earliest <= timedelta(hours=26)


def test_a_time_at_which_nobody_is_at_work_is_passed_over():
    def from_noon(at):
        return at if at.hour >= 12 else at.replace(hour=12, minute=0)

    assert first_within((9, 11), NOW, ZoneInfo("UTC"), from_noon) is None
    assert first_within((11, 13), NOW, ZoneInfo("UTC"), from_noon) == NOW.replace(hour=12, minute=0)
    assert first_within((9, 11), NOW, ZoneInfo("UTC"), lambda at: at + 400 * DAY) is None
