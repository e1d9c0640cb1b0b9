"""The rules of leads, without any server."""

from datetime import UTC, datetime

import pytest
from chassis.errors import CrmError, FailedPrecondition, InvalidFields
from hypothesis import given
from hypothesis import strategies as st
from leads.domain import (
    CallOutcome,
    ChecklistNotMet,
    Lead,
    LeadClosed,
    LeadConverting,
    LeadNotQualified,
    LeadSettings,
    NobodyToAssign,
    Requirement,
    Rotation,
    State,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = datetime(2026, 3, 2, 12, tzinfo=UTC)
OWNER = [Requirement.OWNER]


def lead(**fields) -> Lead:
    return Lead(**({"display_name": "Ана Петрова", "owner": "users/ana"} | fields))


VERBS = {
    "assign": lambda lead: lead.assign("users/boris", "teams/north", NOW),
    "log_call": lambda lead: lead.log_call(CallOutcome.REACHED, "", NOW),
    "qualify": lambda lead: lead.qualify(OWNER, "", NOW),
    "disqualify": lambda lead: lead.disqualify("no_budget", "", NOW),
    "convert": lambda lead: lead.start_conversion(NOW),
}
# state × verb: the state afterwards, or the refusal.
TABLE = {
    State.NEW: ("ASSIGNED", "WORKING", "QUALIFIED", "DISQUALIFIED", LeadNotQualified),
    State.ASSIGNED: ("ASSIGNED", "WORKING", "QUALIFIED", "DISQUALIFIED", LeadNotQualified),
    State.WORKING: ("WORKING", "WORKING", "QUALIFIED", "DISQUALIFIED", LeadNotQualified),
    State.QUALIFIED: ("QUALIFIED", "QUALIFIED", "QUALIFIED", "DISQUALIFIED", "CONVERTING"),
    State.CONVERTING: (LeadConverting,) * 5,
    State.CONVERTED: (LeadClosed,) * 5,
    State.DISQUALIFIED: (LeadClosed,) * 5,
}


@pytest.mark.parametrize(
    ("state", "verb", "expected"),
    [(state, verb, end) for state, ends in TABLE.items() for verb, end in zip(VERBS, ends, strict=True)],
)
def test_every_verb_in_every_state(state, verb, expected):
    subject = lead(state=state)
    if isinstance(expected, str):
        VERBS[verb](subject)
        assert subject.state.name == expected
        return
    with pytest.raises(expected) as refused:
        VERBS[verb](subject)
    assert refused.value.metadata["state"] == state.name
    assert subject.state is state


def test_the_table_knows_every_state():
    assert set(TABLE) == set(State)


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
    event = subject.abandon_conversion("the external id is taken", NOW)
    assert subject.state is State.QUALIFIED
    assert event.reason == "the external id is taken"


def test_a_converted_lead_knows_what_it_became():
    subject = lead(state=State.CONVERTING)
    subject.finish_conversion("accounts/1", "contacts/2", "opportunities/3", NOW)
    assert (subject.state, subject.account, subject.close_time) == (State.CONVERTED, "accounts/1", NOW)


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
        Rotation(id="north").next([])


@given(st.sets(st.text("abcdefgh", min_size=1), min_size=1, max_size=8), st.integers(1, 5))
def test_turns_are_even(people, rounds):
    rotation = Rotation(id="north")
    turns = [rotation.next(list(people)) for _ in range(len(people) * rounds)]
    assert {turns.count(person) for person in people} == {rounds}


def test_the_turn_goes_on_when_the_last_person_left():
    rotation = Rotation(id="north", last="users/boris")
    assert rotation.next(["users/ana", "users/chen"]) == "users/chen"


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
    assert all(issubclass(kind, CrmError) for ends in TABLE.values() for kind in ends if not isinstance(kind, str))
