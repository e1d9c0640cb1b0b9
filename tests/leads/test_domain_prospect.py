"""The rules of prospects: what may be looked for, what a source's word is worth, and who may be the same."""

import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from chassis.errors import InvalidFields
from hypothesis import given
from hypothesis import strategies as st
from leads.domain.capture import Kind
from leads.domain.duplicate import Candidate, DuplicateVerdict
from leads.domain.prospect import (
    PERSONAL,
    READERS,
    NoCompany,
    Prospect,
    ProspectState,
    ProspectTaken,
    domain_of,
    key_of,
    read,
)
from leads.domain.prospect_match import compared, matched
from leads.domain.prospect_search import (
    CHANNEL,
    CRITERIA,
    NotLookedFor,
    Place,
    ProspectCriteria,
    ProspectSearch,
    ProspectSearchArchivedAlready,
    ProspectSearchNotArchived,
)

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
POINTERS = {name: f"/{name}" for name in READERS}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def search(**fields):
    return ProspectSearch(display_name="Пекарни", source="registry", **fields)


def prospect(company="Роза ООД", **fields):
    return Prospect(prospect_search="prospectSearches/s", source="registry", key="k", company=company, **fields)


def lead(**fields):
    blank = {"display_name": "", "company": "", "email": "", "phone_e164": "", "phone_digits": ""}
    return Candidate(id="l", **(blank | fields))


# ---- what is looked for


def test_a_criterion_that_the_source_knows_is_taken_and_one_that_it_does_not_is_told():
    looked_for = ProspectCriteria(countries=["BG"], competitors=["Fornax"])
    looked_for.check("registry", CRITERIA)
    with pytest.raises(InvalidFields) as wrong:
        looked_for.check("registry", ["countries"])
    assert wrong.value.violations == [("criteria.competitors", "registry cannot be asked for it")]


def test_nothing_is_looked_for_by_no_criterion():
    with pytest.raises(InvalidFields, match="says nothing"):
        ProspectCriteria().check("registry", CRITERIA)


@given(least=st.integers(0, 100), most=st.integers(0, 100))
def test_a_range_is_refused_if_nothing_lies_in_it(least, most):
    looked_for = ProspectCriteria(countries=["BG"], employees_min=least, employees_max=most)
    if most and least > most:
        with pytest.raises(InvalidFields, match="employees_min"):
            looked_for.check("registry", CRITERIA)
    else:
        looked_for.check("registry", CRITERIA)


@given(least=st.integers(0, 50), most=st.integers(0, 50), has=st.integers(0, 60))
def test_what_a_source_says_is_held_against_what_was_asked_and_silence_is_not(least, most, has):
    looked_for = ProspectCriteria(employees_min=least, employees_max=most)
    if has and (has < least or (most and has > most)):
        with pytest.raises(NotLookedFor):
            looked_for.require("", has, 0)
    else:
        looked_for.require("", has, 0)


def test_another_country_is_not_looked_for():
    looked_for = ProspectCriteria(countries=["BG", "PT"])
    looked_for.require("PT", 0, 0)
    looked_for.require("", 0, 0)
    with pytest.raises(NotLookedFor):
        looked_for.require("CN", 0, 0)


# ---- searches


def test_a_search_is_archived_once_and_comes_back():
    one = search()
    one.archive(NOW)
    with pytest.raises(ProspectSearchArchivedAlready):
        one.archive(NOW)
    one.restore(NOW)
    with pytest.raises(ProspectSearchNotArchived):
        one.restore(NOW)


def test_what_is_empty_is_the_usual():
    one = search(most_prospects=0)
    one.settle()
    assert (one.most_prospects, one.channel) == (1000, CHANNEL)
    one.channel = "fair"
    one.settle()
    assert one.channel == "channels/fair"


def test_a_run_goes_on_where_the_last_one_ended_unless_something_else_is_asked():
    one = search()
    one.run("leadOperations/1", resume=False, at=NOW)
    one.turn_to(Place(page=3))
    one.run("leadOperations/2", resume=True, at=NOW)
    assert (one.next_page, one.resumable) == (Place(page=3), True)
    one.changed(["display_name"], NOW)
    assert one.resumable
    one.changed(["criteria"], NOW)
    assert (one.next_page, one.resumable) == (Place(), False)
    one.turn_to(Place(page=2))
    one.run("leadOperations/3", resume=False, at=NOW)
    assert one.next_page == Place()
    one.turn_to(None)
    assert not one.resumable


# ---- what a source says


@given(st.dictionaries(st.sampled_from(sorted(READERS)), JSON) | JSON)
def test_whatever_a_source_says_is_read_as_what_fits_or_told_as_unfit(item):
    try:
        found, unfit = read(item, POINTERS)
    except NoCompany:
        return
    assert not set(found) & set(unfit)
    one = Prospect(prospect_search="s", source="registry", key=key_of(found, "registry"), **found)
    assert 0 < len(one.company) <= 200
    assert one.company.isprintable()
    assert 0 <= one.employees <= 10_000_000
    assert len(one.email) <= 254
    assert len(one.competitors) <= 20
    assert domain_of(one.website) or not one.website


@pytest.mark.parametrize(
    ("field", "told", "read_as"),
    [
        ("company", " Роза \n ООД ", "Роза ООД"), ("company", "玫瑰有限公司", "玫瑰有限公司"),
        ("country", "bg", "BG"),
        ("employees", "12", 12), ("employees", 12.7, 12), ("revenue", 10**15, 10**15),
        ("website", "rosa.example", "https://rosa.example"),
        ("website", "http://роза.example/за-нас", "http://роза.example/за-нас"),
        ("email", "Ana@Rosa.Example", "ana@rosa.example"),
        ("phone", "+359 88 812-3456", "+359 88 812-3456"), ("competitors", "Fornax", ["Fornax"]),
        ("competitors", ["Fornax", "Fornax", 3, "Padaria Lda."], ["Fornax", "Padaria Lda."]),
    ],
)  # fmt: skip
def test_a_value_is_read_as_people_mean_it(field, told, read_as):
    found, unfit = read({"company": "Rosa", field: told}, POINTERS)
    assert (found[field], unfit) == (read_as, [])


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("country", "Bulgaria"), ("employees", -1), ("employees", True), ("employees", 10_000_001),
        ("employees", math.inf),
        ("website", "javascript:alert(1)"), ("website", "https://ana:secret@rosa.example"), ("website", "rosa"),
        ("website", "https://[::1"), ("email", "ana@rosa"), ("email", ["ana@rosa.example"]), ("phone", "call me"),
        ("city", "x" * 101), ("city", "a\0b"), ("competitors", [1]), ("revenue", "about 5"),
    ],
)  # fmt: skip
def test_what_is_none_of_its_kind_is_left_out_and_told(field, told):
    found, unfit = read({"company": "Rosa", field: told}, POINTERS)
    assert (field in found, unfit) == (False, [field])


@pytest.mark.parametrize("item", [{}, [], None, 7, {"company": ""}, {"company": "x" * 201}, {"email": "a@b.example"}])
def test_something_without_a_company_is_no_prospect(item):
    with pytest.raises(NoCompany):
        read(item, POINTERS)


def test_the_same_is_known_again_by_its_key_else_by_what_it_is():
    keyed = {"company": "Rosa", "source_key": "7"}
    assert key_of(keyed, "registry") == key_of(keyed | {"company": "Роза"}, "registry")
    assert key_of(keyed, "registry") != key_of(keyed, "market")
    plain = {"company": "Роза ООД", "website": "https://www.rosa.example"}
    assert key_of(plain, "registry") == key_of({"company": "роза", "website": "http://rosa.example/"}, "registry")
    assert key_of(plain, "registry") != key_of(plain | {"email": "ana@rosa.example"}, "registry")


# ---- what becomes of it


def test_a_prospect_is_accepted_once_and_not_dismissed_after_that():
    one = prospect()
    assert one.dismiss("users/ana", NOW)
    assert not one.dismiss("users/ana", NOW)
    one.accept("leads/1", "users/ana", NOW)
    assert (one.state, one.lead, one.decided_by) == (ProspectState.ACCEPTED, "leads/1", "users/ana")
    for verb in (lambda: one.dismiss("users/ana", NOW), lambda: one.accept("leads/2", "users/ana", NOW)):
        with pytest.raises(ProspectTaken):
            verb()


def test_a_capture_says_where_it_is_from():
    one = prospect(fetch_time=NOW, city="София", website="https://rosa.example", employees=12, competitors=["Fornax"])
    made = one.captured("channels/x", NOW)
    assert (made.kind, made.company, made.channel) == (Kind.PROSPECT, "Роза ООД", "channels/x")
    assert made.note == "Source registry, 2026-03-02; https://rosa.example; София; 12 employees; uses Fornax"
    assert made.missing == ""
    assert made.capture_key == replace(one, prospect_search="prospectSearches/other").captured("", NOW).capture_key


def test_who_may_not_be_written_to_is_left_out_whole_and_who_may_not_be_called_by_number():
    def told():
        return prospect(display_name="Ана", job_title="CEO", email="ana@rosa.example", phone="+359888123456")

    one, other, third = told(), told(), told()
    one.withhold(person=True, phone=False)
    assert [getattr(one, name) for name in PERSONAL] == [""] * 4
    other.withhold(person=False, phone=True)
    assert (other.display_name, other.email, other.phone) == ("Ана", "ana@rosa.example", "")
    third.withhold(person=False, phone=False)
    assert third.phone
    assert (one.withheld, other.withheld, third.withheld) == (True, True, False)


# ---- who may be the same


def match(one, *others, account="", number=""):
    return matched(one, compared(one, number, number.lstrip("+")), others, account)


def test_a_company_of_the_same_name_is_shown_and_one_with_the_same_domain_is_certain():
    one = prospect(website="https://www.rosa.example")
    found = match(one, lead(company="ROSA Ltd"))
    assert (found.lead, found.verdict) == ("leads/l", DuplicateVerdict.REVIEW)
    certain = match(one, lead(company="Роза", email="boris@rosa.example"))
    assert certain.verdict is DuplicateVerdict.CERTAIN
    assert {line.field for line in certain.evidence} >= {"company", "domain"}


def test_another_company_is_none_nor_is_somebody_with_an_address_that_anybody_may_have():
    one = prospect(email="rosa@gmail.com")
    assert match(one) is None
    assert match(one, lead(company="Фурна Изгрев", email="rosa2@gmail.com")) is None


def test_of_two_leads_the_likelier_is_named_and_an_account_besides():
    one = prospect(email="ana@rosa.example")
    first, second = lead(company="Роза"), replace(lead(company="Роза", email="ana@rosa.example"), id="m")
    assert match(one, first, second, account="accounts/a").lead == "leads/m"
    alone = match(one, account="accounts/a")
    assert (alone.lead, alone.account, alone.evidence[0].field) == ("", "accounts/a", "company")


def test_a_number_in_common_is_shown():
    assert match(prospect(), lead(company="Роза Трейд", phone_e164="+359888123456"), number="+359888123456")
