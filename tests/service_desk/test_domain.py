"""The rules of the service desk."""

from datetime import UTC, datetime, timedelta

import pytest
from chassis.errors import FailedPrecondition
from hypothesis import given
from hypothesis import strategies as st
from service_desk.domain import (
    Case,
    CaseAssigned,
    CaseReopened,
    CaseResolved,
    CaseUpdated,
    Entitlement,
    Priority,
    State,
    covering,
)

NOW = datetime(2026, 3, 2, 15, 30, tzinfo=UTC)
DAY = timedelta(days=1)


def entitlement(start=-10, end: int | None = 10, **fields):
    """Valid from `start` until `end` days from NOW."""
    known = {"account": "accounts/a", "contract": "contracts/c", "contract_version": 5, "journey_id": "j-contract"}
    until = None if end is None else NOW + end * DAY
    return Entitlement(**(known | {"start_time": NOW + start * DAY, "end_time": until} | fields))


def case(state=State.NEW, **fields):
    made = Case(**({"display_name": "Late again", "account": "accounts/a", "journey_id": "j-account"} | fields))
    made.open(9, None, NOW)
    made.state = state
    return made


VERBS = {
    "revise": lambda it: it.revise(["priority"], NOW),
    "assign": lambda it: it.assign("users/dora", "teams/service", NOW),
    "resolve": lambda it: it.resolve("sent a new one", NOW),
    "reopen": lambda it: it.reopen("broken again", NOW),
}
ALLOWED = {
    (State.NEW, "revise"): (State.NEW, CaseUpdated),
    (State.NEW, "assign"): (State.OPEN, CaseAssigned),
    (State.NEW, "resolve"): (State.RESOLVED, CaseResolved),
    (State.OPEN, "revise"): (State.OPEN, CaseUpdated),
    (State.OPEN, "assign"): (State.OPEN, CaseAssigned),
    (State.OPEN, "resolve"): (State.RESOLVED, CaseResolved),
    (State.RESOLVED, "reopen"): (State.OPEN, CaseReopened),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("state", State)
def test_each_verb_has_its_states_and_no_others(state, verb):
    it = case(state)
    if (state, verb) in ALLOWED:
        after, event = ALLOWED[state, verb]
        assert type(VERBS[verb](it)) is event
        assert it.state is after
    else:
        with pytest.raises(FailedPrecondition) as refused:
            VERBS[verb](it)
        assert refused.value.metadata["state"] == state.name
        assert it.state is state


def test_a_case_without_an_entitlement_is_flagged_and_in_the_accounts_journey():
    made = case()
    assert (made.number, made.unentitled, made.entitlement, made.journey_id) == ("S-000009", True, "", "j-account")
    assert (made.type, made.priority) == ("question", Priority.NORMAL)


def test_an_entitled_case_names_the_contracts_version_and_is_in_its_journey():
    made, promise = Case(display_name="x", account="accounts/a", journey_id="j-account"), entitlement()
    made.open(1, promise, NOW)
    assert (made.entitlement, made.contract, made.contract_version) == (promise.name, "contracts/c", 5)
    assert (made.unentitled, made.matched_late, made.journey_id) == (False, False, "j-contract")


def test_an_entitlement_covers_its_first_instant_and_not_its_last():
    promise = entitlement(start=0, end=10)
    assert promise.covers(NOW)
    assert not promise.covers(NOW - timedelta(microseconds=1))
    assert not promise.covers(NOW + 10 * DAY)


def test_an_entitlement_without_an_end_covers_everything_after_its_start():
    assert entitlement(end=None).covers(NOW + 100_000 * DAY)


@given(st.lists(st.tuples(st.integers(-20, 20), st.integers(0, 30)), max_size=6))
def test_of_those_that_cover_a_moment_the_latest_started_counts(spans):
    promises = [entitlement(start, start + length) for start, length in spans]
    found, valid = covering(promises, NOW), [promise for promise in promises if promise.covers(NOW)]
    assert (found in valid) if valid else (found is None)
    assert all(found.start_time >= promise.start_time for promise in valid)


def test_a_contract_that_covers_the_opening_attaches_late():
    made, promise = case(), entitlement()
    made.attach(made.late_match([entitlement(start=5), promise]), NOW + DAY)
    assert (made.entitlement, made.unentitled, made.matched_late) == (promise.name, False, True)


def test_a_contract_that_starts_after_the_opening_attaches_too():
    soon, later = entitlement(start=1), entitlement(start=5)
    assert case().late_match([later, soon]) is soon


def test_a_contract_that_had_ended_does_not_attach():
    assert case().late_match([entitlement(start=-10, end=0)]) is None


def test_a_resolved_case_is_passed_over():
    assert case(State.RESOLVED).late_match([entitlement()]) is None


def test_a_case_keeps_the_first_entitlement_it_got():
    made = case()
    made.attach(entitlement(start=5), NOW)
    assert made.late_match([entitlement()]) is None


def test_a_case_given_to_a_team_has_no_owner_until_somebody_takes_it():
    made = case()
    made.assign("users/dora", "teams/service", NOW)
    event = made.assign("", "teams/north", NOW)
    assert (made.owner, made.team, event.previous_owner) == ("", "teams/north", "users/dora")


def test_a_reopened_case_has_no_solution_and_counts():
    made = case(State.RESOLVED, solution="none")
    made.reopen("again", NOW)
    assert (made.solution, made.resolve_time, made.reopen_count) == ("", None, 1)
