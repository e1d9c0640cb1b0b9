"""The rules of nurture paths: one path at most, the first that is for the lead, pauses and limits on both sides."""

from datetime import UTC, datetime, timedelta

import pytest
from chassis.errors import InvalidFields
from hypothesis import given
from hypothesis import strategies as st
from leads.domain.cadence import Cadence, CadenceForNurturing, CadenceStep, LeadNotToBeWorked, StopReason, why_stop
from leads.domain.interaction import InteractionKind
from leads.domain.lead import Lead
from leads.domain.nurture import NurturePath, NurturePathClosed, NurtureSettings, Past, Verdict, decide
from leads.domain.segment import LeadSegment
from leads.domain.state import State, WakeCause

NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
NAMES = ["панаир", "春节", "ação", "d", "e"]
CALL = [CadenceStep(kind=InteractionKind.CALL)]


def path(name: str = "a", **fields) -> NurturePath:
    return NurturePath(path=name, **({} if "until" in fields else {"days": 30}) | fields)


def settled(*paths: NurturePath, cadences=(), segments=(), at: datetime = NOW) -> None:
    NurtureSettings(paths=list(paths)).check(
        {one.name: one for one in cadences}, {one.name: one for one in segments}, at
    )


PASTS = st.builds(
    Past,
    entries=st.integers(0, 5),
    last_left=st.none() | st.integers(0, 60 * 24 * 60).map(lambda minutes: NOW - minutes * MINUTE),
)
PATHS = st.builds(
    NurturePath,
    path=st.sampled_from(NAMES),
    days=st.just(30),
    most_entries=st.integers(0, 4),
    pause_days=st.integers(0, 50),
    inactive=st.sampled_from(["", "", "", "leadSegments/x is archived"]),
)
ROADS = st.lists(PATHS, max_size=5, unique_by=lambda one: one.path)


def open_to(one: NurturePath, selected: set[str], past: Past) -> bool:
    """Said again in other words than the rule's."""
    so_often = one.most_entries == 0 or past.entries < one.most_entries
    so_long = past.last_left is None or NOW - past.last_left >= one.pause_days * DAY
    return one.path in selected and so_often and so_long and not one.inactive


@given(ROADS, st.sets(st.sampled_from(NAMES)), st.dictionaries(st.sampled_from(NAMES), PASTS))
def test_a_lead_is_sent_down_the_first_path_that_is_open_to_it_and_no_other(paths, selected, past):
    decision = decide("leads/1", paths, selected, past, NOW)
    fitting = [one.path for one in paths if open_to(one, selected, past.get(one.path, Past()))]
    assert decision.path == (fitting[0] if fitting else "")
    taken = [one.path for one in decision.paths if one.verdict is Verdict.TAKEN]
    assert taken == fitting[:1]
    assert [one.path for one in decision.paths if one.verdict is Verdict.OPEN] == fitting[1:]
    assert [one.path for one in decision.paths] == [one.path for one in paths]


@given(ROADS.filter(bool), st.data(), st.dictionaries(st.sampled_from(NAMES), PASTS))
def test_a_named_path_is_taken_whoever_it_is_for_or_refused(paths, data, past):
    named = data.draw(st.sampled_from(paths))
    if open_to(named, {named.path}, past.get(named.path, Past())):
        decision = decide("leads/1", paths, set(), past, NOW, named.path)
        assert (decision.path, decision.named) == (named.path, True)
        assert sum(one.verdict is Verdict.TAKEN for one in decision.paths) == 1
    else:
        with pytest.raises(NurturePathClosed):
            decide("leads/1", paths, {one.path for one in paths}, past, NOW, named.path)


@given(st.integers(1, 3650), st.integers(0, 24 * 60))
def test_a_pause_is_over_to_the_minute(days, minutes):
    def verdict(left: datetime) -> Verdict:
        return decide("leads/1", [path(pause_days=days)], {"a"}, {"a": Past(1, left)}, NOW).paths[0].verdict

    over = NOW - days * DAY
    assert verdict(over - minutes * MINUTE) is Verdict.TAKEN
    assert verdict(over + (minutes + 1) * MINUTE) is Verdict.TOO_SOON


@given(st.integers(1, 1000), st.integers(0, 1000))
def test_a_path_is_taken_as_often_as_it_may_be(most, entries):
    found = decide("leads/1", [path(most_entries=most)], {"a"}, {"a": Past(entries, NOW)}, NOW)
    assert found.paths[0].verdict is (Verdict.TAKEN if entries < most else Verdict.TOO_OFTEN)


def test_a_decision_says_of_each_path_why():
    paths = [path("a"), path("b", most_entries=1), path("c", pause_days=7), path("d", inactive="x"), path("e")]
    past = {"b": Past(1, NOW - 9 * DAY), "c": Past(1, NOW - DAY)}
    found = decide("leads/1", [*paths, path("f")], {"b", "c", "d", "e", "f"}, past, NOW).paths
    assert [one.verdict.name for one in found] == [
        *("NOT_SELECTED", "TOO_OFTEN", "TOO_SOON", "INACTIVE", "TAKEN", "OPEN"),
    ]
    assert [one.detail for one in found] == ["", "1 of 1 times", "from 2026-12-02 09:00 UTC on", "x", "", ""]


def test_a_path_lasts_for_days_or_until_a_moment():
    assert path(days=3).wake_time(NOW) == NOW + 3 * DAY
    assert path(until=NOW + DAY).wake_time(NOW) == NOW + DAY


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"days": 0}, "days"),
        ({"days": 3, "until": NOW + DAY}, "days"),
        ({"until": NOW}, "until"),
        ({"until": NOW + 3651 * DAY}, "until"),
        ({"segment": "leadSegments/a", "filter": "channel = x"}, "filter"),
        ({"segment": "leadSegments/none"}, "segment"),
        ({"segment": "leadSegments/old"}, "segment"),
        ({"cadence": "cadences/none"}, "cadence"),
        ({"cadence": "cadences/old"}, "cadence"),
        ({"cadence": "cadences/plain"}, "cadence"),
    ],
)
def test_a_path_that_leads_cannot_be_sent_down_is_refused(fields, field):
    cadences = [
        Cadence(id="good", display_name="C", steps=CALL, for_nurturing=True),
        Cadence(id="old", display_name="C", steps=CALL, for_nurturing=True, archive_time=NOW),
        Cadence(id="plain", display_name="C", steps=CALL),
    ]
    segments = [
        LeadSegment(id="a", display_name="S", filter="state = NEW"),
        LeadSegment(id="old", display_name="S", filter="state = NEW", archive_time=NOW),
    ]
    settled(path("a", segment="leadSegments/a", cadence="cadences/good"), cadences=cadences, segments=segments)
    with pytest.raises(InvalidFields, match=rf"nurture_settings\.paths\[1\]\.{field}"):
        settled(path("a"), path("b", **fields), cadences=cadences, segments=segments)


def test_a_path_is_called_by_one_name():
    settled(path("a"), path("b"))
    with pytest.raises(InvalidFields, match="a is taken"):
        settled(path("a"), path("a"))
    assert NurtureSettings(paths=[path("a")]).path("a") == path("a")
    assert NurtureSettings().path("") is None
    with pytest.raises(InvalidFields, match="is none of a"):
        NurtureSettings(paths=[path("a")]).path("b")


def test_what_is_archived_meanwhile_makes_a_path_inactive_and_no_other():
    segment = LeadSegment(id="s", display_name="S", filter="state = NEW")
    said = path(segment=segment.name).judged({}, {segment.name: segment}, NOW)
    assert said.inactive == ""
    segment.archive(NOW)
    assert "archived" in path(segment=segment.name).judged({}, {segment.name: segment}, NOW).inactive
    assert path("b").judged({}, {}, NOW).inactive == ""
    assert "past" in path(until=NOW + DAY).judged({}, {}, NOW + DAY).inactive


def a_lead(state: State, **fields) -> Lead:
    return Lead(display_name="王芳", owner="users/ana", state=state, **fields)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("for_nurturing", [True, False])
def test_nurtured_leads_go_through_their_cadences_and_open_ones_through_theirs(state, for_nurturing):
    cadence = Cadence(id="c", display_name="C", steps=CALL, for_nurturing=for_nurturing)
    allowed = {State.NURTURING} if for_nurturing else {State.NEW, State.ASSIGNED, State.WORKING, State.QUALIFIED}
    if state in allowed:
        assert cadence.enrol(a_lead(state), NOW).for_nurturing is for_nurturing
    else:
        with pytest.raises(CadenceForNurturing if for_nurturing else LeadNotToBeWorked):
            cadence.enrol(a_lead(state), NOW)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (State.NURTURING, None),
        (State.NEW, StopReason.WOKEN),
        (State.ASSIGNED, StopReason.WOKEN),
        (State.WORKING, StopReason.WOKEN),
        (State.QUALIFIED, StopReason.QUALIFIED),
        (State.CONVERTED, StopReason.CONVERTED),
        (State.DISQUALIFIED, StopReason.DISQUALIFIED),
        (State.MERGED, StopReason.CLOSED),
    ],
)
def test_a_cadence_for_nurturing_ends_when_the_lead_wakes(state, reason):
    assert why_stop(a_lead(state), for_nurturing=True) is reason
    assert why_stop(a_lead(State.NURTURING, archive_time=NOW), for_nurturing=True) is StopReason.CLOSED


def test_a_lead_is_on_its_path_while_it_sleeps():
    for end in (
        lambda one: one.wake(WakeCause.DATE, "", True, NOW),
        lambda one: one.disqualify("no_budget", "", NOW),
    ):
        lead = a_lead(State.WORKING)
        lead.nurture(NOW + DAY, None, "", "", 0, NOW, path="a")
        assert (lead.nurture_path, lead.state) == ("a", State.NURTURING)
        end(lead)
        assert lead.nurture_path == ""
