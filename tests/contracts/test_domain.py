"""The rules of contracts."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from chassis.errors import FailedPrecondition, InvalidFields
from chassis.values import Money
from contracts.domain import (
    AuthorCannotApprove,
    Contract,
    ContractActivated,
    ContractApproved,
    ContractRejected,
    ContractSubmitted,
    ContractTemplate,
    ContractUpdated,
    Section,
    State,
)
from contracts.terms import last_day, midnight, months_after
from contracts.wording import fill, word
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 3, 2, 15, 30, tzinfo=UTC)
LISBON, SAO_PAULO, SOFIA = ZoneInfo("Europe/Lisbon"), ZoneInfo("America/Sao_Paulo"), ZoneInfo("Europe/Sofia")


def template(**fields):
    sections = [Section(heading="Parties", text="{company} serves {customer} until {end_date}.")]
    known = {"id": "standard", "display_name": "Standard", "version": 3, "sections": sections, "term_months": 12}
    return ContractTemplate(**(known | {"service_level": "standard"} | fields))


def contract(state=State.DRAFT, **fields):
    known = {"display_name": "Bakery", "account": "accounts/a", "owner": "users/ana", "submitter": "users/boris"}
    made = Contract(**(known | fields))
    made.draft(template(), 7, "users/ana", NOW)
    made.state = state
    return made


VERBS = {
    "revise": lambda it: it.revise(["display_name"], "users/ana", NOW),
    "submit": lambda it: it.submit("hash", "users/ana", NOW),
    "approve": lambda it: it.approve("users/erik", "", NOW),
    "reject": lambda it: it.reject("too cheap", NOW),
    "activate": lambda it: it.activate(NOW, SOFIA),
}
ALLOWED = {
    (State.DRAFT, "revise"): (State.DRAFT, ContractUpdated),
    (State.DRAFT, "submit"): (State.IN_APPROVAL, ContractSubmitted),
    (State.IN_APPROVAL, "approve"): (State.APPROVED, ContractApproved),
    (State.IN_APPROVAL, "reject"): (State.DRAFT, ContractRejected),
    (State.APPROVED, "activate"): (State.ACTIVE, ContractActivated),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("state", State)
def test_each_verb_has_its_state_and_no_other(state, verb):
    it = contract(state)
    if (state, verb) in ALLOWED:
        after, event = ALLOWED[state, verb]
        assert type(VERBS[verb](it)) is event
        assert it.state is after
    else:
        with pytest.raises(FailedPrecondition) as refused:
            VERBS[verb](it)
        assert refused.value.metadata["state"] == state.name
        assert it.state is state


def test_a_draft_takes_number_template_and_what_was_left_open():
    made = contract()
    assert made.number == "C-000007"
    assert (made.template, made.template_version) == ("contractTemplates/standard", 3)
    assert (made.term_months, made.service_level) == (12, "standard")


def test_a_draft_keeps_what_its_author_chose():
    made = contract(term_months=24, service_level="gold")
    assert (made.term_months, made.service_level) == (24, "gold")


@pytest.mark.parametrize("actor", ["users/ana", "users/boris"])
def test_neither_owner_nor_submitter_can_approve(actor):
    with pytest.raises(AuthorCannotApprove) as refused:
        contract(State.IN_APPROVAL).approve(actor, "", NOW)
    assert refused.value.reason == "AUTHOR_CANNOT_APPROVE"


def test_a_rejected_contract_is_a_draft_with_a_reason_and_without_a_document():
    made = contract(State.IN_APPROVAL, content_hash="hash")
    made.reject("too cheap", NOW)
    assert (made.state, made.reject_reason, made.content_hash, made.submitter) == (State.DRAFT, "too cheap", "", "")


def test_a_resubmitted_contract_forgets_why_it_was_sent_back():
    made = contract(reject_reason="too cheap")
    made.submit("hash", "users/ana", NOW)
    assert made.reject_reason == ""


def test_a_contract_begins_on_the_day_it_is_activated_in_the_companys_zone():
    made = contract(State.APPROVED)
    made.activate(datetime(2026, 3, 1, 23, 30, tzinfo=UTC), SOFIA)
    assert made.effective_date == date(2026, 3, 2)
    assert made.end_date == date(2027, 3, 1)
    (term,) = made.entitlement_terms
    assert term.start_time == datetime(2026, 3, 1, 22, tzinfo=UTC)
    assert term.end_time == datetime(2027, 3, 1, 22, tzinfo=UTC)
    assert term.service_level == "standard"


def test_an_agreed_first_day_stays():
    made = contract(State.APPROVED, effective_date=date(2026, 4, 1))
    made.activate(NOW, SOFIA)
    assert made.effective_date == date(2026, 4, 1)


def test_no_months_mean_no_end():
    made = contract(State.APPROVED)
    made.term_months = 0
    made.activate(NOW, SOFIA)
    assert made.end_date is None
    assert made.entitlement_terms[0].end_time is None


def test_a_first_day_outside_of_the_centuries_is_refused():
    with pytest.raises(InvalidFields, match="effective_date"):
        contract(effective_date=date(9999, 1, 1))


@pytest.mark.parametrize(
    ("anchor", "months", "later"),
    [
        (date(2026, 1, 31), 1, date(2026, 2, 28)),
        (date(2026, 1, 31), 2, date(2026, 3, 31)),
        (date(2026, 1, 31), 3, date(2026, 4, 30)),
        (date(2028, 2, 29), 12, date(2029, 2, 28)),
        (date(2028, 2, 29), 48, date(2032, 2, 29)),
    ],
)
def test_months_are_counted_from_the_anchor(anchor, months, later):
    assert months_after(anchor, months) == later
    assert last_day(anchor, months) == later - timedelta(days=1)


@given(st.dates(date(1900, 1, 1), date(2200, 1, 1)), st.integers(1, 600))
def test_a_term_is_as_many_months_long_as_agreed(first, months):
    after = last_day(first, months) + timedelta(days=1)
    assert (after.year - first.year) * 12 + after.month - first.month == months
    assert after.day <= first.day


@given(st.dates(date(1970, 1, 1), date(2100, 1, 1)), st.sampled_from([LISBON, SAO_PAULO, SOFIA]))
def test_a_day_begins_at_the_first_instant_that_is_in_it(day, zone):
    begins = midnight(day, zone)
    assert begins.astimezone(zone).date() == day
    assert (begins - timedelta(seconds=1)).astimezone(zone).date() < day


def test_a_midnight_that_never_was_is_the_next_real_instant():
    begins = midnight(date(2017, 10, 15), SAO_PAULO)
    assert begins == datetime(2017, 10, 15, 3, tzinfo=UTC)
    assert begins.astimezone(SAO_PAULO).hour == 1


def test_an_unknown_placeholder_is_refused_with_its_section():
    with pytest.raises(InvalidFields) as refused:
        template(sections=[Section(text="{customer}"), Section(text="{costumer} pays")]).check()
    assert refused.value.violations == [("contract_template.sections[1].text", "{costumer} is not a placeholder")]


def test_a_template_too_long_to_print_is_refused():
    with pytest.raises(InvalidFields, match="characters"):
        template(sections=[Section(text="x" * 20_000)] * 11).check()


def test_a_templates_next_version_holds_its_text():
    following = template().next_version()
    assert (following.id, following.number) == ("standard-4", 4)
    assert following.sections == template().sections


def test_a_contract_says_what_was_agreed():
    made = contract(account_display_name="Padaria São João", effective_date=date(2026, 1, 31))
    made.amount = Money(amount=Decimal("12345.6000"), currency="EUR")
    sections = [Section(text="{number}: {amount} from {effective_date} to {end_date}, {service_level}, {customer}")]
    said = word(made, template(sections=sections).next_version(), "Acme").sections[0].text
    assert said == "C-000007: 12,345.60 EUR from 2026-01-31 to 2027-01-30, standard, Padaria São João"


def test_a_fact_with_braces_is_not_filled_again():
    assert fill("{customer} and {company}", {"customer": "{company}", "company": "Acme"}) == "{company} and Acme"


@pytest.mark.parametrize(("code", "language"), [("en", "en"), ("zh-CN", "zh"), ("", "en"), ("klingon", "en")])
def test_a_text_is_set_in_its_language_or_else_as_english(code, language):
    assert word(contract(), template(language_code=code).next_version(), "Acme").language == language


@given(st.decimals(min_value=Decimal(-(10**14)), max_value=Decimal(10**14), places=4))
def test_an_amount_is_printed_to_the_last_cent(amount):
    made = contract(amount=Money(amount=amount, currency="EUR"))
    said = word(made, template(sections=[Section(text="{amount}")]).next_version(), "Acme").sections[0].text
    assert Decimal(said.removesuffix(" EUR").replace(",", "")) == amount
