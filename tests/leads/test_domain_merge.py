"""The rules by which leads become one, without any server."""

from copy import deepcopy
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest
from chassis.values import ExternalId
from hypothesis import given
from hypothesis import strategies as st
from leads import merge_tables, tables
from leads.domain import survivorship
from leads.domain.lead import Lead
from leads.domain.merge import go_on, merge_away, part, plan_merge, separate
from leads.domain.state import State
from leads.domain.survivorship import MergedTooLarge, Rule, Survivorship, survive

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TEXTS = st.sampled_from(["", "Ана", "Петрова", "李明", "João", "a@b.bg"])
TIMES = st.none() | st.integers(0, 10).map(lambda days: NOW + timedelta(days=days))
OPEN = st.sampled_from([State.NEW, State.ASSIGNED, State.WORKING, State.QUALIFIED, State.NURTURING])
LEADS = st.builds(
    Lead,
    display_name=st.sampled_from(["Ана", "李明", "João"]),
    company=TEXTS, email=TEXTS, phone=TEXTS, note=TEXTS, country=st.sampled_from(["", "BG", "CN"]), state=OPEN,
    labels=st.dictionaries(st.sampled_from("abc"), TEXTS), owner=st.sampled_from(["", "users/ana", "users/boris"]),
    external_ids=st.lists(st.sampled_from("xyz").map(lambda key: ExternalId(system="s", id=key)), unique=True),
    rejected_by=st.lists(st.sampled_from(["users/chen", "users/dora"]), unique=True),
    call_count=st.integers(0, 5), company_size=st.integers(0, 5), contact_time=TIMES, last_call_time=TIMES,
    update_time=TIMES, assign_time=TIMES,
)  # fmt: skip


def as_stored(lead):
    lead.normalise()
    return lead


def lead(**given):
    return as_stored(Lead(**({"display_name": "Ана", "update_time": NOW} | given)))


def test_every_field_of_a_lead_is_decided_about():
    decided = [
        *survivorship.CHOSEN, *survivorship.EARLIEST, *survivorship.LATEST, *survivorship.ADDED,
        *survivorship.JOINED, *survivorship.STANDING, *survivorship.KEPT, *survivorship.ANY,
    ]  # fmt: skip
    assert sorted(decided) == sorted(item.name for item in fields(Lead))


def test_every_table_that_names_a_lead_goes_along_or_stays():
    """Whoever adds a table says what becomes of it when its lead is merged."""
    named = {
        table.name for table in tables.METADATA.tables.values()
        if table.name == "leads" or {"lead", "lead_id"} & set(table.columns.keys())
    }  # fmt: skip
    known = {*merge_tables.GO_ALONG, merge_tables.ENROLMENTS, *merge_tables.STAY}
    assert named <= known, f"merge_tables.py does not say what becomes of {sorted(named - known)}"


@given(LEADS.map(as_stored), LEADS.map(as_stored))
def test_taking_back_what_nothing_followed_leaves_no_trace(one, other):
    leads = [one, other]
    before = deepcopy(leads)
    merge = plan_merge(leads, Survivorship(), NOW, 30)
    merge.before = deepcopy(leads)
    go_on(one, deepcopy(merge.result), merge.merged, NOW)
    merge_away(other, one, merge.name, NOW)
    assert one == merge.result
    part(one, merge, NOW)
    separate(other, merge.before[1], NOW)
    assert leads == before


@given(
    st.lists(LEADS.map(as_stored), min_size=2, max_size=5), st.sampled_from([Rule.SURVIVOR, Rule.NEWEST, Rule.FULLEST])
)
def test_no_value_is_lost_for_an_empty_one_and_none_is_made_up(leads, rule):
    result, origins = survive(leads, Survivorship(rule=rule))
    for name in survivorship.CHOSEN:
        said = {getattr(one, name) for one in leads} - {"", 0}
        assert getattr(result, name) in (said or {"", 0})
    assert {one.field for one in origins if one.lead} <= {*survivorship.CHOSEN, *survivorship.JOINED}
    assert result.call_count == sum(one.call_count for one in leads)


@pytest.mark.parametrize(
    ("rule", "company", "reason"),
    [
        (Rule.SURVIVOR, "Роза", "OF_SURVIVOR"),
        (Rule.NEWEST, "Rosa", "OF_NEWEST"),
        (Rule.FULLEST, "Rosa Ltd", "OF_FULLEST"),
    ],
)
def test_a_rule_decides_between_values(rule, company, reason):
    leads = [
        lead(company="Роза"), lead(company="Rosa", update_time=NOW + timedelta(days=1)), lead(company="Rosa Ltd"),
    ]  # fmt: skip
    result, origins = survive(leads, Survivorship(rule=rule))
    assert result.company == company
    assert {one.field: one.reason.name for one in origins}["company"] == reason


def test_a_number_that_is_one_says_more_than_a_longer_text():
    leads = [lead(phone="0888 111 222 333 444"), lead(phone="0888 111 222", phone_e164="+359888111222")]
    result, _ = survive(leads, Survivorship(rule=Rule.FULLEST))
    assert (result.phone, result.phone_e164, result.phone_digits) == ("0888 111 222", "+359888111222", "359888111222")


def test_a_lead_nobody_has_is_whose_the_furthest_is():
    worked = lead(state=State.WORKING, owner="users/ana", team="teams/north", assign_time=NOW)
    result, _ = survive([lead(), lead(state=State.ASSIGNED, owner="users/boris"), worked], Survivorship())
    assert (result.state, result.owner, result.team) == (State.WORKING, "users/ana", "teams/north")


def test_nobody_loses_a_lead_to_a_merge():
    mine = lead(state=State.ASSIGNED, owner="users/boris")
    result, _ = survive([mine, lead(state=State.QUALIFIED, owner="users/ana")], Survivorship())
    assert (result.state, result.owner) == (State.QUALIFIED, "users/boris")


def test_a_lead_in_peace_stays_so():
    asleep = lead(state=State.NURTURING, nurture_until=NOW, owner="users/ana")
    result, _ = survive([asleep, lead(state=State.WORKING, owner="users/boris")], Survivorship())
    assert (result.state, result.nurture_until, result.owner) == (State.NURTURING, NOW, "users/ana")


@pytest.mark.parametrize(
    "more",
    [
        {"labels": {str(n): "" for n in range(51)}},
        {"external_ids": [ExternalId(system="s", id=str(n)) for n in range(21)]},
    ],
)
def test_a_lead_takes_no_more_than_a_lead_takes(more):
    with pytest.raises(MergedTooLarge):
        survive([lead(), lead(**more)], Survivorship())


def test_a_field_erased_says_nothing():
    result, _ = survive([lead(display_name="(erased)"), lead(display_name="Ана")], Survivorship())
    assert result.display_name == "Ана"


def test_what_was_chosen_since_is_kept_with_who_has_it():
    one, other = lead(), lead(state=State.WORKING, owner="users/ana", team="teams/north")
    merge = plan_merge([one, other], Survivorship(), NOW, 30)
    merge.before = deepcopy([one, other])
    go_on(one, deepcopy(merge.result), merge.merged, NOW)
    one.assign("users/boris", "teams/south", NOW)
    part(one, merge, NOW)
    assert (one.owner, one.team, one.state) == ("users/boris", "teams/south", State.WORKING)
    assert replace(one).call_count == 0
