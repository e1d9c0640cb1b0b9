"""The rules of leads, without any server."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from chassis.errors import CrmError, FailedPrecondition, InvalidFields
from hypothesis import given
from hypothesis import strategies as st
from leads.domain import conversion
from leads.domain.lead import Lead
from leads.domain.merge import go_on, merge_away, plan_merge
from leads.domain.rotation import NobodyToAssign, Rotation
from leads.domain.settings import LeadSettings, NurturePlan, Requirement
from leads.domain.state import (
    CallOutcome,
    ChecklistNotMet,
    ConversionIsFinal,
    LeadClosed,
    LeadConverting,
    LeadMergedAway,
    LeadNotAssigned,
    LeadNotConverted,
    LeadNotDisqualified,
    LeadNotInHand,
    LeadNotNurturing,
    LeadNotQualified,
    LeadNurturing,
    NurturedTooOften,
    State,
    WakeCause,
)
from leads.domain.survivorship import Survivorship

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = datetime(2026, 3, 2, 12, tzinfo=UTC)
OWNER = [Requirement.OWNER]


def lead(**fields) -> Lead:
    return Lead(**({"display_name": "Ана Петрова", "owner": "users/ana"} | fields))


BECAME = conversion.Names(account="accounts/1", contact="contacts/2", opportunity="opportunities/3")


def taken_back(lead: Lead, at: datetime) -> conversion.LeadConversionUndone:
    """As the service does it: asked whether it may, then done once sales has put away what was made."""
    conversion.require_undoable(lead, at)
    return conversion.undo(lead, "", at)


# Verb → what it does, and what came of it in each state: the state afterwards, or the refusal.
VERBS = {
    "assign": lambda lead: lead.assign("users/boris", "teams/north", NOW),
    "accept": lambda lead: lead.accept(NOW),
    "reject": lambda lead: lead.reject("wrong_region", "", NOW),
    "recycle": lambda lead: lead.recycle("", NOW),
    "log_call": lambda lead: lead.log_call(CallOutcome.REACHED, "", NOW),
    "qualify": lambda lead: lead.qualify(OWNER, "", NOW),
    "disqualify": lambda lead: lead.disqualify("no_budget", "", NOW),
    "reopen": lambda lead: lead.reopen("They called", True, NOW),
    "nurture": lambda lead: lead.nurture(LATER, None, "", "", 0, NOW),
    "wake": lambda lead: lead.wake(WakeCause.DATE, "", True, NOW),
    "convert": lambda lead: conversion.start(lead, NOW),
    "undo_conversion": lambda lead: taken_back(lead, NOW),
    "merge away": lambda lead: merge_away(lead, Lead(display_name="Ана"), "leadMerges/x", NOW),
    "take others in": lambda lead: take_in(lead),
}
OUT_OF_REACH = {"CONVERTING": LeadConverting, "CONVERTED": LeadClosed, "MERGED": LeadMergedAway}
CLOSED = OUT_OF_REACH | {"DISQUALIFIED": LeadClosed}
PEACE = CLOSED | {"NURTURING": LeadNurturing}
TABLE = {
    "assign": CLOSED | {"NEW": "ASSIGNED", "ASSIGNED": "ASSIGNED", "WORKING": "WORKING", "QUALIFIED": "QUALIFIED",
                        "NURTURING": "NURTURING"},
    "accept": PEACE | {"NEW": LeadNotAssigned, "ASSIGNED": "WORKING", "WORKING": LeadNotAssigned,
                       "QUALIFIED": LeadNotAssigned},
    "reject": PEACE | {"NEW": LeadNotAssigned, "ASSIGNED": "NEW", "WORKING": LeadNotAssigned,
                       "QUALIFIED": LeadNotAssigned},
    "recycle": PEACE | {"NEW": LeadNotInHand, "ASSIGNED": "NEW", "WORKING": "NEW", "QUALIFIED": LeadNotInHand},
    "log_call": CLOSED | {"NEW": "WORKING", "ASSIGNED": "WORKING", "WORKING": "WORKING", "QUALIFIED": "QUALIFIED",
                          "NURTURING": "NURTURING"},
    "qualify": PEACE | dict.fromkeys(("NEW", "ASSIGNED", "WORKING", "QUALIFIED"), "QUALIFIED"),
    "disqualify": CLOSED | dict.fromkeys(("NEW", "ASSIGNED", "WORKING", "QUALIFIED", "NURTURING"), "DISQUALIFIED"),
    "reopen": PEACE | {"DISQUALIFIED": "ASSIGNED"}
    | dict.fromkeys(("NEW", "ASSIGNED", "WORKING", "QUALIFIED"), LeadNotDisqualified),
    "nurture": PEACE | dict.fromkeys(("NEW", "ASSIGNED", "WORKING", "QUALIFIED"), "NURTURING"),
    "wake": CLOSED | {"NURTURING": "ASSIGNED"}
    | dict.fromkeys(("NEW", "ASSIGNED", "WORKING", "QUALIFIED"), LeadNotNurturing),
    "convert": PEACE | {"QUALIFIED": "CONVERTING"}
    | dict.fromkeys(("NEW", "ASSIGNED", "WORKING"), LeadNotQualified),
    "undo_conversion": dict.fromkeys(
        ("NEW", "ASSIGNED", "WORKING", "QUALIFIED", "CONVERTING", "DISQUALIFIED", "MERGED", "NURTURING"),
        LeadNotConverted,
    )
    | {"CONVERTED": "QUALIFIED"},
    "merge away": OUT_OF_REACH
    | dict.fromkeys(("NEW", "ASSIGNED", "WORKING", "QUALIFIED", "NURTURING", "DISQUALIFIED"), "MERGED"),
    "take others in": CLOSED | {state: state for state in ("NEW", "ASSIGNED", "WORKING", "QUALIFIED", "NURTURING")},
}  # fmt: skip


def take_in(subject):
    merge = plan_merge([subject, Lead(display_name="Ана")], Survivorship(), NOW, 30)
    return go_on(subject, merge.result, merge.merged, NOW)


@pytest.mark.parametrize(
    ("verb", "state", "expected"),
    [(verb, State[state], end) for verb, ends in TABLE.items() for state, end in ends.items()],
)
def test_every_verb_in_every_state(verb, state, expected):
    subject = lead(state=state, conversion_undo_until=LATER)
    if isinstance(expected, str):
        assert VERBS[verb](subject).lead.state.name == expected
        return
    with pytest.raises(expected) as refused:
        VERBS[verb](subject)
    assert refused.value.metadata["state"] == state.name
    assert subject == replace(lead(state=state, conversion_undo_until=LATER), id=subject.id)


def test_the_table_knows_every_state_of_every_verb():
    every = {state.name for state in State}
    assert {verb: set(ends) for verb, ends in TABLE.items()} == dict.fromkeys(VERBS, every)


def test_a_milestone_is_the_first_time_and_stays():
    subject = lead()
    subject.assign("users/ana", "teams/north", NOW)
    subject.accept(NOW)
    subject.qualify(OWNER, "", NOW)
    subject.disqualify("no_budget", "", NOW)
    subject.reopen("They called", True, LATER)
    subject.assign("users/boris", "teams/north", LATER)
    subject.accept(LATER)
    subject.qualify(OWNER, "", LATER)
    assert (subject.mql_time, subject.sal_time, subject.sql_time) == (NOW, NOW, NOW)
    assert subject.qualify_time == LATER


def test_a_lead_that_nobody_took_on_was_not_accepted_by_sales():
    subject = lead()
    subject.assign("users/ana", "teams/north", NOW)
    subject.qualify(OWNER, "", NOW)
    assert (subject.mql_time, subject.sal_time) == (NOW, None)


def test_the_first_call_takes_a_lead_on():
    subject = lead()
    subject.log_call(CallOutcome.NO_ANSWER, "", NOW)
    subject.log_call(CallOutcome.REACHED, "", LATER)
    assert (subject.sal_time, subject.state) == (NOW, State.WORKING)


def test_who_rejected_a_lead_is_remembered_until_somebody_accepts_it():
    subject = lead(state=State.NEW)
    for owner in ("users/chen", "users/boris"):
        subject.assign(owner, "teams/north", NOW)
        event = subject.reject("wrong_region", "", NOW)
        assert (event.previous_owner, subject.owner, subject.team) == (owner, "", "teams/north")
    assert subject.rejected_by == ["users/boris", "users/chen"]
    subject.assign("users/ana", "teams/north", NOW)
    subject.accept(NOW)
    assert subject.rejected_by == []


def test_who_is_given_a_rejected_lead_is_told_that_nobody_had_it():
    subject = lead(state=State.NEW)
    subject.assign("users/chen", "teams/north", NOW)
    subject.reject("wrong_region", "", NOW)
    assert subject.assign("users/ana", "teams/north", LATER).previous_owner == ""


@pytest.mark.parametrize(("active", "state", "owner"), [(True, "ASSIGNED", "users/ana"), (False, "NEW", "")])
def test_a_lead_comes_back_to_its_owner_or_if_they_are_gone_to_its_team(active, state, owner):
    for came_back in (
        lead(state=State.NURTURING, team="teams/north").wake(WakeCause.TOUCH, "", active, NOW),
        lead(state=State.DISQUALIFIED, team="teams/north").reopen("They called", active, NOW),
    ):
        found = came_back.lead
        assert (found.state.name, found.owner, found.team) == (state, owner, "teams/north")
        assert came_back.previous_owner == "users/ana"


def test_a_reopened_lead_is_as_if_it_had_not_been_closed():
    subject = lead()
    subject.disqualify("no_budget", "", NOW)
    assert subject.reopen("They called", True, LATER).previous_reason == "no_budget"
    assert (subject.disqualify_reason, subject.close_time) == ("", None)


def test_a_lead_is_nurtured_as_often_as_the_company_allows():
    plan = NurturePlan(plan="quarter", days=90)
    subject = lead()
    for times in (1, 2):
        subject.nurture(LATER, plan, "no_budget_yet", "", 2, NOW)
        assert (subject.nurture_plan, subject.nurture_count) == ("quarter", times)
        subject.wake(WakeCause.DATE, "", True, LATER)
        assert (subject.nurture_until, subject.nurture_plan) == (None, "")
    with pytest.raises(NurturedTooOften):
        subject.nurture(LATER, plan, "", "", 2, NOW)
    assert subject.nurture(LATER, None, "", "", 0, NOW).lead.nurture_count == 3


def test_a_nurtured_lead_that_is_disqualified_does_not_wake():
    subject = lead()
    subject.nurture(LATER, None, "", "", 0, NOW)
    subject.disqualify("no_budget", "", NOW)
    assert subject.nurture_until is None


def test_a_nurtured_lead_is_given_to_a_new_owner_in_its_sleep():
    subject = lead(state=State.NURTURING, nurture_until=LATER)
    subject.assign("users/boris", "teams/north", NOW)
    assert (subject.state, subject.owner, subject.nurture_until) == (State.NURTURING, "users/boris", LATER)


def test_the_day_a_lead_wakes_is_the_one_asked_for_or_the_plans():
    settings = LeadSettings(nurture_plans=[NurturePlan(plan="quarter", days=90)])
    quarter = settings.plan("quarter")
    assert settings.nurture_until(None, quarter, NOW) == NOW + timedelta(days=90)
    assert settings.nurture_until(LATER, quarter, NOW) == LATER
    assert settings.nurture_until(LATER, None, NOW) == LATER


@pytest.mark.parametrize("asked", [None, NOW, NOW - timedelta(days=1), NOW + timedelta(days=3651)])
def test_a_day_that_is_missing_past_or_too_far_is_refused(asked):
    with pytest.raises(InvalidFields, match="nurture_until"):
        LeadSettings().nurture_until(asked, None, NOW)


def test_a_plan_nobody_made_is_refused():
    with pytest.raises(InvalidFields, match="plan"):
        LeadSettings().plan("quarter")
    assert LeadSettings().plan("") is None


@given(st.lists(st.sampled_from(["work_time", "last_call_time", "assign_time", "create_time"]), unique=True))
def test_a_lead_is_idle_since_the_last_thing_done_for_it(known):
    subject = lead(**{name: NOW + timedelta(days=number) for number, name in enumerate(known)})
    assert subject.idle_since == (NOW + timedelta(days=len(known) - 1) if known else None)


def test_a_recycled_lead_tells_how_long_it_lay():
    subject = lead(state=State.WORKING, work_time=NOW, team="teams/north")
    event = subject.recycle("", LATER)
    assert (event.idle_since, event.previous_owner, subject.recycle_count) == (NOW, "users/ana", 1)
    assert (subject.state, subject.owner, subject.team) == (State.NEW, "", "teams/north")
    assert subject.rejected_by == ["users/ana"]


@pytest.mark.parametrize(
    ("requirement", "fields"),
    [
        (Requirement.OWNER, {"owner": "users/ana"}),
        (Requirement.EMAIL, {"email": "a@b.example"}),
        (Requirement.PHONE, {"phone": "+359 2 1"}),
        (Requirement.COMPANY, {"company": "Rosa"}),
        (Requirement.CALL, {"call_count": 1}),
        (Requirement.NOTE, {"note": "needs ten"}),
    ],
)
def test_each_requirement_of_the_checklist_is_met_or_named(requirement, fields):
    empty = Lead(display_name="x")
    with pytest.raises(ChecklistNotMet) as refused:
        empty.qualify([requirement], "", NOW)
    assert refused.value.metadata["missing"] == requirement.name
    assert Lead(display_name="x", **fields).qualify([requirement], "", NOW).lead.state is State.QUALIFIED


def test_a_note_given_while_qualifying_counts():
    assert lead().qualify([Requirement.NOTE], "needs ten", NOW).note == "needs ten"


def test_an_earlier_call_logged_later_does_not_move_the_last_call_back():
    subject = lead()
    subject.log_call(CallOutcome.REACHED, "", LATER)
    subject.log_call(CallOutcome.NO_ANSWER, "", NOW)
    assert subject.last_call_time == LATER
    assert subject.call_count == 2


def test_assigning_tells_who_had_it_before():
    subject = lead(owner="users/ana")
    assert subject.assign("users/ana", "teams/south", NOW).previous_owner == ""
    event = subject.assign("users/boris", "teams/north", NOW)
    assert (event.previous_owner, subject.owner, subject.team) == ("users/ana", "users/boris", "teams/north")


def test_a_conversion_that_sales_refuses_leaves_a_qualified_lead():
    subject = lead(state=State.CONVERTING)
    event = conversion.abandon(subject, "the external id is taken", NOW)
    assert subject.state is State.QUALIFIED
    assert event.reason == "the external id is taken"


def test_a_converted_lead_knows_what_it_became():
    subject = lead(state=State.CONVERTING)
    conversion.finish(subject, BECAME, LATER, NOW)
    assert (subject.state, subject.account, subject.close_time) == (State.CONVERTED, "accounts/1", NOW)


def test_a_conversion_that_is_taken_back_leaves_the_lead_as_it_was_and_tells_what_it_had_become():
    before = lead(state=State.QUALIFIED, qualify_time=NOW)
    subject = replace(before)
    conversion.start(subject, NOW)
    conversion.finish(subject, BECAME, LATER, NOW)
    event = taken_back(subject, NOW)
    assert (event.account, event.contact, event.opportunity) == ("accounts/1", "contacts/2", "opportunities/3")
    assert subject == replace(before, undone_conversions=1)


@pytest.mark.parametrize("until", [None, NOW - timedelta(seconds=1)])
def test_a_conversion_whose_time_is_over_or_that_had_none_stays(until):
    subject = lead(state=State.CONVERTED, conversion_undo_until=until, account="accounts/1")
    with pytest.raises(ConversionIsFinal):
        taken_back(subject, NOW)
    assert (subject.state, subject.account) == (State.CONVERTED, "accounts/1")


def test_archiving_twice_or_restoring_what_is_not_archived_is_refused():
    subject = lead()
    with pytest.raises(FailedPrecondition):
        subject.restore(NOW)
    subject.archive(NOW)
    with pytest.raises(FailedPrecondition):
        subject.archive(NOW)
    subject.restore(NOW)
    assert subject.archive_time is None


def test_a_lead_in_conversion_cannot_be_archived():
    with pytest.raises(LeadConverting):
        lead(state=State.CONVERTING).archive(NOW)


def test_a_reason_is_any_slug_until_the_company_lists_them():
    LeadSettings().check_reason("anything")
    listed = LeadSettings(disqualify_reasons=["no_budget"])
    listed.check_reason("no_budget")
    with pytest.raises(InvalidFields):
        listed.check_reason("anything")


def test_nobody_in_the_team_is_said():
    with pytest.raises(NobodyToAssign):
        Rotation(id="north").give("")


def test_spellings_are_brought_together():
    subject = lead(email=" Ana@Example.COM ", phone="+359 (2) 123-45", channel="fair")
    subject.normalise()
    assert (subject.email, subject.phone_digits, subject.channel) == ("ana@example.com", "359212345", "channels/fair")
    assert subject.journey_id


@given(st.emails())
def test_normalising_twice_changes_nothing(email):
    subject = lead(email=email)
    subject.normalise()
    once = (subject.email, subject.journey_id)
    subject.normalise()
    assert (subject.email, subject.journey_id) == once


def test_every_refusal_is_in_the_error_tree():
    assert all(
        issubclass(kind, CrmError) for ends in TABLE.values() for kind in ends.values() if not isinstance(kind, str)
    )
