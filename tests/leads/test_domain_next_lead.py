"""Which lead to turn to next: rules without any server."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from leads.domain.contact_limits import ContactSettings
from leads.domain.next_lead import EACH_OTHER, WEIGHTS, LeadAtHand, Reason, next_leads
from leads.domain.response import ResponseState

NOW = datetime(2026, 6, 5, 14, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LIMITS = ContactSettings(most_contacts=2, per_days=7, at_least_every_days=14)
QUIET = LeadAtHand(id="a", contact_time=NOW - DAY, last_outbound_time=NOW - DAY)


def reasons(limits=LIMITS, **fields):
    found = next_leads([replace(QUIET, **fields)], limits, NOW)
    return [why.reason.name for why in found[0].reasons] if found else []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, []),
        ({"call_back_time": NOW}, ["CALL_BACK_DUE"]),
        ({"call_back_time": NOW + HOUR}, []),
        ({"clock": ResponseState.RUNNING, "clock_due": NOW + HOUR}, ["RESPONSE_DUE"]),
        ({"clock": ResponseState.RUNNING, "clock_due": NOW}, ["RESPONSE_OVERDUE"]),
        ({"clock": ResponseState.BREACHED, "clock_due": NOW - HOUR}, ["RESPONSE_OVERDUE"]),
        ({"clock": ResponseState.MET, "clock_due": NOW - HOUR}, []),
        ({"last_inbound_time": NOW - HOUR}, ["REPLIED"]),
        ({"last_inbound_time": NOW - 2 * DAY}, []),
        ({"step_due": NOW - HOUR}, ["STEP_DUE"]),
        ({"last_outbound_time": None}, ["NEVER_CONTACTED"]),
        ({"last_outbound_time": NOW - 14 * DAY}, ["NEGLECTED"]),
        ({"last_outbound_time": NOW - 13 * DAY}, []),
        ({"last_outbound_time": NOW - 20 * DAY, "last_inbound_time": NOW - 15 * DAY}, ["REPLIED", "NEGLECTED"]),
    ],
)
def test_a_lead_comes_forward_for_a_reason_and_for_no_other(fields, expected):
    assert reasons(**fields) == expected


def test_who_was_contacted_often_enough_is_left_in_peace_unless_they_asked():
    often = [NOW - DAY, NOW - 2 * DAY]
    assert reasons(step_due=NOW, contacts=often) == []
    assert reasons(step_due=NOW, contacts=often[:1]) == ["STEP_DUE"]
    assert reasons(step_due=NOW, contacts=often, limits=ContactSettings()) == ["STEP_DUE"]
    assert reasons(last_inbound_time=NOW - HOUR, contacts=often) == ["REPLIED"]
    assert reasons(call_back_time=NOW - HOUR, contacts=often) == ["CALL_BACK_DUE"]


def test_a_grave_reason_outweighs_all_lesser_ones_together():
    weights = sorted(WEIGHTS.values())
    steps = [after - before for before, after in itertools.pairwise(weights)]
    assert min(steps) > EACH_OTHER * len(Reason)
    assert [WEIGHTS[reason] for reason in Reason] == weights[::-1]


def test_of_equal_leads_that_which_waits_longest_is_first():
    leads = [replace(QUIET, id=str(hours), step_due=NOW - hours * HOUR) for hours in (1, 3, 2)]
    assert [one.id for one in next_leads(leads, LIMITS, NOW)] == ["3", "2", "1"]


moments = st.none() | st.timedeltas(-30 * DAY, 30 * DAY).map(NOW.__add__)
at_hand = st.builds(
    LeadAtHand,
    id=st.uuids().map(str),
    contact_time=st.timedeltas(timedelta(0), 30 * DAY).map(lambda ago: NOW - ago),
    last_outbound_time=moments,
    last_inbound_time=moments,
    call_back_time=moments,
    clock=st.none() | st.sampled_from(ResponseState),
    clock_due=moments,
    step_due=moments,
)


@given(st.lists(at_hand, max_size=20, unique_by=lambda lead: lead.id), st.randoms())
def test_the_order_is_by_urgency_and_does_not_depend_on_how_leads_came(leads, chance):
    found = next_leads(leads, LIMITS, NOW)
    assert [one.points for one in found] == sorted((one.points for one in found), reverse=True)
    assert all(one.reasons for one in found)
    shuffled = list(leads)
    chance.shuffle(shuffled)
    assert next_leads(shuffled, LIMITS, NOW) == found
