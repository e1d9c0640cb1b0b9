"""Cadences and limits of contact: rules without any server."""

from datetime import UTC, date, datetime, timedelta

import pytest
from chassis.business_time import Day, Schedule, Version, WeeklyHours, WorkingTime
from chassis.errors import InvalidFields
from hypothesis import given
from hypothesis import strategies as st
from leads.domain.cadence import (
    Cadence,
    CadenceArchivedAlready,
    CadenceCompleted,
    CadenceNotArchived,
    CadenceStep,
    CadenceStepDone,
    EnrolmentEnded,
    EnrolmentState,
    LeadNotToBeWorked,
    StopReason,
    why_stop,
)
from leads.domain.contact_limits import ContactSettings
from leads.domain.interaction import InteractionKind
from leads.domain.lead import Lead
from leads.domain.response import Kind, ResponseTime
from leads.domain.state import State

NOW = datetime(2026, 6, 5, 14, tzinfo=UTC)  # a Friday
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OFFICE = WorkingTime(
    Schedule(
        time_zone="UTC",
        versions=[
            Version(valid_from=date(2020, 1, 1), weekly=[WeeklyHours(days=list(Day)[:5], start="09:00", end="17:00")])
        ],
    )
)
CALL, EMAIL = InteractionKind.CALL, InteractionKind.EMAIL


def a_lead(**fields):
    return Lead(**({"display_name": "Ана", "state": State.ASSIGNED, "owner": "users/ana", "team": "teams/x"} | fields))


def cadence(*kinds, wait=None):
    wait = wait or ResponseTime(kind=Kind.BUSINESS_DAYS, days=1)
    return Cadence(display_name="C", steps=[CadenceStep(kind=kind, wait=wait) for kind in kinds or (CALL, EMAIL)])


def test_a_lead_goes_through_the_steps_in_order_and_is_done():
    enrolment = cadence().enrol(a_lead(), NOW)
    assert isinstance(enrolment.did(CALL, NOW + HOUR), CadenceStepDone)
    assert (enrolment.step, enrolment.step_time, enrolment.current.kind) == (1, NOW + HOUR, EMAIL)
    assert isinstance(enrolment.did(EMAIL, NOW + DAY), CadenceCompleted)
    assert enrolment.state is EnrolmentState.COMPLETED


def test_what_a_step_does_not_ask_for_is_not_its_doing():
    enrolment = cadence().enrol(a_lead(), NOW)
    assert enrolment.did(EMAIL, NOW + HOUR) is None
    assert enrolment.did(CALL, NOW - HOUR) is None  # before the enrolment
    enrolment.stop(StopReason.REQUESTED, NOW)
    assert enrolment.did(CALL, NOW + HOUR) is None


def test_a_step_is_wanted_after_its_wait():
    enrolment = cadence().enrol(a_lead(), NOW)
    assert enrolment.wanted_from(OFFICE) == datetime(2026, 6, 8, 17, tzinfo=UTC)
    at_once = cadence(wait=ResponseTime()).enrol(a_lead(), NOW)
    assert at_once.wanted_from(OFFICE) == NOW


def test_a_change_of_the_cadence_leaves_those_in_it_alone():
    changed = cadence()
    enrolment = changed.enrol(a_lead(), NOW)
    changed.steps = []
    assert len(enrolment.steps) == 2


@pytest.mark.parametrize("fields", [{"state": State.DISQUALIFIED}, {"archive_time": NOW}, {"owner": ""}])
def test_only_an_open_lead_that_somebody_has_is_enrolled(fields):
    with pytest.raises(LeadNotToBeWorked):
        cadence().enrol(a_lead(**fields), NOW)


def test_an_archived_cadence_takes_nobody_until_it_is_restored():
    kept = cadence()
    with pytest.raises(CadenceNotArchived):
        kept.restore(NOW)
    kept.archive(NOW)
    for refused in (lambda: kept.enrol(a_lead(), NOW), lambda: kept.archive(NOW)):
        with pytest.raises(CadenceArchivedAlready):
            refused()
    kept.restore(NOW)
    assert kept.enrol(a_lead(), NOW).active


def test_a_cadence_without_steps_is_none():
    with pytest.raises(InvalidFields):
        Cadence(display_name="C").check()


def test_an_enrolment_ends_once():
    enrolment = cadence().enrol(a_lead(), NOW)
    enrolment.stop(StopReason.REPLIED, NOW)
    assert (enrolment.stop_reason, enrolment.due_time) == ("REPLIED", None)
    with pytest.raises(EnrolmentEnded):
        enrolment.stop(StopReason.REQUESTED, NOW)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (State.NEW, None),
        (State.WORKING, None),
        (State.QUALIFIED, StopReason.QUALIFIED),
        (State.CONVERTING, StopReason.CONVERTED),
        (State.CONVERTED, StopReason.CONVERTED),
        (State.DISQUALIFIED, StopReason.DISQUALIFIED),
        (State.MERGED, StopReason.CLOSED),
        (State.NURTURING, StopReason.CLOSED),
    ],
)
def test_a_cadence_ends_with_what_it_was_for(state, reason):
    assert why_stop(a_lead(state=state)) is reason


def test_a_limit_needs_a_number_and_days():
    for wrong in ({"most_contacts": 3}, {"per_days": 7}):
        with pytest.raises(InvalidFields):
            ContactSettings(**wrong).check()
    ContactSettings(most_contacts=3, per_days=7).check()


def test_without_a_limit_anybody_may_be_contacted_at_once():
    assert ContactSettings().allowed_from([NOW] * 50, NOW) == NOW
    assert ContactSettings().neglected_from(NOW) is None


def test_a_lead_is_neglected_after_so_many_days():
    assert ContactSettings(at_least_every_days=14).neglected_from(NOW) == NOW + 14 * DAY


@given(
    st.integers(1, 4),
    st.integers(1, 10),
    st.lists(st.timedeltas(timedelta(0), timedelta(days=4)), min_size=1, max_size=30),
)
def test_who_waits_until_it_is_allowed_never_contacts_too_often_nor_waits_too_long(most, days, pauses):
    """No window of `days` days has more than `most`, and a moment earlier one would have had."""
    limits, contacts, at = ContactSettings(most_contacts=most, per_days=days), [], NOW
    for pause in pauses:
        wanted = at + pause
        at = limits.allowed_from(contacts, wanted)
        within = [one for one in contacts if at - timedelta(days=days) < one]
        assert len(within) < most
        if at > wanted:
            earlier = at - timedelta(seconds=1)
            assert len([one for one in contacts if earlier - timedelta(days=days) < one]) >= most
        contacts.append(at)
